// SPDX-License-Identifier: Apache-2.0
// What a descriptor computes: cells, shared buffers and activation table before and after it. It knows no
// clock; the rooms that keep time know no data.
#ifndef DUPLEX_CMODEL_EXECUTE_H
#define DUPLEX_CMODEL_EXECUTE_H

#include "cmodel/execute/attention_state.h"
#include "duplex/activation.h"
#include "duplex/gemm.h"
#include "duplex/hbm.h"

struct execution {
  unsigned channels, threads;
  struct duplex_hbm *hbm;
  uint8_t *shared;  // both shared buffers, one behind the other
  struct duplex_activation_table table;
  struct attention_state *attention;  // one for each channel
  struct duplex_gemm_tiers tiers;     // paths that the sums took
};

// Memory for so many channels on so many threads; the cells are the caller's. DUPLEX_ERROR_NO_MEMORY: what
// there is is freed by execution_close.
int execution_open(struct execution *execution, unsigned channels, unsigned threads);
void execution_close(struct execution *execution);
// Shared buffers, activation table and attention as after open; the cells stay.
void execution_reset(struct execution *execution);

// Computes a whole descriptor, which must be free of errors.
int execute_descriptor(struct execution *execution, const uint32_t *descriptor);

#endif
