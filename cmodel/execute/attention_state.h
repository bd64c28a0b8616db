// SPDX-License-Identifier: Apache-2.0
// What a channel keeps of an attention sequence from one descriptor to the next.
#ifndef DUPLEX_CMODEL_ATTENTION_STATE_H
#define DUPLEX_CMODEL_ATTENTION_STATE_H

#include "duplex/descriptor.h"
#include "duplex/numerics.h"
#include "duplex/params.h"

#define ATTENTION_SCORES (DUPLEX_SCORE_WORDS * DUPLEX_SCORES_OF_WORD)

struct attention_state {
  duplex_f32 maximum[DUPLEX_LANES];
  uint64_t l[DUPLEX_LANES];
  struct duplex_sum sums[DUPLEX_ROWS * DUPLEX_LANES];  // of one row block of V
  // MODE WHOLE: segments whose context is made when the last one has come, and the score slice. Words are
  // taken in turn and wrap.
  struct kept_segment {
    uint32_t descriptor[DUPLEX_DESCRIPTOR_WORDS];
    uint32_t word;  // first word of its scores
  } * segments;
  uint32_t count, room, next_word;
  duplex_f32 scores[ATTENTION_SCORES];
};

#endif
