// Jobs of the host and the kernels that turn them into descriptors.
//
// A kernel keeps the ring full, waits for the last descriptor and reports. It moves addresses and lengths, never operands. After
// an error the ring is empty again and the stack ready for the next job.
#ifndef DUPLEX_FIRMWARE_H
#define DUPLEX_FIRMWARE_H

#include "firmware/hal/hal.h"
#include "firmware/layout.h"

enum firmware_result { FIRMWARE_DONE, FIRMWARE_REFUSED, FIRMWARE_WATCHDOG, FIRMWARE_CANCELLED };

struct firmware_report {
  enum firmware_result result;
  uint32_t descriptors;  // written to the ring
  uint32_t error_code;   // FIRMWARE_REFUSED: code, tag and address of the registers
  uint32_t error_tag, error_address;
};

// y = x w^T for `groups` groups of 8 tokens, in passes of groups_of_pass(k_tiles) groups, the last one perhaps with one. Pass p
// (weights with two streams: whole passes of two groups, one for each matrix) has its activation tiles at x.base + p *
// activation_row_sets(tiles of a whole pass), its results likewise.
struct gemm_job {
  struct weight_layout weights_layout;
  struct region weights, x, results;
  enum result_format format;
  uint32_t channels, groups;
};

// y = (act(x gate^T) * (x up^T)) down^T; without a gate h = act(x up^T). Passes as above, of expert_groups_of_pass groups; h
// stays in the shared buffer. `groups` may be 0: only the table is loaded.
struct expert_job {
  struct weight_layout up_layout, down_layout;  // up_layout.gated: gate and up rows interleaved
  struct region up, down, x, results, table;
  uint32_t table_tiles;  // tiles of the activation table to load first, 0: it is there
  enum result_format format;
  uint32_t channels, groups;
};

static inline uint32_t expert_groups_of_pass(const struct weight_layout *up, const struct weight_layout *down) {
  return groups_of_pass(up->k_tiles > down->k_tiles ? up->k_tiles : down->k_tiles);
}

void firmware_gemm(const struct hal *hal, const struct gemm_job *job, struct firmware_report *report);
void firmware_expert(const struct hal *hal, const struct expert_job *job, struct firmware_report *report);

#endif
