// SPDX-License-Identifier: Apache-2.0
// One channel's heads of an ATTENTION descriptor (docs/numerics.md, N5): scores of the segment (MODE SCORES:
// into DRAM), and with the sequence's last segment (MODE ROW_BLOCK: with each, its scores from DRAM) the
// context. With SPREAD a head's maximum, sums and l are joined over its channels.
#include "cmodel/execute/attention.h"

#include <stdlib.h>
#include <string.h>

#include "cmodel/common/channel_share.h"
#include "cmodel/execute/row_sets.h"
#include "duplex/error.h"
#include "duplex/softmax.h"

#define TILE_BYTES ((size_t)DUPLEX_TILE_WORDS * DUPLEX_WORD_BYTES)
#define BLOCK_BYTES ((size_t)DUPLEX_WIDTH * DUPLEX_BEAT_BYTES)
#define K_TILES_MOST (DUPLEX_HEAD_SIZE_MAX / DUPLEX_WIDTH)
#define LOW_PART (DUPLEX_LANES / 2)  // lanes from a weight's high part to its low one
#define TILES_AT_ONCE 32u            // position tiles of one call of the fast path

static bool has_lane(const uint32_t *d, unsigned lane) {
  return DUPLEX_DESCRIPTOR_GET(d, LANE_MASK) >> lane & 1;
}

// Lanes of the context: the upper half has the low parts of weights in two parts.
static bool has_weights(const uint32_t *d, unsigned lane) {
  return has_lane(d, DUPLEX_DESCRIPTOR_GET(d, WIDE) ? lane % LOW_PART : lane);
}

// Place of a position's scores in the slice.
static duplex_f32 *scores_at(struct attention_state *state, const uint32_t *d, uint32_t first_word,
                             uint32_t position) {
  const uint32_t of_word = DUPLEX_SCORES_OF_WORD >> DUPLEX_DESCRIPTOR_GET(d, LANES);
  const uint32_t word = (first_word + position / of_word) % DUPLEX_SCORE_WORDS;
  return &state->scores[word * DUPLEX_SCORES_OF_WORD +
                        (position % of_word << DUPLEX_DESCRIPTOR_GET(d, LANES))];
}

// q of one slot as the activations of the GEMM module.
static struct duplex_gemm_panel *read_q(const struct channel_job *job, uint32_t slot) {
  const uint32_t *d = job->descriptor;
  _Alignas(64) uint8_t tiles[K_TILES_MOST * TILE_BYTES];
  read_row_sets(job, DUPLEX_DESCRIPTOR_GET(d, Q_BASE) + slot, DUPLEX_DESCRIPTOR_GET(d, DST_STRIPE), tiles,
                attention_k_tiles(d) * TILE_BYTES);
  return duplex_gemm_panel_new((const uint16_t *)(const void *)tiles, attention_k_tiles(d), DUPLEX_TILE_F16);
}

// Sums to scores: lanes that the segment does not have are kept as -Inf and have no part in the maximum.
static void take_scores(struct attention_state *state, const uint32_t *d, const struct duplex_sum *sums,
                        duplex_f32 *to) {
  for (unsigned lane = 0; lane < 1u << DUPLEX_DESCRIPTOR_GET(d, LANES); lane++) {
    duplex_f32 t = DUPLEX_MAXIMUM_START;
    if (has_lane(d, lane)) {
      t = duplex_score_scale(duplex_round_f32(&sums[lane], 0), DUPLEX_DESCRIPTOR_GET(d, SCALE));
      state->maximum[lane] = duplex_running_maximum(state->maximum[lane], t);
    }
    to[lane] = t;
  }
}

// The score pass: positions are the rows of the GEMM module, 64 at a time.
static int score_pass(struct channel_job *job, uint32_t slot, uint32_t first_word) {
  const uint32_t *d = job->descriptor;
  const uint32_t k_tiles = attention_k_tiles(d);
  struct attention_state *state = &job->execution->attention[job->channel];
  _Alignas(64) uint8_t k[K_TILES_MOST * BLOCK_BYTES];
  struct duplex_gemm_panel *q = read_q(job, slot);
  if (!q) return DUPLEX_ERROR_NO_MEMORY;
  for (uint32_t block = 0; block * DUPLEX_WIDTH < DUPLEX_DESCRIPTOR_GET(d, LENGTH); block++) {
    const uint32_t rows =
        duplex_smaller(DUPLEX_DESCRIPTOR_GET(d, LENGTH) - block * DUPLEX_WIDTH, DUPLEX_WIDTH);
    const uint32_t row_set =
        DUPLEX_DESCRIPTOR_GET(d, SRC_BASE) + slot * DUPLEX_DESCRIPTOR_GET(d, SRC_STRIDE) + block * k_tiles;
    struct duplex_sum sums[DUPLEX_WIDTH * DUPLEX_LANES] = {0};
    for (uint32_t tile = 0; tile < k_tiles; tile++)
      read_row_sets(job, row_set + tile, DUPLEX_DESCRIPTOR_GET(d, SRC_STRIPE),
                    k + (size_t)tile * rows * DUPLEX_BEAT_BYTES, (size_t)rows * DUPLEX_BEAT_BYTES);
    duplex_gemm_block_fast((const duplex_f16 *)(const void *)k, rows, k_tiles, q, sums, &job->tiers);
    for (uint32_t row = 0; row < rows; row++)
      take_scores(state, d, &sums[row * DUPLEX_LANES],
                  scores_at(state, d, first_word, block * DUPLEX_WIDTH + row));
  }
  duplex_gemm_panel_free(q);
  return DUPLEX_OK;
}

// Exponentials of some position tiles, [tile][64][8 lanes]; zero for lanes and positions that there are not.
// `count_l`: their sums go to l.
static void exponentials(struct attention_state *state, const struct kept_segment *segment,
                         uint32_t first_tile, uint32_t tiles, bool count_l, duplex_p16 *p) {
  const uint32_t *d = segment->descriptor;
  memset(p, 0, tiles * TILE_BYTES);
  for (uint32_t i = 0; i < tiles * DUPLEX_WIDTH; i++) {
    const uint32_t position = first_tile * DUPLEX_WIDTH + i;
    if (position >= DUPLEX_DESCRIPTOR_GET(d, LENGTH)) break;
    const duplex_f32 *t = scores_at(state, d, segment->word, position);
    for (unsigned lane = 0; lane < DUPLEX_LANES; lane++) {
      if (!has_weights(d, lane)) continue;
      const bool wide = DUPLEX_DESCRIPTOR_GET(d, WIDE);
      const unsigned own = wide ? lane % LOW_PART : lane;
      const enum duplex_weight_part wide_part = lane == own ? DUPLEX_P32_HIGH : DUPLEX_P32_LOW;
      const enum duplex_weight_part part = wide ? wide_part : DUPLEX_P16;
      p[i * DUPLEX_LANES + lane] = duplex_exponential(t[own], state->maximum[own], part);
      if (count_l) state->l[lane] = duplex_softmax_sum(state->l[lane], p[i * DUPLEX_LANES + lane]);
    }
  }
}

// Adds one row block of V times p into the sums of the segment's lanes; those of the others stay, whatever V
// holds.
static int add_context(struct channel_job *job, uint32_t slot, const struct kept_segment *segment,
                       uint32_t row_block, uint32_t first_tile, uint32_t tiles,
                       const struct duplex_gemm_panel *p) {
  const uint32_t *d = segment->descriptor;
  const uint32_t rows = attention_rows_of(d, row_block);
  struct attention_state *state = &job->execution->attention[job->channel];
  const size_t bytes = (size_t)rows * DUPLEX_BEAT_BYTES;
  const uint32_t row_set = DUPLEX_DESCRIPTOR_GET(d, V_BASE) + slot * DUPLEX_DESCRIPTOR_GET(d, SRC_STRIDE) +
                           row_block * DUPLEX_DESCRIPTOR_GET(d, V_BLOCK_STRIDE) + first_tile;
  struct duplex_sum sums[DUPLEX_ROWS * DUPLEX_LANES] = {0};
  uint8_t *v = aligned_alloc(64, tiles * bytes);
  if (!v) return DUPLEX_ERROR_NO_MEMORY;
  for (uint32_t tile = 0; tile < tiles; tile++)
    read_row_sets(job, row_set + tile, DUPLEX_DESCRIPTOR_GET(d, SRC_STRIPE), v + tile * bytes, bytes);
  duplex_gemm_block_fast((const duplex_f16 *)(const void *)v, rows, tiles, p, sums, &job->tiers);
  free(v);
  for (uint32_t i = 0; i < rows * DUPLEX_LANES; i++)
    if (has_weights(d, i % DUPLEX_LANES)) duplex_sum_add(&state->sums[i], &sums[i]);
  return DUPLEX_OK;
}

// The context pass of one segment and row block: positions are the columns of the GEMM module.
static int context_pass(struct channel_job *job, uint32_t slot, const struct kept_segment *segment,
                        uint32_t row_block, bool count_l) {
  const uint32_t *d = segment->descriptor;
  const uint32_t all = (DUPLEX_DESCRIPTOR_GET(d, LENGTH) + DUPLEX_WIDTH - 1) / DUPLEX_WIDTH;
  struct attention_state *state = &job->execution->attention[job->channel];
  duplex_p16 *p = malloc(TILES_AT_ONCE * TILE_BYTES);
  int error = p ? DUPLEX_OK : DUPLEX_ERROR_NO_MEMORY;
  for (uint32_t first = 0; first < all && !error; first += TILES_AT_ONCE) {
    const uint32_t tiles = duplex_smaller(all - first, TILES_AT_ONCE);
    exponentials(state, segment, first, tiles, count_l, p);
    struct duplex_gemm_panel *panel = duplex_gemm_panel_new(p, tiles, DUPLEX_TILE_P16);
    error = panel ? add_context(job, slot, segment, row_block, first, tiles, panel) : DUPLEX_ERROR_NO_MEMORY;
    duplex_gemm_panel_free(panel);
  }
  free(p);
  return error;
}

static bool is_finite(duplex_f32 value) { return (value & 0x7f800000u) != 0x7f800000u; }

// The quotient of one element, as rtl/attention/attention_quotient.v. Low parts are added first; the high
// ones alone decide about NaN and infinity.
static duplex_f16 divide(const struct duplex_sum *sums, const uint64_t *l, bool wide, duplex_f32 maximum) {
  struct duplex_sum sum = sums[0];
  uint64_t divisor = l[0];
  if (wide) {
    struct duplex_sum low = sums[LOW_PART];
    low.flags = 0;
    duplex_sum_add(&sum, &low);
    divisor = (divisor + l[LOW_PART]) & ((UINT64_C(1) << DUPLEX_SOFTMAX_SUM_BITS) - 1);
  }
  return duplex_quotient(&sum, divisor, !is_finite(maximum));
}

// o of one row block, 8 lanes a row. A lane without a position has no maximum: NaN.
static int write_o(struct channel_job *job, uint32_t slot, uint32_t row_block, const struct duplex_sum *sums,
                   const uint64_t *l) {
  const uint32_t *d = job->descriptor;
  const uint32_t rows = attention_rows_of(d, row_block);
  const struct attention_state *state = &job->execution->attention[job->channel];
  uint8_t bytes[DUPLEX_ROWS * DUPLEX_LANES * 2];
  for (uint32_t i = 0; i < rows * DUPLEX_LANES; i++) {
    const unsigned lane = i % DUPLEX_LANES;
    const duplex_f16 o =
        divide(&sums[i], &l[lane], DUPLEX_DESCRIPTOR_GET(d, WIDE) && lane < LOW_PART, state->maximum[lane]);
    bytes[2 * i] = (uint8_t)o;
    bytes[2 * i + 1] = (uint8_t)(o >> 8);
  }
  const size_t row_bytes = DUPLEX_LANES * 2;
  const uint64_t address = duplex_row_set_address(DUPLEX_DESCRIPTOR_GET(d, DST_BASE) + slot,
                                                  DUPLEX_DESCRIPTOR_GET(d, DST_STRIPE)) +
                           row_block * duplex_kv_block_rows(DUPLEX_DESCRIPTOR_GET(d, HEAD_SIZE)) * row_bytes;
  return duplex_hbm_mem_write(job->execution->hbm, job->channel, address, bytes, rows * row_bytes);
}

// MODE WHOLE: keeps the segment until the last one of its sequence has come.
static struct kept_segment *keep(struct attention_state *state, const uint32_t *d) {
  if (state->count == state->room) {
    const uint32_t room = 2 * state->room + DUPLEX_ATTENTION_QUEUE;
    struct kept_segment *more = realloc(state->segments, room * sizeof *more);
    if (!more) return NULL;
    state->segments = more;
    state->room = room;
  }
  struct kept_segment *segment = &state->segments[state->count++];
  memcpy(segment->descriptor, d, sizeof segment->descriptor);
  segment->word = state->next_word;
  const uint32_t of_word = DUPLEX_SCORES_OF_WORD >> DUPLEX_DESCRIPTOR_GET(d, LANES);
  state->next_word =
      (state->next_word + (DUPLEX_DESCRIPTOR_GET(d, LENGTH) + of_word - 1) / of_word) % DUPLEX_SCORE_WORDS;
  return segment;
}

// The words of a segment's scores, from word 0 of the slice on, and as many row sets as they take.
static uint32_t score_bytes(const uint32_t *d) {
  const uint32_t of_word = DUPLEX_SCORES_OF_WORD >> DUPLEX_DESCRIPTOR_GET(d, LANES);
  return (DUPLEX_DESCRIPTOR_GET(d, LENGTH) + of_word - 1) / of_word * DUPLEX_WORD_BYTES;
}

// Mode SCORES: the channel's scores go to DRAM, row set by row set; an error of the DRAM model ends it.
static int store_scores(struct channel_job *job) {
  const uint32_t *d = job->descriptor;
  const uint32_t bytes = score_bytes(d);
  const uint32_t row_set_bytes = DUPLEX_COLUMNS * DUPLEX_COLUMN_BYTES;
  const uint8_t *from = (const uint8_t *)job->execution->attention[job->channel].scores;
  int error = DUPLEX_OK;
  for (uint32_t at = 0, i = 0; at < bytes && !error; at += row_set_bytes, i++)
    error = duplex_hbm_mem_write(
        job->execution->hbm, job->channel,
        duplex_row_set_address(DUPLEX_DESCRIPTOR_GET(d, DST_BASE) + i, DUPLEX_DESCRIPTOR_GET(d, DST_STRIPE)),
        from + at, duplex_smaller(bytes - at, row_set_bytes));
  return error;
}

// Mode ROW_BLOCK: the scores that mode SCORES left come back; cells that were never written read as 0.
static void load_scores(struct channel_job *job) {
  const uint32_t *d = job->descriptor;
  const uint32_t bytes = score_bytes(d);
  const uint32_t row_set_bytes = DUPLEX_COLUMNS * DUPLEX_COLUMN_BYTES;
  uint8_t *to = (uint8_t *)job->execution->attention[job->channel].scores;
  for (uint32_t at = 0, i = 0; at < bytes; at += row_set_bytes, i++)
    read_row_sets(job, DUPLEX_DESCRIPTOR_GET(d, SRC_BASE) + i, DUPLEX_DESCRIPTOR_GET(d, DST_STRIPE), to + at,
                  duplex_smaller(bytes - at, row_set_bytes));
}

// Scores of one head's segment and the running maxima, by mode: made, made and stored, or loaded. The first
// segment of a head starts the maxima and forgets the segments before. An error leaves the head's state
// unusable.
static int make_scores(struct channel_job *job, uint32_t slot) {
  const uint32_t *d = job->descriptor;
  struct attention_state *state = &job->execution->attention[job->channel];
  if (DUPLEX_DESCRIPTOR_GET(d, FIRST) || DUPLEX_DESCRIPTOR_GET(d, MODE) != DUPLEX_MODE_WHOLE)
    state->count = 0;
  if (DUPLEX_DESCRIPTOR_GET(d, MODE) == DUPLEX_MODE_ROW_BLOCK) {
    load_scores(job);
    return DUPLEX_OK;
  }
  if (DUPLEX_DESCRIPTOR_GET(d, FIRST))
    for (unsigned lane = 0; lane < DUPLEX_LANES; lane++) state->maximum[lane] = DUPLEX_MAXIMUM_START;
  if (DUPLEX_DESCRIPTOR_GET(d, MODE) == DUPLEX_MODE_SCORES) {
    const int error = score_pass(job, slot, 0);
    return error ? error : store_scores(job);
  }
  const struct kept_segment *kept = keep(state, d);
  return kept ? score_pass(job, slot, kept->word) : DUPLEX_ERROR_NO_MEMORY;
}

// MODE ROW_BLOCK: of this segment, whose scores begin with word 0; WHOLE: of all segments that were kept.
static int make_context(struct channel_job *job, uint32_t slot, uint32_t row_block) {
  const uint32_t *d = job->descriptor;
  struct attention_state *state = &job->execution->attention[job->channel];
  const bool whole = DUPLEX_DESCRIPTOR_GET(d, MODE) == DUPLEX_MODE_WHOLE;
  const bool begins_l = whole ? row_block == 0 : DUPLEX_DESCRIPTOR_GET(d, FIRST);
  if (whole || DUPLEX_DESCRIPTOR_GET(d, FIRST)) memset(state->sums, 0, sizeof state->sums);
  if (begins_l) memset(state->l, 0, sizeof state->l);
  if (!whole) {
    struct kept_segment segment = {.word = 0};
    memcpy(segment.descriptor, d, sizeof segment.descriptor);
    return context_pass(job, slot, &segment, row_block, true);
  }
  int error = DUPLEX_OK;
  for (uint32_t i = 0; i < state->count && !error; i++)
    error = context_pass(job, slot, &state->segments[i], row_block, row_block == 0);
  if (row_block + 1 == attention_k_tiles(d)) state->count = 0;
  return error;
}

int attention_heads(struct channel_job *job) {
  const uint32_t *d = job->descriptor;
  const struct attention_state *state = &job->execution->attention[job->channel];
  int error = DUPLEX_OK;
  for (uint32_t slot = 0; slot < job->count && !error; slot++) {
    error = make_scores(job, slot);
    for (uint32_t i = 0, row_block = DUPLEX_DESCRIPTOR_GET(d, ROW_BLOCK);
         i < attention_row_blocks(d) && !error; i++, row_block++) {
      error = make_context(job, slot, row_block);
      if (!error && DUPLEX_DESCRIPTOR_GET(d, LAST))
        error = write_o(job, slot, row_block, state->sums, state->l);
    }
  }
  return error;
}

int spread_scores(struct channel_job *job) { return job->count ? make_scores(job, 0) : DUPLEX_OK; }

int spread_context(struct channel_job *job) {
  return job->count ? make_context(job, 0, job->row_block) : DUPLEX_OK;
}

// What is done once for a head is done with its last member's job.
static struct attention_state *member(const struct channel_job *job, uint32_t from_last) {
  const unsigned channels = job->execution->channels;
  return &job->execution->attention[(job->channel + channels - from_last) % channels];
}

// Whether the channel is the last member of a head, which joins what all of them have.
static bool joins(const struct channel_job *job) {
  const uint32_t *d = job->descriptor;
  return job->count && attention_share_of(d, job->channel, job->execution->channels).member + 1 ==
                           1u << DUPLEX_DESCRIPTOR_GET(d, SPREAD);
}

int spread_join_maxima(struct channel_job *job) {
  const uint32_t *d = job->descriptor;
  const uint32_t members = 1u << DUPLEX_DESCRIPTOR_GET(d, SPREAD);
  for (unsigned lane = 0; lane < DUPLEX_LANES && joins(job); lane++) {
    duplex_f32 maximum = member(job, members - 1)->maximum[lane];
    for (uint32_t i = members - 1; i--;)
      maximum = duplex_running_maximum(maximum, member(job, i)->maximum[lane]);
    for (uint32_t i = 0; i < members; i++) member(job, i)->maximum[lane] = maximum;
  }
  return DUPLEX_OK;
}

int spread_output(struct channel_job *job) {
  const uint32_t *d = job->descriptor;
  struct duplex_sum sums[DUPLEX_ROWS * DUPLEX_LANES];
  uint64_t l[DUPLEX_LANES];
  if (!joins(job)) return DUPLEX_OK;
  memcpy(sums, member(job, 0)->sums, sizeof sums);
  memcpy(l, member(job, 0)->l, sizeof l);
  for (uint32_t i = 1; i < 1u << DUPLEX_DESCRIPTOR_GET(d, SPREAD); i++) {
    for (unsigned k = 0; k < DUPLEX_ROWS * DUPLEX_LANES; k++)
      duplex_sum_add(&sums[k], &member(job, i)->sums[k]);
    for (unsigned lane = 0; lane < DUPLEX_LANES; lane++)
      l[lane] = (l[lane] + member(job, i)->l[lane]) & ((UINT64_C(1) << DUPLEX_SOFTMAX_SUM_BITS) - 1);
  }
  return write_o(job, 0, job->row_block, sums, l);
}
