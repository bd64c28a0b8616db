// SPDX-License-Identifier: Apache-2.0
// Beats between the DRAM and the GEMM module, as rtl/channel/weight_fifo.v.
#ifndef DUPLEX_CMODEL_WEIGHT_FIFO_H
#define DUPLEX_CMODEL_WEIGHT_FIFO_H

#include "cmodel/common/ram_fifo.h"

struct weight_fifo {
  struct ram_fifo beats;
  bool second_out, second_in;  // the next beat is the second of its column
  bool credit;                 // a column is free again
};
// One clock. `leaves`: a beat that goes will not be read again.
void weight_fifo_clock(struct weight_fifo *w, bool push, bool pop, bool mark, bool rewind, bool leaves);

#endif
