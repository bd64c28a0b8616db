// SPDX-License-Identifier: Apache-2.0
// Beats, and credits for the columns that hold them, as rtl/channel/weight_fifo.v.
#include "cmodel/channel/weight_fifo.h"

void weight_fifo_clock(struct weight_fifo *w, bool push, bool pop, bool mark, bool rewind, bool leaves) {
  ram_fifo_clock(&w->beats, push, pop, mark, rewind);
  w->credit = w->second_out && leaves;
  w->second_out ^= leaves;
  w->second_in ^= push;
}
