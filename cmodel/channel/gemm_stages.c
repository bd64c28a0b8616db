// SPDX-License-Identifier: Apache-2.0
// Tiles and rows on their way through rtl/gemm/gemm.v.
#include "cmodel/channel/gemm_stages.h"

#include "duplex/params.h"

void gemm_stages_clock(struct gemm_stages *g, bool load_word, bool release, bool emit, bool end) {
  const bool take_tile = g->loaded && !g->in_use;
  const bool load_last = load_word && g->word == DUPLEX_TILE_WORDS - 1;
  g->word = (g->word + load_word) % DUPLEX_TILE_WORDS;
  g->in_use = (g->in_use || take_tile) && !release;
  g->loaded = load_last || (g->loaded && !take_tile);
  g->sums = g->sums << 1 | emit;
  g->ends = g->ends << 1 | end;
}
