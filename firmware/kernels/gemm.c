// SPDX-License-Identifier: Apache-2.0
// The GEMM kernel: pass after pass a load of activations and the products with all weights.
#include "duplex/arithmetic.h"
#include "firmware/kernels/ring.h"

void firmware_gemm(const struct hal *hal, const struct gemm_job *job, struct firmware_report *report) {
  struct ring ring;
  uint32_t d[PUSHED_WORDS];
  const uint32_t k_tiles = job->weights_layout.k_tiles;
  const uint32_t most = groups_of_pass(k_tiles);
  struct region x = job->x;
  struct region results = job->results;
  ring_start(&ring, hal, report);
  for (uint32_t left = job->groups, groups; left; left -= groups) {
    groups = (uint32_t)duplex_smaller(left, most);
    describe_load(d, x, DUPLEX_DESTINATION_SHARED, 0, groups * k_tiles);
    if (!ring_push(&ring, d, false)) return;
    describe_gemm(d, &job->weights_layout, job->weights, groups);
    describe_loaded_activations(d, 0, groups);
    describe_results(d, &job->weights_layout, results, job->format, groups);
    if (!ring_push(&ring, d, left == groups)) return;
    x.base += activation_row_sets(most * k_tiles, job->channels);
    results.base += result_row_sets(&job->weights_layout, job->format, most);
  }
  ring_finish(&ring);
}
