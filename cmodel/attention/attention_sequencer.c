// The order of the passes and their row sets, as rtl/attention/attention_sequencer.v with attention_queue.v.
#include "cmodel/attention/attention_timing.h"

enum { LAST_STEP = 11, INDICES = 2 * DUPLEX_ATTENTION_QUEUE };

static const struct attention_entry *entry(const struct attention_sequencer *s, unsigned index) {
  return &s->queue[index % DUPLEX_ATTENTION_QUEUE];
}

static const struct attention_entry *current(const struct attention_sequencer *s) {
  return entry(s, s->kind == PASS_C ? s->at : s->score_index);
}

static unsigned slot_of(const struct attention_sequencer *s) { return s->kind == PASS_C ? s->slot : s->score_slot; }

static unsigned k_last_of(const struct attention_entry *e) { return (e->sixteens - 1) / 4; }

// Rows / 16 of a row block of V.
static unsigned block_sixteens(const struct attention_entry *e) {
  const unsigned blocks = k_last_of(e) + 1;
  return (e->sixteens + blocks - 1) / blocks;
}

static unsigned sixteens_of(const struct attention_sequencer *s, const struct attention_entry *e) {
  const unsigned all = block_sixteens(e), k_last = k_last_of(e);
  return s->row_block == k_last ? e->sixteens - k_last * all : all;
}

unsigned sequencer_columns(const struct attention_sequencer *s) {
  const struct attention_entry *e = current(s);
  if (s->kind == PASS_Q) return 4 * (k_last_of(e) + 1);
  if (s->kind == PASS_C) return 8 * sixteens_of(s, e);
  return s->blocks == 0 ? e->last_position % DUPLEX_WIDTH / 2 + 1 : DUPLEX_COLUMNS;
}

uint8_t sequencer_stripe(const struct attention_sequencer *s) {
  return s->kind == PASS_Q ? current(s)->qo_stripe : current(s)->kv_stripe;
}

// MODE 1 of a head in several channels: its maximum is joined and goes back.
static bool maximum_back(const struct attention_entry *e) { return e->mode == 1 && e->last && (e->below || e->above); }

bool sequencer_record(const struct attention_timing *a, struct attention_pass *pass, bool *begins_result,
                      struct attention_result *result) {
  const struct attention_sequencer *s = &a->sequencer;
  const struct attention_entry *e = current(s);
  const bool context = s->kind == PASS_C, row_block_mode = e->mode == 2;
  *begins_result = context && e->last && !e->above && (row_block_mode || s->row_block == 0);
  const bool room = a->stream_passes.count != ATTENTION_FIFO && a->tiles_passes.count != ATTENTION_FIFO;
  if (s->state != SEQUENCER_RECORD || !room || (*begins_result && a->results.count == ATTENTION_FIFO)) return false;
  *pass = (struct attention_pass){.kind = s->kind,
                                  .blocks = e->last_position / DUPLEX_WIDTH,
                                  .rest = e->last_position % DUPLEX_WIDTH,
                                  .k_last = k_last_of(e),
                                  .rows = 16 * sixteens_of(s, e) - 1,
                                  .lanes = e->lanes,
                                  .first = context ? e->first : e->first && !row_block_mode,
                                  .last = context        ? e->last
                                          : e->mode == 1 ? maximum_back(e)
                                                         : row_block_mode || e->last,
                                  .keep = context ? row_block_mode || s->row_block == 0 : e->mode != 1,
                                  .final = context ? row_block_mode || s->row_block == k_last_of(e) : e->last,
                                  .begins = s->begins,
                                  .back = maximum_back(e),
                                  .below = e->below && (context || !row_block_mode),
                                  .above = e->above && (context || !row_block_mode)};
  const uint32_t row_set = (uint16_t)(e->o_base + slot_of(s));
  *result = (struct attention_result){
      .column = row_set * DUPLEX_COLUMNS + (row_block_mode ? s->row_block * block_sixteens(e) : 0), .stripe = e->qo_stripe};
  return true;
}

struct choice {
  bool q, s, c, skip, drop;
};

static struct choice choose(const struct attention_sequencer *s) {
  const struct attention_entry *e = entry(s, s->score_index);
  const bool there = s->score_index != s->next;
  const bool beside = e->mode != 1 && s->older + s->newer + e->words <= DUPLEX_SCORE_WORDS;
  const bool full = (s->next - s->oldest) % INDICES == DUPLEX_ATTENTION_QUEUE;
  return (struct choice){.drop = s->open && s->pending == 0 && (there ? e->first : full),
                         .q = there && !s->q_ready,
                         .s = there && s->q_ready && !s->joining && (s->pending == 0 || (s->pending == 1 && beside)),
                         .c = s->pending != 0,
                         .skip = entry(s, s->oldest)->mode == 1 && s->oldest != s->score_index};
}

bool sequencer_busy(const struct attention_sequencer *s) {
  return s->state != SEQUENCER_CHOOSE || s->score_index != s->next || s->pending || s->joining || choose(s).skip;
}

static void address_step(struct attention_sequencer *s, const struct attention_entry *e) {
  const bool context = s->kind == PASS_C;
  const unsigned blocks = context ? s->row_block : 0;
  if (s->step != LAST_STEP) {
    s->step++;
    return;
  }
  s->base = (uint16_t)(s->kind == PASS_Q ? e->q_base + slot_of(s)
                                         : (context ? e->v_base : e->k_base) + slot_of(s) * e->stride + blocks * e->v_stride);
  s->state = SEQUENCER_RECORD;
}

static void ask_step(struct attention_sequencer *s, const struct attention_entry *e) {
  const bool context = s->kind == PASS_C, tile_last = context || s->k == 0;
  if (s->kind == PASS_Q || (s->blocks == 0 && tile_last)) s->state = SEQUENCER_NEXT;
  s->base++;
  if (tile_last) s->blocks--;
  s->k = s->k == 0 ? k_last_of(e) : s->k - 1;
}

static void scores_asked(struct attention_sequencer *s, const struct attention_entry *e) {
  const bool pair = e->mode == 2 || (e->mode == 0 && e->last), last_slot = s->score_slot + 1 == e->slots;
  if (e->last) s->q_ready = false;
  if (e->mode == 0) s->open = !e->last;
  s->joining = maximum_back(e);
  s->newer += e->words;
  if (pair && s->pending == 0) {
    s->older = s->newer;
    s->newer = 0;
  }
  s->pending += pair;
  const bool on = last_slot || !e->last;
  s->score_slot = on ? 0 : s->score_slot + 1;
  if (on) s->score_index = (s->score_index + 1) % INDICES;
}

static void context_over(struct attention_sequencer *s, const struct attention_entry *e) {
  s->older = s->pending == 2 ? s->newer : 0;
  if (s->pending == 2) s->newer = 0;
  s->pending--;
  if (s->slot + 1 == e->slots) {
    s->slot = 0;
    s->oldest = (s->at + 1) % INDICES;
  } else {
    s->slot++;
  }
}

static void pass_asked(struct attention_sequencer *s, const struct attention_entry *e) {
  const bool over = e->mode == 2 || (e->last && s->row_block == k_last_of(e));
  s->begins = false;
  s->state = s->kind == PASS_C && !over ? SEQUENCER_LOAD : SEQUENCER_CHOOSE;
  if (s->kind == PASS_Q) s->q_ready = true;
  if (s->kind == PASS_S) scores_asked(s, e);
  if (s->kind == PASS_C && over) context_over(s, e);
  s->at = e->last ? s->oldest : (s->at + 1) % INDICES;
  if (e->last) s->row_block++;
}

static void choose_step(struct attention_sequencer *s) {
  const struct choice want = choose(s);
  if (want.skip) {
    s->oldest = (s->oldest + 1) % INDICES;
    return;
  }
  if (want.drop) {
    s->oldest = s->score_index;
    s->q_ready = s->open = false;
    s->newer = 0;
    return;
  }
  if (!want.q && !want.s && !want.c) return;
  s->kind = want.q ? PASS_Q : want.s ? PASS_S : PASS_C;
  s->at = s->oldest;
  s->row_block = 0;
  s->begins = true;
  s->state = SEQUENCER_LOAD;
}

void sequencer_clock(struct attention_sequencer *s, bool read_ready, bool record, bool joined,
                     const struct attention_entry *push) {
  const struct attention_entry *e = current(s);
  switch (s->state) {
    case SEQUENCER_CHOOSE:
      choose_step(s);
      break;
    case SEQUENCER_LOAD:
      if (e->mode == 2) s->row_block = e->row_block;
      s->step = s->kind == PASS_Q ? LAST_STEP : 0;
      s->state = SEQUENCER_ADDRESS;
      break;
    case SEQUENCER_ADDRESS:
      address_step(s, e);
      break;
    case SEQUENCER_RECORD:
      if (!record) break;
      s->blocks = e->last_position / DUPLEX_WIDTH;
      s->k = k_last_of(e);
      s->state = SEQUENCER_ASK;
      break;
    case SEQUENCER_ASK:
      if (read_ready) ask_step(s, e);
      break;
    default:
      pass_asked(s, e);
  }
  if (joined) s->joining = false;
  if (!push) return;
  s->queue[s->next % DUPLEX_ATTENTION_QUEUE] = *push;
  s->next = (s->next + 1) % INDICES;
}
