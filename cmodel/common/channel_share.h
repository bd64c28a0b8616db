// SPDX-License-Identifier: Apache-2.0
// What a descriptor asks of one channel, read from its words: rows or tiles, heads of attention and their
// positions. Used by what computes and by what keeps time.
#ifndef DUPLEX_CMODEL_CHANNEL_SHARE_H
#define DUPLEX_CMODEL_CHANNEL_SHARE_H

#include <stdbool.h>

#include "duplex/descriptor.h"
#include "duplex/geometry.h"

// 64-wide tiles of a row of K; V has as many row blocks.
static inline uint32_t attention_k_tiles(const uint32_t *d) {
  return duplex_kv_tiles(DUPLEX_DESCRIPTOR_GET(d, HEAD_SIZE));
}

// Rows of a row block of V.
static inline uint32_t attention_rows_of(const uint32_t *d, uint32_t row_block) {
  const uint32_t rows = duplex_kv_block_rows(DUPLEX_DESCRIPTOR_GET(d, HEAD_SIZE));
  return duplex_smaller(DUPLEX_DESCRIPTOR_GET(d, HEAD_SIZE) - row_block * rows, rows);
}

// Row blocks of V, from ROW_BLOCK on, whose context is made with a descriptor.
static inline uint32_t attention_row_blocks(const uint32_t *d) {
  const uint32_t mode = DUPLEX_DESCRIPTOR_GET(d, MODE);
  if (mode == DUPLEX_MODE_ROW_BLOCK) return 1;
  return mode == DUPLEX_MODE_WHOLE && DUPLEX_DESCRIPTOR_GET(d, LAST) ? attention_k_tiles(d) : 0;
}

// What a descriptor asks of one channel. `length` and `lane_mask` are the channel's own: with SPREAD the
// blocks of 64 positions go round the members of a head. A member without a position has one that belongs to
// no lane.
struct attention_share {
  uint32_t slots;   // KV heads in this channel; if 0 the rest has no meaning
  uint32_t member;  // of its head's 2^SPREAD channels
  uint32_t length, lane_mask;
};

// What an attention job gives to a channel: the heads it works at, its member number of them, its own length
// and lanes. A channel that has no position of its own gets length 1 and no lane; one without a head 0 slots.
static inline struct attention_share attention_share_of(const uint32_t *d, unsigned channel,
                                                        unsigned channels) {
  const uint32_t spread = DUPLEX_DESCRIPTOR_GET(d, SPREAD);
  const uint32_t members = 1u << spread;
  const uint32_t place = (channel + channels - DUPLEX_DESCRIPTOR_GET(d, FIRST_CHANNEL)) % channels;
  const uint32_t head = place >> spread;
  const uint32_t member = place % members;
  const uint32_t heads = DUPLEX_DESCRIPTOR_GET(d, HEADS);
  const uint32_t length = DUPLEX_DESCRIPTOR_GET(d, LENGTH);
  const uint32_t last_block = (length - 1) / DUPLEX_WIDTH;
  struct attention_share share = {
      .slots = head < heads ? (heads - head - 1) / channels + 1 : 0, .member = member, .length = 1};
  if (member > last_block) return share;
  const uint32_t blocks = (last_block - member) / members + 1;
  const uint32_t missing = member == last_block % members ? (last_block + 1) * DUPLEX_WIDTH - length : 0;
  share.length = blocks * DUPLEX_WIDTH - missing;
  share.lane_mask = DUPLEX_DESCRIPTOR_GET(d, LANE_MASK);
  return share;
}

// LOAD, GEMM: the tiles or rows of a channel, and the shared-buffer address of its first result.
static inline uint32_t channel_share_of(const uint32_t *d, unsigned channel, unsigned channels,
                                        uint32_t *address) {
  const uint32_t start = DUPLEX_DESCRIPTOR_GET(d, DST_ADDRESS);
  const uint32_t tiles = DUPLEX_DESCRIPTOR_GET(d, TILES);
  if (DUPLEX_DESCRIPTOR_GET(d, OPCODE) == DUPLEX_OPCODE_LOAD) {
    *address = start + channel * (DUPLEX_TILE_BYTES / DUPLEX_UNIT_BYTES);
    return tiles / channels + (channel < tiles % channels);
  }
  const uint32_t rows = DUPLEX_DESCRIPTOR_GET(d, ROWS);
  const uint32_t most = DUPLEX_DESCRIPTOR_GET(d, CHANNEL_ROWS);
  const uint64_t first = (uint64_t)channel * most;
  const uint32_t rows_of_unit = DUPLEX_DESCRIPTOR_GET(d, GATED) ? 2 : 1;
  *address = start + (uint32_t)(first / rows_of_unit);
  if (DUPLEX_DESCRIPTOR_GET(d, INTERLEAVED)) *address = start + channel * 2 / rows_of_unit;  // a word has two
  return duplex_smaller(first < rows ? (uint32_t)(rows - first) : 0, most);
}

#endif
