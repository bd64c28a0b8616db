// SPDX-License-Identifier: Apache-2.0
// The expert kernel: pass after pass a load, gate and up with the activation, down.
#include "duplex/arithmetic.h"
#include "firmware/kernels/ring.h"

// x lies in shared buffer 0, h in shared buffer 1.
#define H_WORD DUPLEX_SHARED_WORDS
#define H_UNIT (4u * H_WORD)  // in units of 16 bytes

// h of one pass, through the activation unit into shared buffer 1.
static void describe_up(uint32_t d[PUSHED_WORDS], const struct expert_job *job, uint32_t groups) {
  describe_gemm(d, &job->up_layout, job->up, groups);
  describe_loaded_activations(d, 0, groups);
  DUPLEX_DESCRIPTOR_SET(d, DESTINATION, DUPLEX_DESTINATION_SHARED);
  DUPLEX_DESCRIPTOR_SET(d, GATED, job->up_layout.gated);
  DUPLEX_DESCRIPTOR_SET(d, DST_ADDRESS, H_UNIT);
  if (groups == 2) DUPLEX_DESCRIPTOR_SET(d, DST_GROUP, job->down_layout.k_tiles * DUPLEX_WIDTH);
}

// Results of one pass, from h. The last tile of h may hold fewer columns than 64.
static void describe_down(uint32_t d[PUSHED_WORDS], const struct expert_job *job, struct region results,
                          uint32_t groups) {
  const uint32_t inner = job->up_layout.rows / (job->up_layout.gated ? 2 : 1);
  describe_gemm(d, &job->down_layout, job->down, groups);
  DUPLEX_DESCRIPTOR_SET(d, X_ADDRESS, H_WORD);
  if (groups == 2) DUPLEX_DESCRIPTOR_SET(d, X_STRIDE, job->down_layout.k_tiles * DUPLEX_TILE_WORDS);
  DUPLEX_DESCRIPTOR_SET(d, K_LAST, inner % DUPLEX_WIDTH);
  describe_results(d, &job->down_layout, results, job->format, groups);
}

void firmware_expert(const struct hal *hal, const struct expert_job *job, struct firmware_report *report) {
  struct ring ring;
  uint32_t d[PUSHED_WORDS];
  const uint32_t k_tiles = job->up_layout.k_tiles;
  const uint32_t most = expert_groups_of_pass(&job->up_layout, &job->down_layout);
  struct region x = job->x;
  struct region results = job->results;
  ring_start(&ring, hal, report);
  if (job->table_tiles) {
    describe_load(d, job->table, DUPLEX_DESTINATION_TABLE, 0, job->table_tiles);
    if (!ring_push(&ring, d, job->groups == 0)) return;
  }
  for (uint32_t left = job->groups, groups; left; left -= groups) {
    groups = (uint32_t)duplex_smaller(left, most);
    describe_load(d, x, DUPLEX_DESTINATION_SHARED, 0, groups * k_tiles);
    if (!ring_push(&ring, d, false)) return;
    describe_up(d, job, groups);
    if (!ring_push(&ring, d, false)) return;
    describe_down(d, job, results, groups);
    if (!ring_push(&ring, d, left == groups)) return;
    x.base += activation_row_sets(most * k_tiles, job->channels);
    results.base += result_row_sets(&job->down_layout, job->format, most);
  }
  ring_finish(&ring);
}
