// SPDX-License-Identifier: Apache-2.0
// The xPU's share of one piece of one expert on one stack: its numbers, and what it reads.
#ifndef DEVICE_SHARE_H
#define DEVICE_SHARE_H

#include "device/layer.h"

struct share {
  const struct duplex_moe *moe;
  unsigned stack, expert, piece;
  unsigned cut;  // the parts from here on are the xPU's
};

// Adds the exact sums of x[tokens][hidden] to sums[tokens][hidden], 16 bytes each, by the device's xPU. Its
// bundles are the xPU's.
int share_compute(const struct share *share, const duplex_f16 *x, unsigned tokens, uint8_t *sums);

// Queues the reads of its weights as DRAM commands of the xPU.
int share_read(const struct share *share);

#endif
