#include "firmware/kernels/ring.h"

#define FIELD(field, value) DUPLEX_DESCRIPTOR_FIELD(field, value)

_Static_assert(DUPLEX_DESC_SPREAD_LSB == DUPLEX_DESC_FIRST_CHANNEL_LSB + 5, "both fields come from one byte");

// A mask of more than 8 lanes has no room beside the K base.
#define MASK_IN_WORD_1 (DUPLEX_DESC_LANE_MASK_WORD == 1)
_Static_assert(MASK_IN_WORD_1 || DUPLEX_DESC_LANE_MASK_WORD == 11, "push_piece writes words 1 and 11");

enum mode { WHOLE, SCORES_TO_DRAM, ROW_BLOCK_OF_V };

// One sequence on its way into the ring, or the part of it that lies in one slot of the channels.
struct sequence {
  struct ring *ring;
  const struct attention_job *job;
  const struct attention_segment *segments;
  uint32_t count, lanes, place, spread;  // place: as the fields of its word
  uint32_t offset, heads;                // row sets to the slot's K and V; heads of the part
  uint32_t q_base, o_base, tiles;        // 64-wide tiles of the head size
  bool last;                             // of the job
  uint32_t word_9, word_13, word_14;     // the same for all its descriptors
};

// Blocks of 64 positions of one lane whose scores are a row set.
#define SCORE_BLOCKS (DUPLEX_COLUMNS * DUPLEX_COLUMN_BYTES / (DUPLEX_WIDTH * sizeof(uint32_t)))

// Of one channel.
static inline uint32_t positions_at_once(uint32_t lanes) {
  return (DUPLEX_SCORE_WORDS * DUPLEX_SCORES_OF_WORD) >> lanes;
}

// Pieces of half a slice: the scores of one come or go beside those of the one before.
static inline uint32_t piece_positions(uint32_t lanes, uint32_t spread) {
  return positions_at_once(lanes) / 2 << spread;
}

static uint32_t piece_row_sets(uint32_t positions, uint32_t lanes, uint32_t spread) {
  const uint32_t blocks = (positions + (DUPLEX_WIDTH << spread) - 1) / DUPLEX_WIDTH >> spread;
  return ((blocks << lanes) + SCORE_BLOCKS - 1) / SCORE_BLOCKS;
}

// A segment's scores begin with a new word, and a channel must know all segments before it can leave the
// first.
static bool fits(const struct attention_segment *segments, uint32_t count, uint32_t lanes, uint32_t spread) {
  uint32_t words = 0;
  if (count > DUPLEX_ATTENTION_QUEUE) return false;
  for (uint32_t i = 0; i < count; i++) {
    const uint32_t positions = kv_positions(segment_length(&segments[i]), spread, 0);
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

static void describe_sequence(struct sequence *s) {
  const struct attention_job *job = s->job;
  s->word_9 = s->o_base | FIELD(DST_STRIPE, job->qo.stripe);
  s->word_13 = job->form | FIELD(HEADS, s->heads) | FIELD(LANES, s->lanes);
  s->word_14 = job->v_block_stride | FIELD(Q_BASE, s->q_base);
}

// Words that are the same in all descriptors of a job.
static void write_constant_words(const struct sequence *s, uint32_t slot) {
  for (uint32_t word = 3; word < 12; word++) hal_write_word(s->ring->hal, slot, word, 0);
  hal_write_word(s->ring->hal, slot, 15, s->job->scale);
}

// Positions of a segment from `from` on, a multiple of 64 << spread; `scores`: row set of their scores,
// unless WHOLE. Values that are in their range as they come need no mask.
static inline __attribute__((always_inline)) bool push_piece(const struct sequence *s, uint32_t i,
                                                             enum mode mode, uint32_t row_block,
                                                             uint32_t from, uint32_t length,
                                                             uint32_t scores) {
  const uint32_t block = from / DUPLEX_WIDTH >> s->spread;
  const struct attention_segment *segment = &s->segments[i];
  const struct hal *hal = s->ring->hal;
  const bool last = i + 1 == s->count && from + length == segment_length(segment);
  const bool end = last && s->last && mode != SCORES_TO_DRAM && (mode == WHOLE || row_block + 1 == s->tiles);
  const uint32_t flags = FIELD(OPCODE, 3) | FIELD(FIRST, i == 0 && from == 0) | FIELD(LAST, last) |
                         FIELD(MODE, mode) | FIELD(FENCE, end);
  // All words before the first is written: a compiler must think that a register's write changes memory.
  const uint32_t k_base = segment->k_base + s->offset + block * s->tiles;
  const uint32_t lanes = FIELD(LANE_MASK, segment_lanes(segment));
  const uint32_t word_1 = (mode == ROW_BLOCK_OF_V ? scores : k_base) | FIELD(SRC_STRIPE, s->job->kv_stripe) |
                          (MASK_IN_WORD_1 ? lanes : 0) | FIELD(ROW_BLOCK, row_block);
  const uint32_t word_2 = s->job->slot_stride | FIELD(V_BASE, segment->v_base + s->offset + block);
  const uint32_t word_12 = length | s->place,
                 word_9 = mode == SCORES_TO_DRAM ? scores | FIELD(DST_STRIPE, s->job->qo.stripe) : s->word_9,
                 word_13 = s->word_13, word_14 = s->word_14;
  uint32_t slot, word_0;
  if (!ring_reserve(s->ring, end, &slot, &word_0)) return false;
  if (ring_slot_is_new(s->ring)) write_constant_words(s, slot);
  hal_write_word(hal, slot, 0, word_0 | flags);
  hal_write_word(hal, slot, 1, word_1);
  hal_write_word(hal, slot, 2, word_2);
  hal_write_word(hal, slot, 9, word_9);
  if (!MASK_IN_WORD_1) hal_write_word(hal, slot, 11, lanes);
  hal_write_word(hal, slot, 12, word_12);
  hal_write_word(hal, slot, 13, word_13);
  hal_write_word(hal, slot, 14, word_14);
  ring_commit(s->ring);
  return true;
}

// All segments, in pieces of at most `most` positions.
__attribute__((noinline)) static bool push_pass(const struct sequence *s, enum mode mode, uint32_t row_block,
                                                uint32_t most) {
  uint32_t scores = s->job->scores.base;
  for (uint32_t i = 0; i < s->count; i++) {
    const uint32_t length = segment_length(&s->segments[i]);
    for (uint32_t from = 0; from < length; from += most) {
      const uint32_t left = length - from, positions = left < most ? left : most;
      if (!push_piece(s, i, mode, row_block, from, positions, scores)) return false;
      scores += piece_row_sets(positions, s->lanes, s->spread);
    }
  }
  return true;
}

// Where the scores do not fit the slice, they go to DRAM, and come back for each row block of V.
static bool push_long(const struct sequence *s) {
  const uint32_t most = piece_positions(s->lanes, s->spread);
  if (!push_pass(s, SCORES_TO_DRAM, 0, most)) return false;
  for (uint32_t row_block = 0; row_block < s->tiles; row_block++)
    if (!push_pass(s, ROW_BLOCK_OF_V, row_block, most)) return false;
  return true;
}

static inline void begin_sequence(struct sequence *s, struct ring *ring, const struct attention_job *job,
                                  struct attention_sequence own, const struct attention_segment *segments,
                                  uint32_t i) {
  const uint32_t slots = kv_slots(job->heads, job->channels);
  s->ring = ring, s->job = job, s->segments = segments;
  s->count = own.segments, s->lanes = own.lanes,
  s->place = (uint32_t)own.place << DUPLEX_DESC_FIRST_CHANNEL_LSB;
  s->spread = own.place >> 5;
  s->offset = 0, s->heads = job->heads;
  s->q_base = job->qo.base + i * slots, s->o_base = s->q_base + job->sequences * slots;
  s->tiles = kv_tiles(job->head_size), s->last = i + 1 == job->sequences;
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
    s.heads = left < job->channels ? left : job->channels;
    s.last = last && left == s.heads;
    describe_sequence(&s);
    if (!(room ? push_long(&s) : push_pass(&s, WHOLE, 0, DUPLEX_POSITIONS_MAX))) return false;
    s.offset += job->slot_stride, s.q_base++, s.o_base++;
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
  return push_piece(&s, 0, WHOLE, 0, 0, segment_length(segments), 0);
}

void firmware_attention(const struct hal *hal, const struct attention_job *job, attention_next *next,
                        void *context, struct firmware_report *report) {
  struct ring ring;
  ring_start(&ring, hal, report);
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
