// What a channel keeps of an attention sequence from one descriptor to the next, and the geometry of its tensors
// (docs/architecture.md, "Layout of tensors").
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
  // MODE 0: segments whose context is made when the last one has come, and the score slice. Words are taken in turn and wrap.
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
  const uint32_t rows = attention_block_rows(d), left = DUPLEX_DESCRIPTOR_GET(d, HEAD_SIZE) - row_block * rows;
  return left < rows ? left : rows;
}

// KV heads of a descriptor that lie in this channel.
static inline uint32_t attention_slots(const uint32_t *d, unsigned channel, unsigned channels) {
  const uint32_t first = (channel + channels - DUPLEX_DESCRIPTOR_GET(d, FIRST_CHANNEL)) % channels,
                 heads = DUPLEX_DESCRIPTOR_GET(d, HEADS);
  return first < heads ? (heads - first - 1) / channels + 1 : 0;
}

#endif
