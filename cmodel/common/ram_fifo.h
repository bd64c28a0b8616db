// SPDX-License-Identifier: Apache-2.0
// A FIFO with a RAM, as rtl/common/ram_fifo.v: what goes in is at the output two clocks later.
#ifndef DUPLEX_CMODEL_RAM_FIFO_H
#define DUPLEX_CMODEL_RAM_FIFO_H

#include <stdbool.h>
#include <stdint.h>

struct ram_fifo {
  uint32_t write, read, mark;
  bool valid;
};

// `mark` notes the place that `rewind` goes back to.
static inline void ram_fifo_clock(struct ram_fifo *f, bool push, bool pop, bool mark, bool rewind) {
  if (mark) f->mark = f->read;
  f->read = rewind ? f->mark : f->read + pop;
  f->valid = f->read != f->write;
  f->write += push;
}

#endif
