#include "firmware/kernels/ring.h"

enum mode { WHOLE, MAXIMUM_ONLY, ROW_BLOCK_OF_V };

// What differs from one descriptor of a job to the next (params/descriptor.fields).
static const uint8_t changing[] = {0, 1, 2, 9, 12, 13, 14};

// One sequence on its way into the ring, or the part of it that lies in one slot of the channels.
struct sequence {
  struct ring *ring;
  const struct attention_job *job;
  uint32_t *d;
  const struct attention_segment *segments;
  uint32_t count, lanes, first_channel;
  uint32_t offset, heads;  // row sets to the slot's K and V; heads of the part
  uint32_t q_base, o_base;
  bool last;  // of the job
};

static uint32_t positions_at_once(uint32_t lanes) { return (DUPLEX_SCORE_WORDS * DUPLEX_SCORES_OF_WORD) >> lanes; }

// A segment's scores begin with a new word, and a channel must know all segments before it can leave the first.
bool attention_fits(const struct attention_segment *segments, uint32_t count, uint32_t lanes) {
  const uint32_t of_word = DUPLEX_SCORES_OF_WORD >> lanes;
  uint32_t words = 0;
  if (count > DUPLEX_ATTENTION_QUEUE) return false;
  for (uint32_t i = 0; i < count; i++) words += (segment_length(&segments[i]) + of_word - 1) / of_word;
  return words <= DUPLEX_SCORE_WORDS;
}

static void describe_job(uint32_t d[DUPLEX_DESCRIPTOR_WORDS], const struct attention_job *job) {
  for (uint32_t word = 0; word < DUPLEX_DESCRIPTOR_WORDS; word++) d[word] = 0;
  d[15] = job->scale;
}

static void describe_sequence(const struct sequence *s) {
  uint32_t *d = s->d;
  d[9] = d[13] = d[14] = 0;
  DUPLEX_DESCRIPTOR_SET(d, DST_BASE, s->o_base);
  DUPLEX_DESCRIPTOR_SET(d, DST_STRIPE, s->job->o.stripe);
  DUPLEX_DESCRIPTOR_SET(d, HEAD_SIZE, s->job->head_size);
  DUPLEX_DESCRIPTOR_SET(d, HEADS, s->heads);
  DUPLEX_DESCRIPTOR_SET(d, LANES, s->lanes);
  DUPLEX_DESCRIPTOR_SET(d, V_BLOCK_STRIDE, s->job->v_block_stride);
  DUPLEX_DESCRIPTOR_SET(d, Q_BASE, s->q_base);
}

// Positions of a segment from block `block` of 64 on.
static bool push_piece(const struct sequence *s, uint32_t i, enum mode mode, uint32_t row_block, uint32_t block,
                       uint32_t length) {
  const struct attention_segment *segment = &s->segments[i];
  const bool first = i == 0 && block == 0;
  const bool last = i + 1 == s->count && block * DUPLEX_WIDTH + length == segment_length(segment);
  const uint32_t blocks_of_v = kv_tiles(s->job->head_size);
  const bool end = last && s->last && mode != MAXIMUM_ONLY && (mode == WHOLE || row_block + 1 == blocks_of_v);
  uint32_t *d = s->d;
  d[0] = d[1] = d[2] = d[12] = 0;
  DUPLEX_DESCRIPTOR_SET(d, OPCODE, 3);
  DUPLEX_DESCRIPTOR_SET(d, FIRST, first);
  DUPLEX_DESCRIPTOR_SET(d, LAST, last);
  DUPLEX_DESCRIPTOR_SET(d, MODE, mode);
  DUPLEX_DESCRIPTOR_SET(d, FENCE, end);
  DUPLEX_DESCRIPTOR_SET(d, SRC_BASE, segment->k_base + s->offset + block * blocks_of_v);
  DUPLEX_DESCRIPTOR_SET(d, SRC_STRIPE, s->job->kv_stripe);
  DUPLEX_DESCRIPTOR_SET(d, LANE_MASK, segment->length_and_lanes >> 24);
  DUPLEX_DESCRIPTOR_SET(d, ROW_BLOCK, row_block);
  DUPLEX_DESCRIPTOR_SET(d, SRC_STRIDE, s->job->slot_stride);
  DUPLEX_DESCRIPTOR_SET(d, V_BASE, segment->v_base + s->offset + block);
  DUPLEX_DESCRIPTOR_SET(d, LENGTH, length);
  DUPLEX_DESCRIPTOR_SET(d, FIRST_CHANNEL, s->first_channel);
  return ring_push_words(s->ring, d, changing, sizeof changing, end);
}

// All segments in pieces of at most `most` positions.
static bool push_pass(const struct sequence *s, enum mode mode, uint32_t row_block, uint32_t most) {
  for (uint32_t i = 0; i < s->count; i++) {
    const uint32_t length = segment_length(&s->segments[i]);
    for (uint32_t from = 0; from < length; from += most) {
      const uint32_t left = length - from;
      if (!push_piece(s, i, mode, row_block, from / DUPLEX_WIDTH, left < most ? left : most)) return false;
    }
  }
  return true;
}

// Where the scores do not fit, K is read once for the maximum and again for each row block of V.
static bool push_long(const struct sequence *s) {
  if (!push_pass(s, MAXIMUM_ONLY, 0, DUPLEX_POSITIONS_MAX)) return false;
  for (uint32_t row_block = 0; row_block < kv_tiles(s->job->head_size); row_block++)
    if (!push_pass(s, ROW_BLOCK_OF_V, row_block, positions_at_once(s->lanes))) return false;
  return true;
}

// A single segment that fits takes one descriptor for all its heads; otherwise the slots of the channels come one after another.
static bool push_sequence(struct sequence *s) {
  const struct attention_job *job = s->job;
  const bool fits = attention_fits(s->segments, s->count, s->lanes), last = s->last;
  const uint32_t most = fits && s->count == 1 ? job->heads : job->channels;
  s->offset = 0;
  for (uint32_t left = job->heads; left; left -= s->heads) {
    s->heads = left < most ? left : most;
    s->last = last && left == s->heads;
    describe_sequence(s);
    if (!(fits ? push_pass(s, WHOLE, 0, DUPLEX_POSITIONS_MAX) : push_long(s))) return false;
    s->offset += job->slot_stride, s->q_base++, s->o_base++;
  }
  return true;
}

void firmware_attention(const struct hal *hal, const struct attention_job *job, struct firmware_report *report) {
  struct ring ring;
  uint32_t d[DUPLEX_DESCRIPTOR_WORDS];
  const uint32_t slots = kv_slots(job->heads, job->channels);
  struct sequence s = {.ring = &ring, .job = job, .d = d, .segments = job->segment};
  ring_start(&ring, hal, report);
  describe_job(d, job);
  for (uint32_t i = 0; i < job->sequences; i++) {
    s.count = job->sequence[i].segments;
    s.lanes = job->sequence[i].lanes;
    s.first_channel = job->sequence[i].first_channel;
    s.q_base = job->q.base + i * slots;
    s.o_base = job->o.base + i * slots;
    s.last = i + 1 == job->sequences;
    if (!push_sequence(&s)) return;
    s.segments += s.count;
  }
  ring_finish(&ring);
}
