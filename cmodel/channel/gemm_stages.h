// SPDX-License-Identifier: Apache-2.0
// The stages of the GEMM module, rtl/gemm/gemm.v without its sums.
#ifndef DUPLEX_CMODEL_GEMM_STAGES_H
#define DUPLEX_CMODEL_GEMM_STAGES_H

#include <stdbool.h>
#include <stdint.h>

#define GEMM_LATENCY 6  // clocks from a beat to its row's sum

struct gemm_stages {
  bool in_use, loaded;
  unsigned word;
  uint32_t sums, ends;  // last beats on their way, one bit a clock
};

// `release`: a beat goes that is the last to use its tile; `emit`: one that is the last of its row.
void gemm_stages_clock(struct gemm_stages *g, bool load_word, bool release, bool emit, bool end);

// A row's sum comes out in this clock, the last of its block.
static inline bool gemm_sum(const struct gemm_stages *g) { return g->sums >> (GEMM_LATENCY - 1) & 1; }
static inline bool gemm_end(const struct gemm_stages *g) { return g->ends >> (GEMM_LATENCY - 1) & 1; }

#endif
