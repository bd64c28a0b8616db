#include "firmware/kernels/ring.h"

void firmware_gemm(const struct hal *hal, const struct gemm_job *job, struct firmware_report *report) {
  struct ring ring;
  uint32_t d[DUPLEX_DESCRIPTOR_WORDS];
  struct region x = job->x, results = job->results;
  ring_start(&ring, hal, report);
  for (uint32_t pass = 0; pass < job->passes; pass++) {
    describe_load(d, x, 1, 0, job->weights_layout.k_tiles);
    if (!ring_push(&ring, d, false)) return;
    describe_gemm(d, &job->weights_layout, job->weights, 0);
    describe_results(d, &job->weights_layout, results, job->format);
    if (!ring_push(&ring, d, pass + 1 == job->passes)) return;
    x.base += activation_row_sets(job->weights_layout.k_tiles, job->channels);
    results.base += result_row_sets(&job->weights_layout, job->format);
  }
  ring_finish(&ring);
}
