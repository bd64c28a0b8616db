// SPDX-License-Identifier: Apache-2.0
// The tile words of a channel, as rtl/channel/tile_gate.v.
#ifndef DUPLEX_CMODEL_TILE_GATE_H
#define DUPLEX_CMODEL_TILE_GATE_H

#include "cmodel/channel/job_timing.h"

struct tile_gate {
  unsigned words, word, tile;  // in its FIFO; next of a tile; tiles of the block after this one
  uint32_t left;
  bool drop;
};

// One clock; returns whether a word goes to the GEMM module. Words of blocks without rows here are dropped.
bool tile_gate_clock(struct tile_gate *g, const struct job_timing *job, bool start, uint32_t rows,
                     bool word_valid, bool tile_ready);

#endif
