// SPDX-License-Identifier: Apache-2.0
// What rtl/control/descriptor_check.v checks, in the same order: the lowest error code wins.
#include "cmodel/control/descriptor_check.h"

#include <stdbool.h>

#include "cmodel/common/channel_share.h"
#include "duplex/descriptor.h"
#include "duplex/geometry.h"
#include "duplex/registers.h"

#define SHARED_UNITS (4u * DUPLEX_SHARED_WORDS)  // units of one buffer
#define SPREAD_MOST 5u

static void use(uint32_t *used, unsigned word, unsigned lsb, uint32_t mask) { used[word] |= mask << lsb; }
#define USE(field) use(used, DUPLEX_DESC_##field##_WORD, DUPLEX_DESC_##field##_LSB, DUPLEX_DESC_MASK(field))

// Adds the bits that a LOAD may have besides those of all jobs; use_gemm, use_attention likewise.
static void use_load(const uint32_t *d, uint32_t *used) {
  USE(CHAIN), USE(DESTINATION), USE(TILES);
  if (DUPLEX_DESCRIPTOR_GET(d, DESTINATION) == DUPLEX_DESTINATION_SHARED) USE(DST_ADDRESS);
}

// As use_load: which fields count depends on the destination, the groups and the streams.
static void use_gemm(const uint32_t *d, uint32_t *used) {
  const bool to_dram = DUPLEX_DESCRIPTOR_GET(d, DESTINATION) == DUPLEX_DESTINATION_DRAM;
  const bool to_shared = DUPLEX_DESCRIPTOR_GET(d, DESTINATION) == DUPLEX_DESTINATION_SHARED;
  USE(CHAIN), USE(DESTINATION), USE(SRC_STRIDE), USE(K_TILES), USE(GROUPS), USE(BLOCKS), USE(BLOCK_ROWS),
      USE(K_LAST);
  USE(ROWS), USE(CHANNEL_ROWS), USE(X_ADDRESS);
  if (!DUPLEX_DESCRIPTOR_GET(d, TWO_STREAMS)) USE(EXPONENTS), USE(SKIP_ROWS);
  if (DUPLEX_DESCRIPTOR_GET(d, GROUPS) == 2) USE(X_STRIDE), USE(TWO_STREAMS);
  if (DUPLEX_DESCRIPTOR_GET(d, GROUPS) == 2 && to_shared) USE(DST_GROUP);
  if (to_shared) USE(GATED), USE(INTERLEAVED), USE(DST_ADDRESS);
  if (to_dram) USE(FORMAT), USE(DST_BASE), USE(DST_STRIPE), USE(DST_STRIDE);
}

// As use_load: all modes have the same fields.
static void use_attention(uint32_t *used) {
  USE(FIRST), USE(LAST), USE(MODE), USE(FENCE), USE(LANE_MASK), USE(ROW_BLOCK), USE(SRC_STRIDE), USE(V_BASE),
      USE(DST_BASE);
  USE(DST_STRIPE), USE(LENGTH), USE(FIRST_CHANNEL), USE(HEAD_SIZE), USE(HEADS), USE(LANES), USE(WIDE),
      USE(V_BLOCK_STRIDE), USE(Q_BASE), USE(SCALE), USE(SPREAD);
}

// Bits that must be zero: those without a field, and the fields that this opcode and destination do not use.
static bool reserved_bits(const uint32_t *d) {
  uint32_t used[DUPLEX_DESCRIPTOR_WORDS] = {0};
  USE(OPCODE), USE(INTERRUPT), USE(TAG), USE(SRC_BASE), USE(SRC_STRIPE);
  if (DUPLEX_DESCRIPTOR_GET(d, OPCODE) == DUPLEX_OPCODE_LOAD) use_load(d, used);
  if (DUPLEX_DESCRIPTOR_GET(d, OPCODE) == DUPLEX_OPCODE_GEMM) use_gemm(d, used);
  if (DUPLEX_DESCRIPTOR_GET(d, OPCODE) == DUPLEX_OPCODE_ATTENTION) use_attention(used);
  for (unsigned word = 0; word < DUPLEX_DESCRIPTOR_WORDS; word++)
    if (d[word] & ~used[word]) return true;
  return false;
}

// Whether a stripe set is empty or has bundles that are the xPU's.
static bool foreign(uint32_t stripe, uint32_t owner) { return stripe == 0 || (stripe & ~owner) != 0; }

// Columns of 256 bytes that the results of one block take in a channel.
static uint32_t result_columns(const uint32_t *d) {
  const uint32_t rows = DUPLEX_DESCRIPTOR_GET(d, GROUPS) * DUPLEX_DESCRIPTOR_GET(d, BLOCK_ROWS);
  switch (DUPLEX_DESCRIPTOR_GET(d, FORMAT)) {
    case DUPLEX_RESULT_FORMAT_F16:
      return (rows + 15) / 16;
    case DUPLEX_RESULT_FORMAT_F32:
      return (rows + 7) / 8;
    default:
      return (rows + 1) / 2;
  }
}

// Whether a channel's part of the source ends behind the rows of its stripe set, or blocks overlap (GEMM).
static bool source_leaves(const uint32_t *d, bool load, unsigned channels) {
  if (load) {
    const uint32_t tiles = duplex_divide_up(DUPLEX_DESCRIPTOR_GET(d, TILES), channels);
    const uint32_t row_sets = duplex_divide_up(tiles, DUPLEX_ROW_SET_BYTES / DUPLEX_TILE_BYTES);
    return DUPLEX_DESCRIPTOR_GET(d, SRC_BASE) + row_sets >
           duplex_row_sets_of(DUPLEX_DESCRIPTOR_GET(d, SRC_STRIPE));
  }
  const uint32_t rows = DUPLEX_DESCRIPTOR_GET(d, BLOCK_ROWS) + DUPLEX_DESCRIPTOR_GET(d, SKIP_ROWS);
  const uint32_t beats = rows * DUPLEX_DESCRIPTOR_GET(d, K_TILES) + 2 * DUPLEX_DESCRIPTOR_GET(d, EXPONENTS);
  const uint32_t row_sets = DUPLEX_DESCRIPTOR_GET(d, TWO_STREAMS)
                                ? duplex_two_stream_row_sets(DUPLEX_DESCRIPTOR_GET(d, K_TILES))
                                : duplex_divide_up(beats, 2 * DUPLEX_COLUMNS);
  const uint64_t last_block =
      (uint64_t)((DUPLEX_DESCRIPTOR_GET(d, BLOCKS) - 1) & 0xffff) * DUPLEX_DESCRIPTOR_GET(d, SRC_STRIDE);
  return DUPLEX_DESCRIPTOR_GET(d, SRC_BASE) + last_block + row_sets >
             duplex_row_sets_of(DUPLEX_DESCRIPTOR_GET(d, SRC_STRIPE)) ||
         (DUPLEX_DESCRIPTOR_GET(d, BLOCKS) != 1 && DUPLEX_DESCRIPTOR_GET(d, SRC_STRIDE) < row_sets);
}

// The same for the results of a GEMM in DRAM.
static bool results_leave(const uint32_t *d) {
  const uint64_t last_block =
      (uint64_t)((DUPLEX_DESCRIPTOR_GET(d, BLOCKS) - 1) & 0xffff) * DUPLEX_DESCRIPTOR_GET(d, DST_STRIDE);
  const uint64_t end =
      (uint64_t)DUPLEX_DESCRIPTOR_GET(d, DST_BASE) * DUPLEX_COLUMNS + last_block + result_columns(d);
  return end > (uint64_t)duplex_row_sets_of(DUPLEX_DESCRIPTOR_GET(d, DST_STRIPE)) * DUPLEX_COLUMNS ||
         (DUPLEX_DESCRIPTOR_GET(d, BLOCKS) != 1 && DUPLEX_DESCRIPTOR_GET(d, DST_STRIDE) < result_columns(d));
}

// Whether the tiles of x end behind the shared buffer; with two groups they come behind each other or in
// turn.
static bool x_leaves(const uint32_t *d) {
  const uint32_t words = DUPLEX_DESCRIPTOR_GET(d, K_TILES) * DUPLEX_TILE_WORDS;
  const uint32_t stride = DUPLEX_DESCRIPTOR_GET(d, X_STRIDE);
  const uint32_t both = stride == DUPLEX_TILE_WORDS ? 2 * words : stride + words;
  const uint32_t all = DUPLEX_DESCRIPTOR_GET(d, GROUPS) == 1 ? words : both;
  return DUPLEX_DESCRIPTOR_GET(d, X_ADDRESS) % DUPLEX_SHARED_WORDS + all > DUPLEX_SHARED_WORDS;
}

// Whether what a job brings to a shared buffer ends behind it.
static bool destination_leaves(const uint32_t *d, bool load) {
  const uint32_t rows = DUPLEX_DESCRIPTOR_GET(d, ROWS) / (DUPLEX_DESCRIPTOR_GET(d, GATED) ? 2 : 1);
  const uint32_t units = load ? DUPLEX_DESCRIPTOR_GET(d, TILES) * 4 * DUPLEX_TILE_WORDS : rows;
  const uint32_t group = DUPLEX_DESCRIPTOR_GET(d, GROUPS) == 2 ? DUPLEX_DESCRIPTOR_GET(d, DST_GROUP) : 0;
  return DUPLEX_DESCRIPTOR_GET(d, DST_ADDRESS) % SHARED_UNITS + group + units > SHARED_UNITS;
}

// The error code of a LOAD: the lowest that applies first. Sets `address` where the code has one
// (docs/registers.md).
static uint32_t check_load(const uint32_t *d, unsigned channels, uint32_t owner, uint32_t *address) {
  const bool to_shared = DUPLEX_DESCRIPTOR_GET(d, DESTINATION) == DUPLEX_DESTINATION_SHARED;
  if (!to_shared && DUPLEX_DESCRIPTOR_GET(d, DESTINATION) != DUPLEX_DESTINATION_TABLE)
    return DUPLEX_STACK_ERROR_FORMAT;
  if (foreign(DUPLEX_DESCRIPTOR_GET(d, SRC_STRIPE), owner)) {
    *address = DUPLEX_DESCRIPTOR_GET(d, SRC_STRIPE);
    return DUPLEX_STACK_ERROR_STRIPE;
  }
  if (source_leaves(d, true, channels)) {
    *address = duplex_row_sets_of(DUPLEX_DESCRIPTOR_GET(d, SRC_STRIPE));
    return DUPLEX_STACK_ERROR_SOURCE_RANGE;
  }
  if (to_shared && (DUPLEX_DESCRIPTOR_GET(d, DST_ADDRESS) % 4 || destination_leaves(d, true))) {
    *address = DUPLEX_DESCRIPTOR_GET(d, DST_ADDRESS) >> 2;
    return DUPLEX_STACK_ERROR_SHARED_RANGE;
  }
  return DUPLEX_DESCRIPTOR_GET(d, TILES) < 1 || DUPLEX_DESCRIPTOR_GET(d, TILES) > 1024
             ? DUPLEX_STACK_ERROR_TILES
             : DUPLEX_STACK_ERROR_NONE;
}

// Rows come in pairs: in words of results that are told apart, or in columns behind which others are passed
// over.
static bool in_pairs(const uint32_t *d) {
  return DUPLEX_DESCRIPTOR_GET(d, GATED) || DUPLEX_DESCRIPTOR_GET(d, INTERLEAVED) ||
         DUPLEX_DESCRIPTOR_GET(d, SKIP_ROWS);
}

// Blocks, rows of a block, groups: out of range, odd where rows come in pairs, or too few for the channel's
// rows.
static bool blocks_wrong(const uint32_t *d) {
  const bool range =
      DUPLEX_DESCRIPTOR_GET(d, BLOCKS) == 0 || DUPLEX_DESCRIPTOR_GET(d, BLOCK_ROWS) == 0 ||
      DUPLEX_DESCRIPTOR_GET(d, BLOCK_ROWS) + DUPLEX_DESCRIPTOR_GET(d, SKIP_ROWS) > DUPLEX_ROWS ||
      DUPLEX_DESCRIPTOR_GET(d, CHANNEL_ROWS) == 0;
  const bool odd = (DUPLEX_DESCRIPTOR_GET(d, SKIP_ROWS) & 1) ||
                   (in_pairs(d) && ((DUPLEX_DESCRIPTOR_GET(d, BLOCK_ROWS) & 1) ||
                                    (DUPLEX_DESCRIPTOR_GET(d, CHANNEL_ROWS) & 1)));
  const bool groups = DUPLEX_DESCRIPTOR_GET(d, GROUPS) < 1 || DUPLEX_DESCRIPTOR_GET(d, GROUPS) > 2 ||
                      DUPLEX_DESCRIPTOR_GET(d, GROUPS) * DUPLEX_DESCRIPTOR_GET(d, BLOCK_ROWS) > DUPLEX_ROWS;
  return range || odd || groups ||
         DUPLEX_DESCRIPTOR_GET(d, BLOCK_ROWS) * DUPLEX_DESCRIPTOR_GET(d, BLOCKS) <
             DUPLEX_DESCRIPTOR_GET(d, CHANNEL_ROWS);
}

// Rows of the whole matrix: none, odd where they come in pairs, more than all channels have, or of
// interleaved results fewer.
static bool rows_wrong(const uint32_t *d, unsigned channels) {
  const uint64_t most = (uint64_t)channels * DUPLEX_DESCRIPTOR_GET(d, CHANNEL_ROWS);
  return DUPLEX_DESCRIPTOR_GET(d, ROWS) == 0 || (in_pairs(d) && (DUPLEX_DESCRIPTOR_GET(d, ROWS) & 1)) ||
         DUPLEX_DESCRIPTOR_GET(d, ROWS) > most ||
         (DUPLEX_DESCRIPTOR_GET(d, INTERLEAVED) && DUPLEX_DESCRIPTOR_GET(d, ROWS) < most);
}

// As check_load.
static uint32_t check_gemm(const uint32_t *d, unsigned channels, uint32_t owner, uint32_t *address) {
  const bool to_dram = DUPLEX_DESCRIPTOR_GET(d, DESTINATION) == DUPLEX_DESTINATION_DRAM;
  if (DUPLEX_DESCRIPTOR_GET(d, K_TILES) < 1 || DUPLEX_DESCRIPTOR_GET(d, K_TILES) > DUPLEX_K_TILES_MAX)
    return DUPLEX_STACK_ERROR_K_TILES;
  if (blocks_wrong(d)) return DUPLEX_STACK_ERROR_BLOCKS;
  if (rows_wrong(d, channels)) return DUPLEX_STACK_ERROR_ROWS;
  if (DUPLEX_DESCRIPTOR_GET(d, DESTINATION) > DUPLEX_DESTINATION_SHARED ||
      (to_dram && DUPLEX_DESCRIPTOR_GET(d, FORMAT) > DUPLEX_RESULT_FORMAT_ACC))
    return DUPLEX_STACK_ERROR_FORMAT;
  const bool src_foreign = foreign(DUPLEX_DESCRIPTOR_GET(d, SRC_STRIPE), owner);
  if (src_foreign || (to_dram && foreign(DUPLEX_DESCRIPTOR_GET(d, DST_STRIPE), owner))) {
    *address = src_foreign ? DUPLEX_DESCRIPTOR_GET(d, SRC_STRIPE) : DUPLEX_DESCRIPTOR_GET(d, DST_STRIPE);
    return DUPLEX_STACK_ERROR_STRIPE;
  }
  if (source_leaves(d, false, channels)) {
    *address = duplex_row_sets_of(DUPLEX_DESCRIPTOR_GET(d, SRC_STRIPE));
    return DUPLEX_STACK_ERROR_SOURCE_RANGE;
  }
  if (to_dram && results_leave(d)) {
    *address = duplex_row_sets_of(DUPLEX_DESCRIPTOR_GET(d, DST_STRIPE));
    return DUPLEX_STACK_ERROR_RESULT_RANGE;
  }
  if (x_leaves(d) || (!to_dram && destination_leaves(d, false))) {
    *address = x_leaves(d) ? DUPLEX_DESCRIPTOR_GET(d, X_ADDRESS) : DUPLEX_DESCRIPTOR_GET(d, DST_ADDRESS) >> 2;
    return DUPLEX_STACK_ERROR_SHARED_RANGE;
  }
  return DUPLEX_STACK_ERROR_NONE;
}

// Positions of a segment: none, or more than the slices of the channels hold, which share a head.
static bool length_wrong(const uint32_t *d) {
  const uint32_t positions = (DUPLEX_SCORE_WORDS * DUPLEX_SCORES_OF_WORD) >>
                             DUPLEX_DESCRIPTOR_GET(d, LANES) << DUPLEX_DESCRIPTOR_GET(d, SPREAD);
  return DUPLEX_DESCRIPTOR_GET(d, LENGTH) == 0 || DUPLEX_DESCRIPTOR_GET(d, LENGTH) > DUPLEX_POSITIONS_MAX ||
         DUPLEX_DESCRIPTOR_GET(d, LENGTH) > positions;
}

// Heads: none, too many, spread over more channels than there are, or more than one for a channel where only
// one is possible; a first channel that is not there.
static bool heads_wrong(const uint32_t *d, unsigned channels) {
  const bool alone = DUPLEX_DESCRIPTOR_GET(d, MODE) == DUPLEX_MODE_WHOLE && DUPLEX_DESCRIPTOR_GET(d, FIRST) &&
                     DUPLEX_DESCRIPTOR_GET(d, LAST);
  const bool spread = DUPLEX_DESCRIPTOR_GET(d, SPREAD) > SPREAD_MOST ||
                      (DUPLEX_DESCRIPTOR_GET(d, SPREAD) &&
                       DUPLEX_DESCRIPTOR_GET(d, HEADS) << DUPLEX_DESCRIPTOR_GET(d, SPREAD) > channels);
  return spread || DUPLEX_DESCRIPTOR_GET(d, HEADS) == 0 ||
         DUPLEX_DESCRIPTOR_GET(d, HEADS) > DUPLEX_KV_HEADS_MAX ||
         (DUPLEX_DESCRIPTOR_GET(d, HEADS) > channels && !alone) ||
         DUPLEX_DESCRIPTOR_GET(d, FIRST_CHANNEL) >= channels;
}

// Mode, row block, lanes: out of range, or a lane named that is not there.
static bool mode_wrong(const uint32_t *d) {
  const bool row_block = DUPLEX_DESCRIPTOR_GET(d, MODE) == DUPLEX_MODE_ROW_BLOCK
                             ? DUPLEX_DESCRIPTOR_GET(d, ROW_BLOCK) >= attention_k_tiles(d)
                             : DUPLEX_DESCRIPTOR_GET(d, ROW_BLOCK) != 0;
  return DUPLEX_DESCRIPTOR_GET(d, MODE) > DUPLEX_MODE_ROW_BLOCK || row_block ||
         DUPLEX_DESCRIPTOR_GET(d, LANE_MASK) == 0 ||
         DUPLEX_DESCRIPTOR_GET(d, LANE_MASK) >> (1u << DUPLEX_DESCRIPTOR_GET(d, LANES)) != 0 ||
         DUPLEX_DESCRIPTOR_GET(d, LANES) > DUPLEX_LANE_BITS ||
         (DUPLEX_DESCRIPTOR_GET(d, WIDE) && DUPLEX_DESCRIPTOR_GET(d, LANES) == DUPLEX_LANE_BITS);
}

// Blocks of 64 positions of a head's first channel.
static uint32_t position_blocks(const uint32_t *d) {
  return ((DUPLEX_DESCRIPTOR_GET(d, LENGTH) - 1) >> (DUPLEX_WIDTH_BITS + DUPLEX_DESCRIPTOR_GET(d, SPREAD))) +
         1;
}

// Whether K or V of the segment ends behind the rows of its stripe set in any channel.
static bool segment_leaves(const uint32_t *d, unsigned channels) {
  const uint32_t blocks = position_blocks(d);
  const uint32_t last_slot =
      ((DUPLEX_DESCRIPTOR_GET(d, HEADS) - 1) / channels) * DUPLEX_DESCRIPTOR_GET(d, SRC_STRIDE);
  const uint32_t k_end = DUPLEX_DESCRIPTOR_GET(d, SRC_BASE) + last_slot + blocks * attention_k_tiles(d);
  const uint32_t v_end = DUPLEX_DESCRIPTOR_GET(d, V_BASE) + last_slot +
                         (attention_k_tiles(d) - 1) * DUPLEX_DESCRIPTOR_GET(d, V_BLOCK_STRIDE) + blocks;
  return (DUPLEX_DESCRIPTOR_GET(d, MODE) != DUPLEX_MODE_ROW_BLOCK &&
          k_end > duplex_row_sets_of(DUPLEX_DESCRIPTOR_GET(d, SRC_STRIPE))) ||
         v_end > duplex_row_sets_of(DUPLEX_DESCRIPTOR_GET(d, SRC_STRIPE));
}

// Whether scores that go to DRAM, or come from there, leave the rows of their stripe set.
static bool scores_leave(const uint32_t *d) {
  const uint32_t first = DUPLEX_DESCRIPTOR_GET(d, MODE) == DUPLEX_MODE_SCORES
                             ? DUPLEX_DESCRIPTOR_GET(d, DST_BASE)
                             : DUPLEX_DESCRIPTOR_GET(d, SRC_BASE);
  return DUPLEX_DESCRIPTOR_GET(d, MODE) != DUPLEX_MODE_WHOLE &&
         first + duplex_score_row_sets(position_blocks(d), DUPLEX_DESCRIPTOR_GET(d, LANES)) >
             duplex_row_sets_of(DUPLEX_DESCRIPTOR_GET(d, DST_STRIPE));
}

// As check_load.
static uint32_t check_attention(const uint32_t *d, unsigned channels, uint32_t owner, uint32_t *address) {
  if (DUPLEX_DESCRIPTOR_GET(d, HEAD_SIZE) == 0 ||
      DUPLEX_DESCRIPTOR_GET(d, HEAD_SIZE) > DUPLEX_HEAD_SIZE_MAX || DUPLEX_DESCRIPTOR_GET(d, HEAD_SIZE) % 16)
    return DUPLEX_STACK_ERROR_K_TILES;
  if (length_wrong(d)) return DUPLEX_STACK_ERROR_BLOCKS;
  if (heads_wrong(d, channels)) return DUPLEX_STACK_ERROR_ROWS;
  if (mode_wrong(d)) return DUPLEX_STACK_ERROR_FORMAT;
  const bool src_foreign = foreign(DUPLEX_DESCRIPTOR_GET(d, SRC_STRIPE), owner);
  if (src_foreign || foreign(DUPLEX_DESCRIPTOR_GET(d, DST_STRIPE), owner)) {
    *address = src_foreign ? DUPLEX_DESCRIPTOR_GET(d, SRC_STRIPE) : DUPLEX_DESCRIPTOR_GET(d, DST_STRIPE);
    return DUPLEX_STACK_ERROR_STRIPE;
  }
  if (segment_leaves(d, channels)) {
    *address = duplex_row_sets_of(DUPLEX_DESCRIPTOR_GET(d, SRC_STRIPE));
    return DUPLEX_STACK_ERROR_SOURCE_RANGE;
  }
  const uint32_t slots = (DUPLEX_DESCRIPTOR_GET(d, HEADS) - 1) / channels + 1;
  const uint32_t later = DUPLEX_DESCRIPTOR_GET(d, Q_BASE) > DUPLEX_DESCRIPTOR_GET(d, DST_BASE)
                             ? DUPLEX_DESCRIPTOR_GET(d, Q_BASE)
                             : DUPLEX_DESCRIPTOR_GET(d, DST_BASE);
  if (later + slots > duplex_row_sets_of(DUPLEX_DESCRIPTOR_GET(d, DST_STRIPE)) || scores_leave(d)) {
    *address = duplex_row_sets_of(DUPLEX_DESCRIPTOR_GET(d, DST_STRIPE));
    return DUPLEX_STACK_ERROR_RESULT_RANGE;
  }
  return DUPLEX_STACK_ERROR_NONE;
}

uint32_t descriptor_check(const uint32_t *d, unsigned channels, uint32_t owner, uint32_t *address) {
  *address = 0;
  if (DUPLEX_DESCRIPTOR_GET(d, OPCODE) < DUPLEX_OPCODE_LOAD ||
      DUPLEX_DESCRIPTOR_GET(d, OPCODE) > DUPLEX_OPCODE_ATTENTION)
    return DUPLEX_STACK_ERROR_OPCODE;
  if (reserved_bits(d)) return DUPLEX_STACK_ERROR_RESERVED;
  if (DUPLEX_DESCRIPTOR_GET(d, OPCODE) == DUPLEX_OPCODE_LOAD) return check_load(d, channels, owner, address);
  return DUPLEX_DESCRIPTOR_GET(d, OPCODE) == DUPLEX_OPCODE_GEMM
             ? check_gemm(d, channels, owner, address)
             : check_attention(d, channels, owner, address);
}
