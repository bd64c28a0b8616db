// SPDX-License-Identifier: Apache-2.0
// Rows of sums to words of results, as rtl/channel/drain.v.
#ifndef DUPLEX_CMODEL_CHANNEL_DRAIN_H
#define DUPLEX_CMODEL_CHANNEL_DRAIN_H

#include <stdint.h>

#include "cmodel/channel/result_marks.h"

struct drain_timing {
  uint32_t rounding, ends;
  unsigned held, acc_left;
  bool acc_end;
};

struct drain_word {
  bool valid;
  struct result_marks marks;
};
// A row of f16 that is made elsewhere.
struct drain_row {
  bool valid, end;
};
struct drain_word drain_word(const struct drain_timing *d, unsigned format, struct drain_row row);
void drain_clock(struct drain_timing *d, unsigned format, struct drain_row row, bool sum, bool end);

#endif
