// The order of the passes and their row sets, as rtl/attention/attention_sequencer.v with attention_queue.v.
#include "cmodel/attention/attention.h"

enum { LAST_STEP = 9 + DUPLEX_HEAD_TILE_BITS, INDICES = 2 * DUPLEX_ATTENTION_QUEUE };
enum {
  COLUMN_WORDS = DUPLEX_COLUMN_BYTES / DUPLEX_WORD_BYTES,
  ROW_SET_WORDS = DUPLEX_COLUMNS * COLUMN_WORDS
};

static const struct attention_entry *entry(const struct attention_sequencer *s, unsigned index) {
  return &s->queue[index % DUPLEX_ATTENTION_QUEUE];
}

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

static unsigned sixteens_of(const struct attention_sequencer *s, const struct attention_entry *e) {
  const unsigned all = block_sixteens(e), k_last = k_last_of(e);
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

// MODE 1 of a head in several channels: its maximum is joined and goes back.
static bool maximum_back(const struct attention_entry *e) {
  return e->mode == DUPLEX_MODE_SCORES && e->last && (e->below || e->above);
}

bool sequencer_record(const struct attention_timing *a, struct attention_pass *pass, bool *begins_result,
                      struct attention_result *result) {
  const struct attention_sequencer *s = &a->sequencer;
  const struct attention_entry *e = current(s);
  const bool context = s->kind == DUPLEX_PASS_CONTEXT, scores = s->kind == DUPLEX_PASS_STORE,
             row_block_mode = e->mode == DUPLEX_MODE_ROW_BLOCK;
  *begins_result = scores || (context && e->last && !e->above && (row_block_mode || s->row_block == 0));
  const bool room = a->stream_passes.count != ATTENTION_FIFO && a->tiles_passes.count != ATTENTION_FIFO;
  const bool may_begin =
      a->results.count != ATTENTION_FIFO && writer_ready(&a->writer) && !(scores && a->rows_open);
  if (s->state != SEQUENCER_RECORD || !room || (*begins_result && !may_begin)) return false;
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

struct choice {
  bool w, q, s, l, c, drop;
};

static struct choice choose(const struct attention_sequencer *s, bool unwritten) {
  const struct attention_entry *e = entry(s, s->score_index);
  const bool there = s->score_index != s->next;
  const bool beside = s->older + s->newer + e->words <= DUPLEX_SCORE_WORDS;
  const bool room = s->pending == 0 || (s->pending == 1 && beside),
             other = e->first || e->mode != DUPLEX_MODE_WHOLE;
  const unsigned oldest_mode = entry(s, s->oldest)->mode;
  const bool loads = e->mode == DUPLEX_MODE_ROW_BLOCK, writes = oldest_mode == DUPLEX_MODE_SCORES,
             sums_kept = s->pending != 0 && oldest_mode == DUPLEX_MODE_ROW_BLOCK,
             fits = there && !(s->open && other);
  const bool full = (s->next - s->oldest) % INDICES == DUPLEX_ATTENTION_QUEUE;
  return (struct choice){.drop = s->open && s->pending == 0 && (there ? other : full),
                         .w = s->pending != 0 && writes && !s->writing,
                         .q = fits && !s->q_ready && !loads,
                         .s = fits && s->q_ready && !loads && !s->joining && room && !sums_kept,
                         .l = fits && loads && !s->joining && room && !unwritten,
                         .c = s->pending != 0 && !writes};
}

bool sequencer_busy(const struct attention_sequencer *s) {
  return s->state != SEQUENCER_CHOOSE || s->score_index != s->next || s->pending || s->joining;
}

static void address_step(struct attention_sequencer *s, const struct attention_entry *e) {
  const bool context = s->kind == DUPLEX_PASS_CONTEXT;
  const unsigned blocks = context ? s->row_block : 0;
  if (s->step != LAST_STEP) {
    s->step++;
    return;
  }
  s->base = (uint16_t)(s->kind == DUPLEX_PASS_QUERY    ? e->q_base + slot_of(s)
                       : s->kind == DUPLEX_PASS_RELOAD ? e->k_base
                                                       : (context ? e->v_base : e->k_base) +
                                                             slot_of(s) * e->stride + blocks * e->v_stride);
  s->state = SEQUENCER_RECORD;
}

static void ask_step(struct attention_sequencer *s, const struct attention_entry *e) {
  const bool tile_last = s->kind == DUPLEX_PASS_CONTEXT || s->kind == DUPLEX_PASS_RELOAD || s->k == 0;
  if (s->kind == DUPLEX_PASS_QUERY || (s->blocks == 0 && tile_last)) s->state = SEQUENCER_NEXT;
  s->base++;
  if (tile_last) s->blocks--;
  s->k = s->k == 0 ? k_last_of(e) : s->k - 1;
}

static void scores_asked(struct attention_sequencer *s, const struct attention_entry *e) {
  const bool pair = e->mode != DUPLEX_MODE_WHOLE || e->last, last_slot = s->score_slot + 1 == e->slots;
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

static void pair_over(struct attention_sequencer *s) {
  s->older = s->pending == 2 ? s->newer : 0;
  if (s->pending == 2) s->newer = 0;
  s->pending--;
}

static void context_over(struct attention_sequencer *s, const struct attention_entry *e) {
  pair_over(s);
  if (s->slot + 1 == e->slots) {
    s->slot = 0;
    s->oldest = (s->at + 1) % INDICES;
  } else {
    s->slot++;
  }
}

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

static void choose_step(struct attention_sequencer *s, bool unwritten) {
  const struct choice want = choose(s, unwritten);
  if (want.drop) {
    s->oldest = s->score_index;
    s->q_ready = s->open = false;
    s->newer = 0;
    return;
  }
  if (!want.w && !want.q && !want.s && !want.l && !want.c) return;
  s->kind = want.w   ? DUPLEX_PASS_STORE
            : want.q ? DUPLEX_PASS_QUERY
            : want.s ? DUPLEX_PASS_SCORE
            : want.l ? DUPLEX_PASS_RELOAD
                     : DUPLEX_PASS_CONTEXT;
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
