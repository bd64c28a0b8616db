// SPDX-License-Identifier: Apache-2.0
// The attention kernel: sequences and their segments into descriptors.
#include "duplex/geometry.h"
#include "firmware/kernels/ring.h"

_Static_assert(DUPLEX_DESC_SPREAD_LSB == DUPLEX_DESC_FIRST_CHANNEL_LSB + 5, "both fields come from one byte");

// A mask of more than 8 lanes has no room beside the K base, and a word of its own.
#define MASK_BESIDE_SOURCE (DUPLEX_DESC_LANE_MASK_WORD == DUPLEX_DESC_SRC_BASE_WORD)

// One sequence on its way into the ring, or the part of it that lies in one slot of the channels.
struct sequence {
  struct ring *ring;
  const struct attention_job *job;
  const struct attention_segment *segments;
  uint32_t count, lanes, place, spread;  // place: as the fields of its word
  uint32_t offset, heads;                // row sets to the slot's K and V; heads of the part
  uint32_t q_base, o_base, tiles;        // 64-wide tiles of the head size
  bool last;                             // of the job
  // Words that are the same in all its descriptors: DST_BASE and DST_STRIPE; HEAD_SIZE, HEADS, LANES and
  // WIDE; V_BLOCK_STRIDE and Q_BASE.
  uint32_t o_word, shape_word, q_word;
};

// Positions of one channel whose scores fill its slice.
static inline uint32_t positions_at_once(uint32_t lanes) {
  return (DUPLEX_SCORE_WORDS * DUPLEX_SCORES_OF_WORD) >> lanes;
}

// Pieces of half a slice: the scores of one come or go beside those of the one before.
static inline uint32_t piece_positions(uint32_t lanes, uint32_t spread) {
  return positions_at_once(lanes) / 2 << spread;
}

// Row sets of a channel for the scores of so many positions.
static uint32_t piece_row_sets(uint32_t positions, uint32_t lanes, uint32_t spread) {
  const uint32_t blocks = (positions + (DUPLEX_WIDTH << spread) - 1) / DUPLEX_WIDTH >> spread;
  return duplex_score_row_sets(blocks, lanes);
}

// The scores of all segments fit the slice. A segment's begin with a new word, and a channel must know all
// segments before it can leave the first.
static bool fits(const struct attention_segment *segments, uint32_t count, uint32_t lanes, uint32_t spread) {
  uint32_t words = 0;
  if (count > DUPLEX_ATTENTION_QUEUE) return false;
  for (uint32_t i = 0; i < count; i++) {
    const uint32_t positions = duplex_kv_positions(segment_length(&segments[i]), spread, 0);
    words += ((positions << lanes) + DUPLEX_SCORES_OF_WORD - 1) / DUPLEX_SCORES_OF_WORD;
  }
  return words <= DUPLEX_SCORE_WORDS;
}

uint32_t attention_score_room(const struct attention_segment *segments, uint32_t count, uint32_t lanes,
                              uint32_t spread) {
  const uint32_t most = piece_positions(lanes, spread);
  uint32_t row_sets = 0;
  if (fits(segments, count, lanes, spread)) return 0;
  for (uint32_t i = 0; i < count; i++) {
    const uint32_t length = segment_length(&segments[i]);
    row_sets +=
        length / most * piece_row_sets(most, lanes, spread) + piece_row_sets(length % most, lanes, spread);
  }
  return row_sets;
}

// Fills in the words that are the same in all descriptors of a sequence.
static void describe_sequence(struct sequence *s) {
  const struct attention_job *job = s->job;
  s->o_word = s->o_base | DUPLEX_DESCRIPTOR_FIELD(DST_STRIPE, job->qo.stripe);
  s->shape_word =
      job->form | DUPLEX_DESCRIPTOR_FIELD(HEADS, s->heads) | DUPLEX_DESCRIPTOR_FIELD(LANES, s->lanes);
  s->q_word = job->v_block_stride | DUPLEX_DESCRIPTOR_FIELD(Q_BASE, s->q_base);
}

// Words that are the same in all descriptors of a job: those of GEMM and LOAD, which it does not use, and the
// scale.
static void write_constant_words(const struct sequence *s, uint32_t slot) {
  for (uint32_t word = DUPLEX_DESC_K_TILES_WORD; word <= DUPLEX_DESC_TILES_WORD; word++)
    hal_write_word(s->ring->hal, slot, word, 0);
  hal_write_word(s->ring->hal, slot, DUPLEX_DESC_SCALE_WORD, s->job->scale);
}

// The row set to which a piece's results go, and its stripe set: scores, or o.
static inline uint32_t destination_of(const struct sequence *s, enum duplex_mode mode, uint32_t scores) {
  if (mode != DUPLEX_MODE_SCORES) return s->o_word;
  return scores | DUPLEX_DESCRIPTOR_FIELD(DST_STRIPE, s->job->qo.stripe);
}

// Positions of a segment from `from` on, a multiple of 64 << spread; `scores`: row set of their scores,
// unless DUPLEX_MODE_WHOLE. Values that are in their range as they come need no mask.
static inline __attribute__((always_inline)) bool push_piece(const struct sequence *s, uint32_t i,
                                                             enum duplex_mode mode, uint32_t row_block,
                                                             uint32_t from, uint32_t length,
                                                             uint32_t scores) {
  const uint32_t block = from / DUPLEX_WIDTH >> s->spread;
  const struct attention_segment *segment = &s->segments[i];
  const struct hal *hal = s->ring->hal;
  const bool last = i + 1 == s->count && from + length == segment_length(segment);
  const bool end = last && s->last && mode != DUPLEX_MODE_SCORES &&
                   (mode == DUPLEX_MODE_WHOLE || row_block + 1 == s->tiles);
  const uint32_t flags = DUPLEX_DESCRIPTOR_FIELD(OPCODE, DUPLEX_OPCODE_ATTENTION) |
                         DUPLEX_DESCRIPTOR_FIELD(FIRST, i == 0 && from == 0) |
                         DUPLEX_DESCRIPTOR_FIELD(LAST, last) | DUPLEX_DESCRIPTOR_FIELD(MODE, mode) |
                         DUPLEX_DESCRIPTOR_FIELD(FENCE, end);
  // All words before the first is written: a compiler must think that a register's write changes memory.
  const uint32_t k_base = segment->k_base + s->offset + block * s->tiles;
  const uint32_t lanes = DUPLEX_DESCRIPTOR_FIELD(LANE_MASK, segment_lanes(segment));
  const uint32_t source = (mode == DUPLEX_MODE_ROW_BLOCK ? scores : k_base) |
                          DUPLEX_DESCRIPTOR_FIELD(SRC_STRIPE, s->job->kv_stripe) |
                          (MASK_BESIDE_SOURCE ? lanes : 0) | DUPLEX_DESCRIPTOR_FIELD(ROW_BLOCK, row_block);
  const uint32_t v_source =
      s->job->slot_stride | DUPLEX_DESCRIPTOR_FIELD(V_BASE, segment->v_base + s->offset + block);
  const uint32_t destination = destination_of(s, mode, scores);
  const uint32_t positions = length | s->place;
  const uint32_t shape = s->shape_word;
  const uint32_t q = s->q_word;
  const uint32_t slot = ring_slot(s->ring);
  const uint32_t fields = ring_fields(s->ring, end);
  if (ring_slot_is_new(s->ring)) write_constant_words(s, slot);
  ring_take(s->ring);
  hal_write_word(hal, slot, DUPLEX_DESC_OPCODE_WORD, fields | flags);
  hal_write_word(hal, slot, DUPLEX_DESC_SRC_BASE_WORD, source);
  hal_write_word(hal, slot, DUPLEX_DESC_V_BASE_WORD, v_source);
  hal_write_word(hal, slot, DUPLEX_DESC_DST_BASE_WORD, destination);
  if (!MASK_BESIDE_SOURCE) hal_write_word(hal, slot, DUPLEX_DESC_LANE_MASK_WORD, lanes);
  hal_write_word(hal, slot, DUPLEX_DESC_LENGTH_WORD, positions);
  hal_write_word(hal, slot, DUPLEX_DESC_HEAD_SIZE_WORD, shape);
  hal_write_word(hal, slot, DUPLEX_DESC_Q_BASE_WORD, q);
  return ring_commit(s->ring);
}

// All segments, in pieces of at most `most` positions.
__attribute__((noinline)) static bool push_pass(const struct sequence *s, enum duplex_mode mode,
                                                uint32_t row_block, uint32_t most) {
  uint32_t scores = s->job->scores.base;
  for (uint32_t i = 0; i < s->count; i++) {
    const uint32_t length = segment_length(&s->segments[i]);
    for (uint32_t from = 0; from < length; from += most) {
      const uint32_t left = length - from;
      const uint32_t positions = (uint32_t)duplex_smaller(left, most);
      if (!push_piece(s, i, mode, row_block, from, positions, scores)) return false;
      scores += piece_row_sets(positions, s->lanes, s->spread);
    }
  }
  return true;
}

// Where the scores do not fit the slice, they go to DRAM, and come back for each row block of V.
static bool push_long(const struct sequence *s) {
  const uint32_t most = piece_positions(s->lanes, s->spread);
  if (!push_pass(s, DUPLEX_MODE_SCORES, 0, most)) return false;
  for (uint32_t row_block = 0; row_block < s->tiles; row_block++)
    if (!push_pass(s, DUPLEX_MODE_ROW_BLOCK, row_block, most)) return false;
  return true;
}

// Sequence i of the job, all its slots at once, from the first.
static inline void begin_sequence(struct sequence *s, struct ring *ring, const struct attention_job *job,
                                  struct attention_sequence own, const struct attention_segment *segments,
                                  uint32_t i) {
  const uint32_t slots = duplex_kv_slots(job->heads, job->channels);
  s->ring = ring;
  s->job = job;
  s->segments = segments;
  s->count = own.segments;
  s->lanes = own.lanes;
  s->place = (uint32_t)own.place << DUPLEX_DESC_FIRST_CHANNEL_LSB;
  s->spread = own.place >> 5;
  s->offset = 0;
  s->heads = job->heads;
  s->q_base = job->qo.base + i * slots;
  s->o_base = s->q_base + job->sequences * slots;
  s->tiles = duplex_kv_tiles(job->head_size);
  s->last = i + 1 == job->sequences;
}

// The slots of the channels one after another.
__attribute__((noinline)) static bool push_slots(struct ring *ring, const struct attention_job *job,
                                                 struct attention_sequence own,
                                                 const struct attention_segment *segments, uint32_t i) {
  struct sequence s;
  begin_sequence(&s, ring, job, own, segments, i);
  const uint32_t room = attention_score_room(segments, s.count, s.lanes, s.spread);
  const bool last = s.last;
  if (room > job->score_room) {
    ring_abandon(ring, FIRMWARE_REFUSED);
    return false;
  }
  for (uint32_t left = job->heads; left; left -= s.heads) {
    s.heads = (uint32_t)duplex_smaller(left, job->channels);
    s.last = last && left == s.heads;
    describe_sequence(&s);
    if (!(room ? push_long(&s) : push_pass(&s, DUPLEX_MODE_WHOLE, 0, DUPLEX_POSITIONS_MAX))) return false;
    s.offset += job->slot_stride;
    s.q_base++;
    s.o_base++;
  }
  return true;
}

// A single segment that fits however it is spread takes one descriptor for all its heads. It is kept in
// registers: the stack waits for the first ones.
static inline bool push_sequence(struct ring *ring, const struct attention_job *job,
                                 struct attention_sequence own, const struct attention_segment *segments,
                                 uint32_t i) {
  if (own.segments != 1 || segment_length(segments) > positions_at_once(own.lanes))
    return push_slots(ring, job, own, segments, i);
  struct sequence s;
  begin_sequence(&s, ring, job, own, segments, i);
  describe_sequence(&s);
  return push_piece(&s, 0, DUPLEX_MODE_WHOLE, 0, 0, segment_length(segments), 0);
}

void firmware_attention(const struct hal *hal, const struct attention_job *job, attention_next *next,
                        void *context, struct firmware_report *report) {
  struct ring ring;
  ring_start(&ring, hal, report);
  ring_soil(&ring);
  for (uint32_t i = 0; i < job->sequences; i++) {
    struct attention_sequence own;
    const struct attention_segment *segments = next(context, i, &own);
    if (!segments) {
      ring_abandon(&ring, FIRMWARE_REFUSED);
      return;
    }
    if (!push_sequence(&ring, job, own, segments, i)) return;
  }
  ring_finish(&ring);
}
