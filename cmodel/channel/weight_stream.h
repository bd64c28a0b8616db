// SPDX-License-Identifier: Apache-2.0
// Beats of weights to the GEMM module, as rtl/channel/weight_stream.v.
#ifndef DUPLEX_CMODEL_WEIGHT_STREAM_H
#define DUPLEX_CMODEL_WEIGHT_STREAM_H

#include "cmodel/channel/job_timing.h"

struct weight_stream {
  enum { STREAM_IDLE, STREAM_HEADER, STREAM_BEATS, STREAM_PAD } state;
  bool load, row_end, group_end, last_k, half, over;
  uint32_t left;
  unsigned rows, row, sum_row, k, place;
};

// What a beat does in a clock.
struct beat {
  bool go, issue, drop, last, row_end, group_end, turn_end, mark, rewind, leaves, tile_end;
};

struct beat weight_stream_beat(const struct weight_stream *s, const struct job_timing *job, bool weight_valid,
                               bool room, bool beat_ready);
void weight_stream_clock(struct weight_stream *s, const struct job_timing *job, bool start, uint32_t rows,
                         const struct beat *beat);

#endif
