// SPDX-License-Identifier: Apache-2.0
// Beats of the passes, as rtl/attention/attention_stream.v.
#include "cmodel/attention/attention_stream.h"

#include "duplex/params.h"

static bool last_tile(const struct attention_stream *s) {
  return s->blocks == 0 && (s->pass.kind == DUPLEX_PASS_CONTEXT || s->k == 0);
}

// The first pass that waits may begin.
static bool may_begin(const struct stream_in *in) {
  const enum duplex_pass kind = in->passes->pass[0].kind;
  if (kind == DUPLEX_PASS_SCORE) return in->score->records != ATTENTION_FIFO;
  return kind != DUPLEX_PASS_RELOAD || score_path_empty(in->score);
}

struct stream_step stream_look(const struct attention_stream *s, const struct stream_in *in) {
  const bool score = s->pass.kind == DUPLEX_PASS_SCORE;
  const bool beats = s->state == ATTENTION_BEATS;
  struct stream_step step = {0};
  step.take = s->state == ATTENTION_IDLE && in->passes->count && may_begin(in);
  step.emits = score ? s->k == 0 : s->pass.last && s->blocks == 0;
  const bool below = !s->pass.below || in->join->there;
  const bool above = s->pass.above ? in->join->room : in->room && s->spacing == 0;
  step.has_room = score || (below && above);
  step.row_end = s->row == s->row_last;
  step.go = beats && in->weight_valid && (step.has_room || !step.emits);
  step.issue = step.go && in->beat_ready;
  step.row = step.issue && step.emits && !score;
  step.joins_row = step.row && s->pass.below;
  step.gives_row = step.row && s->pass.above;
  step.tile_end = step.issue && step.row_end;
  step.end_mark = step.tile_end && last_tile(s) && (score || (s->pass.last && s->pass.final));
  step.pad = s->state == ATTENTION_PAD && in->weight_valid;
  step.q_write = s->state == ATTENTION_LOAD_Q && in->weight_valid;
  step.q_done = step.q_write && s->q + 1 == DUPLEX_LANES * (s->pass.k_last + 1);
  step.load = s->state == ATTENTION_LOAD_SCORES && in->weight_valid;
  step.load_word = step.load && s->blocks != 0;
  step.load_end = step.load && s->word == 3 && s->blocks <= 1;
  step.l_done = step.tile_end && last_tile(s) && !score && s->pass.keep;
  return step;
}

// Positions of the block of a SCORE pass, less one.
static unsigned score_rows(const struct attention_stream *s) {
  return s->blocks == 0 ? s->pass.rest : DUPLEX_WIDTH - 1;
}

// Behind the last beat of a tile.
static void next_tile(struct attention_stream *s) {
  const bool block = s->pass.kind == DUPLEX_PASS_CONTEXT || s->k == 0;
  const bool last = last_tile(s);
  s->state = last ? ATTENTION_IDLE : ATTENTION_BEATS;
  if (block) s->blocks--;
  s->k = s->k == 0 ? s->pass.k_last : s->k - 1;
  if (s->pass.kind == DUPLEX_PASS_SCORE) s->row_last = score_rows(s);
}

// Takes a pass.
static void begin(struct attention_stream *s, const struct attention_pass *pass) {
  s->pass = *pass;
  s->blocks = pass->blocks;
  s->k = pass->k_last;
  s->row = s->q = s->word = 0;
  s->row_last = pass->kind == DUPLEX_PASS_SCORE ? score_rows(s) : pass->rows;
  s->state = ATTENTION_BEATS;
  if (pass->kind == DUPLEX_PASS_QUERY) s->state = ATTENTION_LOAD_Q;
  if (pass->kind == DUPLEX_PASS_RELOAD) s->state = ATTENTION_LOAD_SCORES;
}

void attention_stream_clock(struct attention_stream *s, const struct attention_pass *head,
                            const struct stream_step *step) {
  s->spacing = step->end_mark && s->pass.kind == DUPLEX_PASS_CONTEXT ? DUPLEX_QUOTIENT_CLOCKS
                                                                     : s->spacing - (s->spacing != 0);
  if (step->take) {
    begin(s, head);
    return;
  }
  s->q += step->q_write;
  if (step->q_done || step->load_end) s->state = ATTENTION_IDLE;
  s->word = (s->word + step->load) % 4;
  s->blocks -= step->load_word;
  if (step->issue) s->row = step->row_end ? 0 : s->row + 1;
  const bool odd = s->row_last % 2 == 0;
  if (step->tile_end && odd) {
    s->state = ATTENTION_PAD;
  } else if (step->tile_end || step->pad) {
    next_tile(s);
  }
}
