// SPDX-License-Identifier: Apache-2.0
// From words of results to the DRAM, as rtl/channel/write_path.v.
#include "cmodel/channel/write_path.h"

void write_path_clock(struct write_path *w, const struct write_start *start, bool take, bool end,
                      bool ready) {
  const bool full = w->words == 4;
  const bool written = full && ready;
  const bool shift = take || (w->fill && !full);
  if (full) {
    if (ready) w->words = 0;
  } else if (shift) {
    w->words++;
  }
  const bool column_end = w->end;
  if (take && end) {
    w->fill = true;
  } else if (full) {
    w->fill = false;
  }
  if (take) w->end = end;
  if (start) {
    w->block = w->address = start->column;
    w->stride = start->stride;
    w->stripe = start->stripe;
  } else if (written) {
    w->address = column_end ? w->block + w->stride : w->address + 1;
    if (column_end) w->block += w->stride;
  }
}
