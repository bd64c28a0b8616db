// SPDX-License-Identifier: Apache-2.0
// Scores on their way to the slice, as rtl/attention/score_path.v.
#include "cmodel/attention/score_path.h"

#include <string.h>

#include "duplex/params.h"

#define ROUNDED (SCORE_STAGES - DUPLEX_SCORE_SCALE_CLOCKS)

bool score_path_empty(const struct score_path *s) {
  for (unsigned i = ROUNDED; i < SCORE_STAGES; i++)
    if (s->rows[i].valid) return false;
  return s->records == 0 && !s->write;
}

void score_path_clock(struct score_path *s, bool start, const struct score_row *row, bool load_end,
                      bool maximum_taken) {
  const struct score_row rounded = s->rows[ROUNDED - 1];
  const struct score_row scaled = s->rows[SCORE_STAGES - 1];
  const bool word_end =
      scaled.valid && (scaled.end || s->position == (DUPLEX_SCORES_OF_WORD - 1u) >> scaled.lanes);
  if (maximum_taken) s->maximum[0] = s->maximum[1], s->maxima--;
  if (s->complete[1].valid) s->maximum[s->maxima++] = s->complete[1].mark;
  s->complete[1] = s->complete[0];
  s->complete[0].valid = (scaled.valid && scaled.end && scaled.last) || load_end;
  s->complete[0].mark = load_end ? (struct maximum_mark){0} : scaled.mark;
  s->stored = s->stored << 1 | (scaled.valid && scaled.end && scaled.store);
  s->write = word_end;
  if (scaled.valid) s->position = word_end ? 0 : s->position + 1;
  s->records += (unsigned)start - (unsigned)(rounded.valid && rounded.end);
  memmove(s->rows + 1, s->rows, sizeof s->rows - sizeof *s->rows);
  s->rows[0] = *row;
}
