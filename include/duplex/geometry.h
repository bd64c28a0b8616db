// SPDX-License-Identifier: Apache-2.0
// Where tensors lie in a channel's DRAM (docs/architecture.md, "Layout of tensors"): the one source of this
// arithmetic for C model, firmware and driver. Freestanding.
#ifndef DUPLEX_GEOMETRY_H
#define DUPLEX_GEOMETRY_H

#include <stdint.h>

#include "duplex/arithmetic.h"
#include "duplex/params.h"

// Bundles of a stripe set, and its row sets if the whole of it is used.
static inline uint32_t duplex_bundles_of(uint32_t stripe) { return (uint32_t)__builtin_popcount(stripe); }
static inline uint32_t duplex_row_sets_of(uint32_t stripe) {
  return duplex_bundles_of(stripe) * DUPLEX_BANK_ROWS;
}

// The address of a byte in a bundle's row, and back.
static inline uint64_t duplex_address(uint32_t bundle, uint32_t row, uint32_t byte) {
  return (uint64_t)bundle << DUPLEX_BUNDLE_LSB | (uint64_t)row << DUPLEX_ROW_LSB | byte;
}
static inline uint32_t duplex_bundle_at(uint64_t address) { return (uint32_t)(address >> DUPLEX_BUNDLE_LSB); }
static inline uint32_t duplex_row_at(uint64_t address) {
  return (uint32_t)(address >> DUPLEX_ROW_LSB) & (DUPLEX_BANK_ROWS - 1);
}

// The address of a logical row set of a stripe set: row sets go round its bundles.
static inline uint64_t duplex_row_set_address(uint32_t row_set, uint32_t stripe) {
  const uint32_t bundles = duplex_bundles_of(stripe);
  uint32_t place = row_set % bundles;
  uint32_t bundle = 0;
  while (!(stripe >> bundle & 1) || place--) bundle++;
  return duplex_address(bundle, row_set / bundles, 0);
}

// Two streams of weights: a row set for each two k-tiles of each.
static inline uint32_t duplex_two_stream_row_sets(uint32_t k_tiles) {
  return 2 * duplex_divide_up(k_tiles, 2);
}

// Rows of a block of an interleaved matrix with so many rows of a channel, an even number: as few blocks as
// leave room for the sums of two groups of tokens, all as long but for the last one. A share has whole blocks
// and the first rows of one more, of which fewer than a tile's words take as long as these. So blocks are a
// little longer than equal ones where four fifths, a lone expert's share of few tokens, would wait less.
static inline uint32_t duplex_interleaved_block_rows(uint32_t channel_rows) {
  const uint32_t most = DUPLEX_ROWS / DUPLEX_TOKEN_GROUPS;
  const uint32_t whole = duplex_divide_up(channel_rows, most) - 1;  // blocks but the last one
  const uint32_t share = channel_rows * 4 / 5;
  uint32_t best = duplex_divide_up(channel_rows / 2, whole + 1) * 2;
  uint32_t least = DUPLEX_TILE_WORDS;
  for (uint32_t rows = best; rows <= most; rows += 2) {
    const uint32_t left = share % rows;
    const uint32_t wait = left && left < DUPLEX_TILE_WORDS ? DUPLEX_TILE_WORDS - left : 0;
    if (wait >= least || (rows > best && whole * rows + DUPLEX_TILE_WORDS > channel_rows)) continue;
    least = wait;
    best = rows;
  }
  return best;
}

// K and V: tiles of a row of K, which is also the number of row blocks of V; rows of every row block but the
// last; KV heads of a sequence in one channel.
static inline uint32_t duplex_kv_tiles(uint32_t head_size) {
  return duplex_divide_up(head_size, DUPLEX_WIDTH);
}
static inline uint32_t duplex_kv_block_rows(uint32_t head_size) {
  return duplex_divide_up(head_size / 16, duplex_kv_tiles(head_size)) * 16;
}
static inline uint32_t duplex_kv_slots(uint32_t heads, uint32_t channels) {
  return duplex_divide_up(heads, channels);
}

// Positions in one of the 2^spread channels that share a KV head. They have its blocks of positions in turn,
// so that the first, member 0, has most.
static inline uint32_t duplex_kv_positions(uint32_t positions, uint32_t spread, uint32_t member) {
  const uint32_t blocks = positions / DUPLEX_WIDTH;
  const uint32_t members = 1u << spread;
  const uint32_t whole = blocks >> spread;
  const uint32_t next = blocks % members;
  if (member == next) return whole * DUPLEX_WIDTH + positions % DUPLEX_WIDTH;
  return (whole + (member < next)) * DUPLEX_WIDTH;
}

// Row sets of the scores of so many blocks of positions, 2^lanes scores of each position.
static inline uint32_t duplex_score_row_sets(uint32_t blocks, uint32_t lanes) {
  return duplex_divide_up(blocks << lanes, DUPLEX_SCORE_BLOCKS);
}

#endif
