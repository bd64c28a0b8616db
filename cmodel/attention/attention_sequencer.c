// SPDX-License-Identifier: Apache-2.0
// The order of the passes and their row sets, as rtl/attention/attention_sequencer.v.
#include "cmodel/attention/attention_sequencer.h"

enum { LAST_STEP = 9 + DUPLEX_HEAD_TILE_BITS, INDICES = 2 * DUPLEX_ATTENTION_QUEUE };
enum {
  COLUMN_WORDS = DUPLEX_COLUMN_BYTES / DUPLEX_WORD_BYTES,
  ROW_SET_WORDS = DUPLEX_COLUMNS * COLUMN_WORDS
};

static const struct attention_entry *entry(const struct attention_sequencer *s, unsigned index) {
  return &s->queue[index % DUPLEX_ATTENTION_QUEUE];
}

// The entry that the pass belongs to.
static const struct attention_entry *current(const struct attention_sequencer *s) {
  return entry(s, s->kind == DUPLEX_PASS_CONTEXT || s->kind == DUPLEX_PASS_STORE ? s->at : s->score_index);
}

static unsigned slot_of(const struct attention_sequencer *s) {
  return s->kind == DUPLEX_PASS_CONTEXT ? s->slot : s->score_slot;
}

static unsigned k_last_of(const struct attention_entry *e) { return (e->sixteens - 1) / (DUPLEX_WIDTH / 16); }

// Rows / 16 of a row block of V.
static unsigned block_sixteens(const struct attention_entry *e) {
  const unsigned blocks = k_last_of(e) + 1;
  return (e->sixteens + blocks - 1) / blocks;
}

// Rows / 16 of the row block of the pass.
static unsigned sixteens_of(const struct attention_sequencer *s, const struct attention_entry *e) {
  const unsigned all = block_sixteens(e);
  const unsigned k_last = k_last_of(e);
  return s->row_block == k_last ? e->sixteens - k_last * all : all;
}

unsigned sequencer_columns(const struct attention_sequencer *s) {
  const struct attention_entry *e = current(s);
  if (s->kind == DUPLEX_PASS_QUERY) return DUPLEX_LANES / 2 * (k_last_of(e) + 1);
  if (s->kind == DUPLEX_PASS_CONTEXT) return 8 * sixteens_of(s, e);
  if (s->kind == DUPLEX_PASS_RELOAD)
    return s->blocks == 0 ? (e->words - 1) % ROW_SET_WORDS / COLUMN_WORDS + 1 : DUPLEX_COLUMNS;
  return s->blocks == 0 ? e->last_position % DUPLEX_WIDTH / 2 + 1 : DUPLEX_COLUMNS;
}

uint8_t sequencer_stripe(const struct attention_sequencer *s) {
  return s->kind == DUPLEX_PASS_QUERY || s->kind == DUPLEX_PASS_RELOAD ? current(s)->qo_stripe
                                                                       : current(s)->kv_stripe;
}

// MODE SCORES of a head in several channels: its maximum is joined and goes back.
static bool maximum_back(const struct attention_entry *e) {
  return e->mode == DUPLEX_MODE_SCORES && e->last && (e->below || e->above);
}

bool sequencer_record(const struct attention_sequencer *s, const struct sequencer_room *room,
                      struct attention_pass *pass, bool *begins_result, struct attention_result *result) {
  const struct attention_entry *e = current(s);
  const bool context = s->kind == DUPLEX_PASS_CONTEXT;
  const bool scores = s->kind == DUPLEX_PASS_STORE;
  const bool row_block_mode = e->mode == DUPLEX_MODE_ROW_BLOCK;
  *begins_result = scores || (context && e->last && !e->above && (row_block_mode || s->row_block == 0));
  const bool may_begin = room->results && room->writer && !(scores && room->rows_open);
  if (s->state != SEQUENCER_RECORD || !room->passes || (*begins_result && !may_begin)) return false;
  *pass = (struct attention_pass){
      .kind = s->kind,
      .blocks = s->kind == DUPLEX_PASS_RELOAD ? e->words : e->last_position / DUPLEX_WIDTH,
      .rest = e->last_position % DUPLEX_WIDTH,
      .k_last = k_last_of(e),
      .rows = 16 * sixteens_of(s, e) - 1,
      .lanes = e->lanes,
      .first = e->first,
      .last = context || e->mode == DUPLEX_MODE_WHOLE ? e->last : maximum_back(e),
      .keep = row_block_mode || s->row_block == 0,
      .final = context ? row_block_mode || s->row_block == k_last_of(e) : e->last,
      .begins = s->begins,
      .store = e->mode == DUPLEX_MODE_SCORES,
      .back = maximum_back(e),
      .below = e->below,
      .above = e->above};
  const uint32_t row_set = scores ? e->o_base : (uint16_t)(e->o_base + slot_of(s));
  *result = (struct attention_result){
      .column = row_set * DUPLEX_COLUMNS + (row_block_mode ? s->row_block * block_sixteens(e) : 0),
      .stripe = e->qo_stripe,
      .scores = scores};
  return true;
}

// Passes that may begin, and whether a sequence that is over leaves the queue.
struct choice {
  bool store, query, score, reload, context, drop;
};

// `unwritten`: scores have still to reach the DRAM.
static struct choice choose(const struct attention_sequencer *s, bool unwritten) {
  const struct attention_entry *e = entry(s, s->score_index);
  const bool there = s->score_index != s->next;
  const bool beside = s->older + s->newer + e->words <= DUPLEX_SCORE_WORDS;
  const bool room = s->pending == 0 || (s->pending == 1 && beside);
  const bool other = e->first || e->mode != DUPLEX_MODE_WHOLE;
  const unsigned oldest_mode = entry(s, s->oldest)->mode;
  const bool loads = e->mode == DUPLEX_MODE_ROW_BLOCK;
  const bool writes = oldest_mode == DUPLEX_MODE_SCORES;
  const bool sums_kept = s->pending != 0 && oldest_mode == DUPLEX_MODE_ROW_BLOCK;
  const bool fits = there && !(s->open && other);
  const bool full = (s->next - s->oldest) % INDICES == DUPLEX_ATTENTION_QUEUE;
  return (struct choice){.drop = s->open && s->pending == 0 && (there ? other : full),
                         .store = s->pending != 0 && writes && !s->writing,
                         .query = fits && !s->q_ready && !loads,
                         .score = fits && s->q_ready && !loads && !s->joining && room && !sums_kept,
                         .reload = fits && loads && !s->joining && room && !unwritten,
                         .context = s->pending != 0 && !writes};
}

bool sequencer_busy(const struct attention_sequencer *s) {
  return s->state != SEQUENCER_CHOOSE || s->score_index != s->next || s->pending || s->joining;
}

// First row set of the pass.
static unsigned base_of(const struct attention_sequencer *s, const struct attention_entry *e) {
  switch (s->kind) {
    case DUPLEX_PASS_QUERY:
      return e->q_base + slot_of(s);
    case DUPLEX_PASS_RELOAD:
      return e->k_base;
    case DUPLEX_PASS_CONTEXT:
      return e->v_base + slot_of(s) * e->stride + s->row_block * e->v_stride;
    default:
      return e->k_base + slot_of(s) * e->stride;
  }
}

// A step of the address; the RTL adds one bit of the slot or of the row block in each.
static void address_step(struct attention_sequencer *s, const struct attention_entry *e) {
  if (s->step != LAST_STEP) {
    s->step++;
    return;
  }
  s->base = (uint16_t)base_of(s, e);
  s->state = SEQUENCER_RECORD;
}

// A row set was asked for.
static void ask_step(struct attention_sequencer *s, const struct attention_entry *e) {
  const bool tile_last = s->kind == DUPLEX_PASS_CONTEXT || s->kind == DUPLEX_PASS_RELOAD || s->k == 0;
  if (s->kind == DUPLEX_PASS_QUERY || (s->blocks == 0 && tile_last)) s->state = SEQUENCER_NEXT;
  s->base++;
  if (tile_last) s->blocks--;
  s->k = s->k == 0 ? k_last_of(e) : s->k - 1;
}

// All row sets of a SCORE or RELOAD pass were asked for.
static void scores_asked(struct attention_sequencer *s, const struct attention_entry *e) {
  const bool pair = e->mode != DUPLEX_MODE_WHOLE || e->last;
  const bool last_slot = s->score_slot + 1 == e->slots;
  if (e->last) s->q_ready = false;
  if (e->mode == DUPLEX_MODE_WHOLE) s->open = !e->last;
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

// The words of the oldest pair are free again.
static void pair_over(struct attention_sequencer *s) {
  s->older = s->pending == 2 ? s->newer : 0;
  if (s->pending == 2) s->newer = 0;
  s->pending--;
}

// The last CONTEXT pass of a pair was asked for.
static void context_over(struct attention_sequencer *s, const struct attention_entry *e) {
  pair_over(s);
  if (s->slot + 1 == e->slots) {
    s->slot = 0;
    s->oldest = (s->at + 1) % INDICES;
  } else {
    s->slot++;
  }
}

// All row sets of a pass were asked for.
static void pass_asked(struct attention_sequencer *s, const struct attention_entry *e) {
  const bool over = e->mode == DUPLEX_MODE_ROW_BLOCK || (e->last && s->row_block == k_last_of(e));
  s->begins = false;
  s->state = s->kind == DUPLEX_PASS_CONTEXT && !over ? SEQUENCER_LOAD : SEQUENCER_CHOOSE;
  if (s->kind == DUPLEX_PASS_QUERY) s->q_ready = true;
  if (s->kind == DUPLEX_PASS_SCORE || s->kind == DUPLEX_PASS_RELOAD) scores_asked(s, e);
  if (s->kind == DUPLEX_PASS_CONTEXT && over) context_over(s, e);
  s->at = e->last ? s->oldest : (s->at + 1) % INDICES;
  if (e->last) s->row_block++;
}

// The pass that goes first of those that may; false if none may.
static bool pass_of(const struct choice *want, enum duplex_pass *kind) {
  if (want->store) return *kind = DUPLEX_PASS_STORE, true;
  if (want->query) return *kind = DUPLEX_PASS_QUERY, true;
  if (want->score) return *kind = DUPLEX_PASS_SCORE, true;
  if (want->reload) return *kind = DUPLEX_PASS_RELOAD, true;
  if (want->context) return *kind = DUPLEX_PASS_CONTEXT, true;
  return false;
}

// Chooses the next pass.
static void choose_step(struct attention_sequencer *s, bool unwritten) {
  const struct choice want = choose(s, unwritten);
  if (want.drop) {
    s->oldest = s->score_index;
    s->q_ready = s->open = false;
    s->newer = 0;
    return;
  }
  if (!pass_of(&want, &s->kind)) return;
  s->at = s->oldest;
  s->row_block = 0;
  s->begins = true;
  s->state = SEQUENCER_LOAD;
}

bool sequencer_knows_written(const struct attention_sequencer *s, bool written) {
  return s->writing && written && s->state != SEQUENCER_NEXT;
}

void sequencer_clock(struct attention_sequencer *s, const struct sequencer_in *in) {
  const struct attention_entry *e = current(s);
  const bool known = sequencer_knows_written(s, in->written);
  switch (s->state) {
    case SEQUENCER_CHOOSE:
      choose_step(s, in->unwritten);
      break;
    case SEQUENCER_LOAD:
      if (e->mode == DUPLEX_MODE_ROW_BLOCK) s->row_block = e->row_block;
      s->step = s->kind == DUPLEX_PASS_SCORE || s->kind == DUPLEX_PASS_CONTEXT ? 0 : LAST_STEP;
      s->state = SEQUENCER_ADDRESS;
      break;
    case SEQUENCER_ADDRESS:
      address_step(s, e);
      break;
    case SEQUENCER_RECORD:
      if (!in->record) break;
      s->blocks =
          s->kind == DUPLEX_PASS_RELOAD ? (e->words - 1) / ROW_SET_WORDS : e->last_position / DUPLEX_WIDTH;
      s->k = k_last_of(e);
      s->state = s->kind == DUPLEX_PASS_STORE ? SEQUENCER_CHOOSE : SEQUENCER_ASK;
      s->writing |= s->kind == DUPLEX_PASS_STORE;
      break;
    case SEQUENCER_ASK:
      if (in->read_ready) ask_step(s, e);
      break;
    default:
      pass_asked(s, e);
  }
  if (in->joined) s->joining = false;
  if (known) {
    pair_over(s);
    s->writing = false;
    s->oldest = (s->oldest + 1) % INDICES;
  }
  if (!in->push) return;
  s->queue[s->next % DUPLEX_ATTENTION_QUEUE] = *in->push;
  s->next = (s->next + 1) % INDICES;
}
