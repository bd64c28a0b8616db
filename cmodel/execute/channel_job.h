// SPDX-License-Identifier: Apache-2.0
// One channel's share of a descriptor, as the files of this room hand it on.
#ifndef DUPLEX_CMODEL_CHANNEL_JOB_H
#define DUPLEX_CMODEL_CHANNEL_JOB_H

#include <stddef.h>

#include "cmodel/execute/execute.h"
#include "duplex/descriptor.h"

// `count` is the channel's rows (GEMM), tiles (LOAD) or heads (ATTENTION), `first` the first of them in the
// whole.
struct channel_job {
  struct execution *execution;
  const uint32_t *descriptor;
  struct duplex_gemm_panel *const *panels;  // one for each group of tokens
  unsigned channel;
  uint32_t first, count;
  uint32_t row_block;  // ATTENTION with SPREAD
  struct duplex_gemm_tiers tiers;
};

#endif
