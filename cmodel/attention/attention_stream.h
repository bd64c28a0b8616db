// SPDX-License-Identifier: Apache-2.0
// Beats of the passes of a channel's attention, as rtl/attention/attention_stream.v.
#ifndef DUPLEX_CMODEL_ATTENTION_STREAM_H
#define DUPLEX_CMODEL_ATTENTION_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "cmodel/attention/attention_join.h"
#include "cmodel/attention/attention_pass.h"
#include "cmodel/attention/score_path.h"

struct attention_stream {
  enum { ATTENTION_IDLE, ATTENTION_LOAD_Q, ATTENTION_BEATS, ATTENTION_PAD, ATTENTION_LOAD_SCORES } state;
  struct attention_pass pass;
  unsigned blocks, k, row, row_last, q, word, spacing;
};

struct stream_step {
  bool take, go, issue, emits, row_end, tile_end, end_mark, pad, q_write, q_done, has_room, l_done, row,
      joins_row, gives_row;
  bool load, load_word, load_end;  // L: half a beat, with a word for the slice, the last one
};
// What the stream sees of the other units.
struct stream_in {
  const struct pass_fifo *passes;
  const struct score_path *score;
  const struct attention_join *join;
  bool weight_valid, beat_ready, room;  // room: in the result buffer
};
struct stream_step stream_look(const struct attention_stream *s, const struct stream_in *in);
void attention_stream_clock(struct attention_stream *s, const struct attention_pass *head,
                            const struct stream_step *step);

#endif
