// SPDX-License-Identifier: Apache-2.0
// From row sets to beats, as rtl/channel/weight_stream.v.
#include "cmodel/channel/weight_stream.h"

#include "duplex/arithmetic.h"
#include "duplex/params.h"

enum { ROW_SET_BEATS = DUPLEX_ROW_SET_BYTES / DUPLEX_BEAT_BYTES };

struct beat weight_stream_beat(const struct weight_stream *s, const struct job_timing *job, bool weight_valid,
                               bool room, bool beat_ready) {
  struct beat b = {.last = s->last_k, .row_end = s->row_end, .group_end = s->group_end};
  b.go = s->state == STREAM_BEATS && weight_valid && (room || !s->last_k);
  b.issue = b.go && beat_ready;
  b.drop = weight_valid && (s->state == STREAM_HEADER || s->state == STREAM_PAD);
  b.tile_end = s->row_end && s->group_end;
  b.turn_end = s->row_end && (!job->two_streams || s->half || s->last_k);
  b.mark = s->state == STREAM_BEATS && !s->group_end && s->row == 0 && !job->two_streams;
  b.rewind = b.issue && s->row_end && !s->group_end && !job->two_streams;
  b.leaves = (b.issue && (s->group_end || job->two_streams)) || b.drop;
  return b;
}

// The next block of rows begins.
static void next_block(struct weight_stream *s, const struct job_timing *job) {
  s->rows = duplex_smaller(s->left, job->block_rows);
  s->left -= s->rows;
  s->row = s->sum_row = 0;
  s->row_end = s->rows == 1;
  s->group_end = !job->two_groups;
  s->k = job->k_tiles - 1;
  s->last_k = s->k == 0;
  s->half = false;
}

// The sum of the next beat: the second group's lie behind those of the first.
static unsigned next_sum_row(const struct weight_stream *s, const struct beat *beat) {
  if (beat->row_end && !beat->turn_end) return beat->group_end ? s->rows : 0;
  return beat->tile_end ? 0 : s->sum_row + 1;
}

// Behind a beat.
static void advance(struct weight_stream *s, const struct job_timing *job, const struct beat *beat) {
  s->row = beat->row_end ? 0 : s->row + 1;
  s->sum_row = next_sum_row(s, beat);
  s->row_end = s->row + 1 == s->rows;
  if (!beat->row_end) return;
  if (!beat->turn_end || beat->group_end) {
    s->k--;
  } else if (s->half) {
    s->k++;
  }
  s->last_k = s->k == 0;
  s->half = !beat->turn_end;
  if (beat->turn_end) s->group_end = !job->two_groups || !beat->group_end;
}

void weight_stream_clock(struct weight_stream *s, const struct job_timing *job, bool start, uint32_t rows,
                         const struct beat *beat) {
  const bool block_done = beat->issue && beat->last && beat->tile_end;
  const bool set_end = !job->two_streams || s->place == ROW_SET_BEATS - 1;
  const bool odd = job->two_streams ? !set_end : job->k_tiles & s->rows & 1;
  const bool header_ends = beat->drop && s->state == STREAM_HEADER && s->place % 2;
  const bool dropped = beat->drop && s->state == STREAM_PAD && set_end;
  const bool leave = (block_done && !odd) || (dropped && s->over);
  if (beat->issue || beat->drop) s->place = (s->place + 1) % ROW_SET_BEATS;
  if (beat->issue) s->over = block_done;
  if (s->load || leave) {
    s->state = job->exponents ? STREAM_HEADER : STREAM_BEATS;
    if (s->left == 0) s->state = STREAM_IDLE;
    s->place = 0;
    next_block(s, job);
  } else if (beat->issue) {
    if (block_done || (beat->turn_end && !set_end)) s->state = STREAM_PAD;
    advance(s, job, beat);
  } else if (dropped || header_ends) {
    s->state = STREAM_BEATS;
  }
  s->load = start;
  if (start) s->left = rows;
}
