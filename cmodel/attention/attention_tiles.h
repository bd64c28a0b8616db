// SPDX-License-Identifier: Apache-2.0
// Tiles of q and of weights for the GEMM module, as rtl/attention/attention_tiles.v with probability_path.v.
#ifndef DUPLEX_CMODEL_ATTENTION_TILES_H
#define DUPLEX_CMODEL_ATTENTION_TILES_H

#include <stdbool.h>
#include <stdint.h>

#include "cmodel/attention/attention_pass.h"
#include "cmodel/common/ram_fifo.h"

struct attention_tiles {
  enum { TILES_IDLE, TILES_SCORES, TILES_CONTEXT } state;
  struct attention_pass pass;
  unsigned blocks, k, word, position, l_count, room, weights;
  bool q_ready, q_word, told;
  uint32_t words;  // of weights on their way, one bit a clock
  struct ram_fifo fifo;
};

struct tiles_step {
  bool take, q_word, position, begins_word, read, word_valid, pop;
};
// What the tiles see of the other units.
struct tiles_in {
  const struct pass_fifo *passes;
  bool tile_ready, maximum_ready, slice_busy;
};
struct tiles_step tiles_look(const struct attention_tiles *t, const struct tiles_in *in);
void attention_tiles_clock(struct attention_tiles *t, const struct attention_pass *head,
                           const struct tiles_step *step, bool q_done, bool l_done);

#endif
