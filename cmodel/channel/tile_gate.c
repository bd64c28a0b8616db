// SPDX-License-Identifier: Apache-2.0
// Tile words to the GEMM module, as rtl/channel/tile_gate.v.
#include "cmodel/channel/tile_gate.h"

#include "duplex/params.h"

// Tiles of a block of rows, both groups.
static unsigned tiles_of_block(const struct job_timing *job) {
  return job->two_groups ? 2 * job->k_tiles : job->k_tiles;
}

bool tile_gate_clock(struct tile_gate *g, const struct job_timing *job, bool start, uint32_t rows,
                     bool word_valid, bool tile_ready) {
  const bool valid = g->words != 0;
  const bool take = valid && (g->drop || tile_ready);
  const bool to_gemm = take && !g->drop;
  g->words += (unsigned)(word_valid && g->words != 2) - (unsigned)take;
  if (start) {
    *g = (struct tile_gate){
        .words = g->words, .tile = tiles_of_block(job) - 1, .left = rows, .drop = rows == 0};
  } else if (take && ++g->word == DUPLEX_TILE_WORDS) {
    g->word = 0;
    if (g->tile--) return to_gemm;
    g->tile = tiles_of_block(job) - 1;
    const bool more = g->left > job->block_rows;
    g->left = more ? g->left - job->block_rows : 0;
    g->drop = !more;
  }
  return to_gemm;
}
