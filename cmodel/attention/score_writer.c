// SPDX-License-Identifier: Apache-2.0
// Scores from the slice to the result buffer, as rtl/attention/score_writer.v.
#include "cmodel/attention/score_writer.h"

bool writer_ready(const struct score_writer *w) { return !w->busy && !w->word; }

bool writer_reads(const struct score_writer *w, bool room, bool slice_busy) {
  return w->busy && !w->done && w->stored != 0 && room && !slice_busy;
}

void score_writer_clock(struct score_writer *w, const unsigned *words, bool stored, bool read, bool known) {
  const bool last = read && w->words == 1;
  w->stored += (unsigned)stored - (unsigned)last;
  w->busy = words || (w->busy && !known);
  w->done = last || (w->done && !known);
  w->word = read;
  w->end = last;
  if (words) {
    w->words = *words;
  } else if (read) {
    w->words--;
  }
}
