// SPDX-License-Identifier: Apache-2.0
// Tiles of q and of weights, as rtl/attention/attention_tiles.v with probability_path.v.
#include "cmodel/attention/attention_tiles.h"

#include "duplex/params.h"

enum { WEIGHTS_LATENCY = DUPLEX_EXPONENTIAL_CLOCKS + 3 };

// The first pass that waits may begin.
static bool may_begin(const struct attention_tiles *t, const struct tiles_in *in) {
  const struct attention_pass *head = &in->passes->pass[0];
  if (head->kind == DUPLEX_PASS_QUERY) return true;
  if (head->kind == DUPLEX_PASS_SCORE) return t->q_ready && t->weights == 0;
  const bool waits_for_l = head->first && head->keep && t->l_count != 0;
  return (!head->begins || (in->maximum_ready && !t->told)) && !waits_for_l;
}

struct tiles_step tiles_look(const struct attention_tiles *t, const struct tiles_in *in) {
  const bool has_room = t->room != 0;
  struct tiles_step step = {.take = t->state == TILES_IDLE && in->passes->count && may_begin(t, in)};
  const bool exists = t->blocks != 0 || t->position <= t->pass.rest;
  const bool word_begins = t->position % 4 == 0;
  const bool needs_word = exists && t->position % (DUPLEX_SCORES_OF_WORD >> t->pass.lanes) == 0;
  step.q_word = t->state == TILES_SCORES && has_room;
  step.position = t->state == TILES_CONTEXT && (has_room || !word_begins) && !(needs_word && in->slice_busy);
  step.begins_word = step.position && word_begins;
  step.read = step.position && needs_word;
  step.word_valid = t->words >> (WEIGHTS_LATENCY - 1) & 1;
  step.pop = t->fifo.valid && in->tile_ready;
  return step;
}

// Takes a pass.
static void begin(struct attention_tiles *t, const struct attention_pass *pass) {
  if (pass->kind == DUPLEX_PASS_QUERY) {
    t->q_ready = false;
    return;
  }
  t->pass = *pass;
  t->blocks = pass->blocks;
  t->k = pass->k_last;
  t->position = t->word = 0;
  t->state = pass->kind == DUPLEX_PASS_SCORE ? TILES_SCORES : TILES_CONTEXT;
  t->l_count += pass->kind == DUPLEX_PASS_CONTEXT && pass->keep;
}

// A word of q was read.
static void q_step(struct attention_tiles *t) {
  t->word = (t->word + 1) % DUPLEX_TILE_WORDS;
  if (t->word) return;
  const bool block_end = t->k == 0;
  t->k = block_end ? t->pass.k_last : t->k - 1;
  if (!block_end || t->blocks--) return;
  t->state = TILES_IDLE;
}

// A position went to the weights.
static void position_step(struct attention_tiles *t) {
  t->position = (t->position + 1) % DUPLEX_WIDTH;
  if (t->position == 0 && t->blocks-- == 0) t->state = TILES_IDLE;
}

void attention_tiles_clock(struct attention_tiles *t, const struct attention_pass *head,
                           const struct tiles_step *step, bool q_done, bool l_done) {
  ram_fifo_clock(&t->fifo, t->q_word || step->word_valid, step->pop, false, false);
  t->room += (unsigned)step->pop - (unsigned)(step->q_word || step->begins_word);
  t->weights += (unsigned)step->begins_word - (unsigned)step->word_valid;
  t->words = t->words << 1 | (step->position && t->position % 4 == 3);
  t->q_word = step->q_word;
  t->told = step->position;
  t->l_count -= l_done;
  if (step->q_word) q_step(t);
  if (step->position) position_step(t);
  if (step->take) begin(t, head);
  if (q_done) t->q_ready = true;
}
