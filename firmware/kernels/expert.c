#include "firmware/kernels/ring.h"

// x lies in shared buffer 0, h in shared buffer 1.
#define H_WORD DUPLEX_SHARED_WORDS
#define H_UNIT (2u * H_WORD)  // in units of 16 bytes

void firmware_expert(const struct hal *hal, const struct expert_job *job, struct firmware_report *report) {
  struct ring ring;
  uint32_t d[DUPLEX_DESCRIPTOR_WORDS];
  struct region x = job->x, results = job->results;
  ring_start(&ring, hal, report);
  if (job->table_tiles) {
    describe_load(d, job->table, 2, 0, job->table_tiles);
    if (!ring_push(&ring, d, false)) return;
  }
  // Weights beyond the inner size are zero, but 0 times what an earlier job left there could be NaN.
  const uint32_t inner = job->up_layout.rows / (job->up_layout.gated ? 2 : 1), whole_tiles = inner / DUPLEX_WIDTH;
  if (inner % DUPLEX_WIDTH) {
    describe_load(d, job->zeros, 1, H_UNIT + whole_tiles * DUPLEX_WIDTH, 1);
    if (!ring_push(&ring, d, false)) return;
  }
  for (uint32_t pass = 0; pass < job->passes; pass++) {
    describe_load(d, x, 1, 0, job->up_layout.k_tiles);
    if (!ring_push(&ring, d, false)) return;
    describe_gemm(d, &job->up_layout, job->up, 0);
    DUPLEX_DESCRIPTOR_SET(d, DESTINATION, 1);
    DUPLEX_DESCRIPTOR_SET(d, GATED, job->up_layout.gated);
    DUPLEX_DESCRIPTOR_SET(d, DST_ADDRESS, H_UNIT);
    if (!ring_push(&ring, d, false)) return;
    describe_gemm(d, &job->down_layout, job->down, H_WORD);
    describe_results(d, &job->down_layout, results, job->format);
    if (!ring_push(&ring, d, pass + 1 == job->passes)) return;
    x.base += activation_row_sets(job->up_layout.k_tiles, job->channels);
    results.base += result_row_sets(&job->down_layout, job->format);
  }
  ring_finish(&ring);
}
