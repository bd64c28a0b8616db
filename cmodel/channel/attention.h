// What a channel keeps of an attention sequence from one descriptor to the next, and the geometry of its
// tensors (docs/architecture.md, "Layout of tensors").
#ifndef DUPLEX_CMODEL_ATTENTION_H
#define DUPLEX_CMODEL_ATTENTION_H

#include "duplex/descriptor.h"
#include "duplex/numerics.h"
#include "duplex/params.h"

#define ATTENTION_SCORES (DUPLEX_SCORE_WORDS * DUPLEX_SCORES_OF_WORD)

struct channel_attention {
  duplex_f32 maximum[DUPLEX_LANES];
  uint64_t l[DUPLEX_LANES];
  struct duplex_sum sums[DUPLEX_ROWS * DUPLEX_LANES];  // of one row block of V
  // MODE 0: segments whose context is made when the last one has come, and the score slice. Words are taken
  // in turn and wrap.
  struct kept_segment {
    uint32_t descriptor[DUPLEX_DESCRIPTOR_WORDS];
    uint32_t word;  // first word of its scores
  } * segments;
  uint32_t count, room, next_word;
  duplex_f32 scores[ATTENTION_SCORES];
};

// 64-wide tiles of a row of K; V has as many row blocks.
static inline uint32_t attention_k_tiles(const uint32_t *d) {
  return (DUPLEX_DESCRIPTOR_GET(d, HEAD_SIZE) + DUPLEX_WIDTH - 1) / DUPLEX_WIDTH;
}

// Rows of every row block of V but the last.
static inline uint32_t attention_block_rows(const uint32_t *d) {
  const uint32_t blocks = attention_k_tiles(d), sixteens = DUPLEX_DESCRIPTOR_GET(d, HEAD_SIZE) / 16;
  return (sixteens + blocks - 1) / blocks * 16;
}

static inline uint32_t attention_rows_of(const uint32_t *d, uint32_t row_block) {
  const uint32_t rows = attention_block_rows(d),
                 left = DUPLEX_DESCRIPTOR_GET(d, HEAD_SIZE) - row_block * rows;
  return left < rows ? left : rows;
}

// Row sets that the scores of so many blocks of 64 positions take.
static inline uint32_t attention_score_row_sets(uint32_t blocks, uint32_t lanes) {
  const uint32_t of_row_set = DUPLEX_COLUMNS * DUPLEX_COLUMN_BYTES / (DUPLEX_WIDTH * sizeof(uint32_t));
  return ((blocks << lanes) + of_row_set - 1) / of_row_set;
}

// Row blocks of V, from ROW_BLOCK on, whose context is made with a descriptor.
static inline uint32_t attention_row_blocks(const uint32_t *d) {
  const uint32_t mode = DUPLEX_DESCRIPTOR_GET(d, MODE);
  return mode == DUPLEX_MODE_ROW_BLOCK                                 ? 1
         : mode == DUPLEX_MODE_WHOLE && DUPLEX_DESCRIPTOR_GET(d, LAST) ? attention_k_tiles(d)
                                                                       : 0;
}

// What a descriptor asks of one channel. `length` and `lane_mask` are the channel's own: with SPREAD the
// blocks of 64 positions go round the members of a head. A member without a position has one that belongs to
// no lane.
struct attention_share {
  uint32_t slots;   // KV heads in this channel; if 0 the rest has no meaning
  uint32_t member;  // of its head's 2^SPREAD channels
  uint32_t length, lane_mask;
};

static inline struct attention_share attention_share_of(const uint32_t *d, unsigned channel,
                                                        unsigned channels) {
  const uint32_t spread = DUPLEX_DESCRIPTOR_GET(d, SPREAD), members = 1u << spread;
  const uint32_t place = (channel + channels - DUPLEX_DESCRIPTOR_GET(d, FIRST_CHANNEL)) % channels;
  const uint32_t head = place >> spread, member = place % members, heads = DUPLEX_DESCRIPTOR_GET(d, HEADS);
  const uint32_t length = DUPLEX_DESCRIPTOR_GET(d, LENGTH), last_block = (length - 1) / DUPLEX_WIDTH;
  struct attention_share share = {
      .slots = head < heads ? (heads - head - 1) / channels + 1 : 0, .member = member, .length = 1};
  if (member > last_block) return share;
  const uint32_t blocks = (last_block - member) / members + 1;
  const uint32_t missing = member == last_block % members ? (last_block + 1) * DUPLEX_WIDTH - length : 0;
  share.length = blocks * DUPLEX_WIDTH - missing;
  share.lane_mask = DUPLEX_DESCRIPTOR_GET(d, LANE_MASK);
  return share;
}

#endif
