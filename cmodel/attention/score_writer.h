// SPDX-License-Identifier: Apache-2.0
// Scores from the slice to the DRAM, as rtl/attention/score_writer.v.
#ifndef DUPLEX_CMODEL_SCORE_WRITER_H
#define DUPLEX_CMODEL_SCORE_WRITER_H

#include <stdbool.h>

struct score_writer {
  unsigned words, stored;
  bool busy, done, word, end;
};

// words: of the segment that is taken, NULL: none is.
bool writer_ready(const struct score_writer *w);
bool writer_reads(const struct score_writer *w, bool room, bool slice_busy);
void score_writer_clock(struct score_writer *w, const unsigned *words, bool stored, bool read, bool known);

#endif
