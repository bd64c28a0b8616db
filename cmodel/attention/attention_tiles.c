// Tiles of q and of weights, as rtl/attention/attention_tiles.v with probability_path.v.
#include "cmodel/attention/attention.h"

enum { TILES_DEPTH = 8, WEIGHTS_LATENCY = DUPLEX_EXPONENTIAL_CLOCKS + 3 };

struct tiles_step tiles_look(const struct attention_timing *a, bool tile_ready, bool load_word) {
  const struct attention_tiles *t = &a->tiles;
  const struct attention_pass *head = &a->tiles_passes.pass[0];
  const bool has_room = t->room != 0, waits_for_l = head->first && head->keep && t->l_count != 0;
  const bool score = t->q_ready && t->weights == 0,
             context =
                 (!head->begins || (maximum_ready(&a->score, &a->maximum_join) && !t->told)) && !waits_for_l;
  const bool ready = head->kind == DUPLEX_PASS_QUERY || (head->kind == DUPLEX_PASS_SCORE ? score : context);
  struct tiles_step step = {.take = t->state == TILES_IDLE && a->tiles_passes.count && ready};
  const bool exists = t->blocks != 0 || t->position <= t->pass.rest, word_begins = t->position % 4 == 0;
  const bool needs_word = exists && t->position % (DUPLEX_SCORES_OF_WORD >> t->pass.lanes) == 0;
  step.q_word = t->state == TILES_SCORES && has_room;
  step.position = t->state == TILES_CONTEXT && (has_room || !word_begins) &&
                  !(needs_word && (a->score.write || load_word));
  step.begins_word = step.position && word_begins;
  step.read = step.position && needs_word;
  step.word_valid = t->words >> (WEIGHTS_LATENCY - 1) & 1;
  step.pop = t->fifo.valid && tile_ready;
  return step;
}

static void fifo_clock(struct attention_tiles *t, bool push, bool pop) {
  t->fifo.read += pop;
  t->fifo.valid = t->fifo.read != t->fifo.write;
  t->fifo.write += push;
}

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

static void q_step(struct attention_tiles *t) {
  t->word = (t->word + 1) % DUPLEX_TILE_WORDS;
  if (t->word) return;
  const bool block_end = t->k == 0;
  t->k = block_end ? t->pass.k_last : t->k - 1;
  if (!block_end || t->blocks--) return;
  t->state = TILES_IDLE;
}

static void position_step(struct attention_tiles *t) {
  t->position = (t->position + 1) % DUPLEX_WIDTH;
  if (t->position == 0 && t->blocks-- == 0) t->state = TILES_IDLE;
}

void attention_tiles_clock(struct attention_tiles *t, const struct attention_pass *head,
                           const struct tiles_step *step, bool q_done, bool l_done) {
  fifo_clock(t, t->q_word || step->word_valid, step->pop);
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
