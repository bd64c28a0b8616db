// What rtl/control/descriptor_check.v checks, in the same order: the lowest error code wins.
#include <string.h>

#include "cmodel/channel/attention.h"
#include "cmodel/stack/stack.h"

#define SHARED_UNITS (4u * DUPLEX_SHARED_WORDS)  // units of one buffer
#define SPREAD_MOST 5u
#define GET(field) DUPLEX_DESCRIPTOR_GET(d, field)

static void use(uint32_t *used, unsigned word, unsigned lsb, uint32_t mask) { used[word] |= mask << lsb; }
#define USE(field) use(used, DUPLEX_DESC_##field##_WORD, DUPLEX_DESC_##field##_LSB, DUPLEX_DESC_MASK(field))

static void use_load(const uint32_t *d, uint32_t *used) {
  USE(CHAIN), USE(DESTINATION), USE(TILES);
  if (GET(DESTINATION) == 1) USE(DST_ADDRESS);
}

static void use_gemm(const uint32_t *d, uint32_t *used) {
  const bool to_dram = GET(DESTINATION) == 0, to_shared = GET(DESTINATION) == 1;
  USE(CHAIN), USE(DESTINATION), USE(SRC_STRIDE), USE(K_TILES), USE(GROUPS), USE(BLOCKS), USE(BLOCK_ROWS),
      USE(K_LAST);
  USE(ROWS), USE(CHANNEL_ROWS), USE(X_ADDRESS);
  if (!GET(TWO_STREAMS)) USE(EXPONENTS);
  if (GET(GROUPS) == 2) USE(X_STRIDE), USE(TWO_STREAMS);
  if (GET(GROUPS) == 2 && to_shared) USE(DST_GROUP);
  if (to_shared) USE(GATED), USE(DST_ADDRESS);
  if (to_dram) USE(FORMAT), USE(DST_BASE), USE(DST_STRIPE), USE(DST_STRIDE);
}

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
  if (GET(OPCODE) == 1) use_load(d, used);
  if (GET(OPCODE) == 2) use_gemm(d, used);
  if (GET(OPCODE) == 3) use_attention(used);
  for (unsigned word = 0; word < DUPLEX_DESCRIPTOR_WORDS; word++)
    if (d[word] & ~used[word]) return true;
  return false;
}

static bool foreign(uint32_t stripe, uint32_t owner) { return stripe == 0 || (stripe & ~owner) != 0; }

static uint32_t row_sets_of(uint32_t stripe) {
  return (uint32_t)__builtin_popcount(stripe) * DUPLEX_BANK_ROWS;
}

static uint32_t result_columns(const uint32_t *d) {
  const uint32_t rows = GET(GROUPS) * GET(BLOCK_ROWS);
  switch (GET(FORMAT)) {
    case 0:
      return (rows + 15) / 16;
    case 1:
      return (rows + 7) / 8;
    default:
      return (rows + 1) / 2;
  }
}

static bool source_leaves(const uint32_t *d, bool load, unsigned channels) {
  if (load) {
    const uint32_t tiles = (GET(TILES) + channels - 1) / channels,
                   of_set = DUPLEX_ROW_SET_BYTES / DUPLEX_TILE_BYTES,
                   row_sets = (tiles + of_set - 1) / of_set;
    return GET(SRC_BASE) + row_sets > row_sets_of(GET(SRC_STRIPE));
  }
  const uint32_t beats = GET(BLOCK_ROWS) * GET(K_TILES) + GET(EXPONENTS);
  const uint32_t row_sets = GET(TWO_STREAMS) ? stack_two_stream_row_sets(GET(K_TILES))
                                             : (beats + 2 * DUPLEX_COLUMNS - 1) / (2 * DUPLEX_COLUMNS);
  const uint64_t last_block = (uint64_t)((GET(BLOCKS) - 1) & 0xffff) * GET(SRC_STRIDE);
  return GET(SRC_BASE) + last_block + row_sets > row_sets_of(GET(SRC_STRIPE)) ||
         (GET(BLOCKS) != 1 && GET(SRC_STRIDE) < row_sets);
}

static bool results_leave(const uint32_t *d) {
  const uint64_t last_block = (uint64_t)((GET(BLOCKS) - 1) & 0xffff) * GET(DST_STRIDE);
  const uint64_t end = (uint64_t)GET(DST_BASE) * DUPLEX_COLUMNS + last_block + result_columns(d);
  return end > (uint64_t)row_sets_of(GET(DST_STRIPE)) * DUPLEX_COLUMNS ||
         (GET(BLOCKS) != 1 && GET(DST_STRIDE) < result_columns(d));
}

static bool x_leaves(const uint32_t *d) {
  const uint32_t words = GET(K_TILES) * DUPLEX_TILE_WORDS;
  const uint32_t all = GET(GROUPS) == 1                     ? words
                       : GET(X_STRIDE) == DUPLEX_TILE_WORDS ? 2 * words
                                                            : GET(X_STRIDE) + words;
  return GET(X_ADDRESS) % DUPLEX_SHARED_WORDS + all > DUPLEX_SHARED_WORDS;
}

static bool destination_leaves(const uint32_t *d, bool load) {
  const uint32_t units = load ? GET(TILES) * 4 * DUPLEX_TILE_WORDS : GET(GATED) ? GET(ROWS) / 2 : GET(ROWS);
  const uint32_t group = GET(GROUPS) == 2 ? GET(DST_GROUP) : 0;
  return GET(DST_ADDRESS) % SHARED_UNITS + group + units > SHARED_UNITS;
}

static uint32_t check_load(const uint32_t *d, unsigned channels, uint32_t owner, uint32_t *address) {
  const bool to_shared = GET(DESTINATION) == 1;
  if (!to_shared && GET(DESTINATION) != 2) return DUPLEX_STACK_ERROR_FORMAT;
  if (foreign(GET(SRC_STRIPE), owner)) {
    *address = GET(SRC_STRIPE);
    return DUPLEX_STACK_ERROR_STRIPE;
  }
  if (source_leaves(d, true, channels)) {
    *address = row_sets_of(GET(SRC_STRIPE));
    return DUPLEX_STACK_ERROR_SOURCE_RANGE;
  }
  if (to_shared && (GET(DST_ADDRESS) % 4 || destination_leaves(d, true))) {
    *address = GET(DST_ADDRESS) >> 2;
    return DUPLEX_STACK_ERROR_SHARED_RANGE;
  }
  return GET(TILES) < 1 || GET(TILES) > 1024 ? DUPLEX_STACK_ERROR_TILES : DUPLEX_STACK_ERROR_NONE;
}

static bool blocks_wrong(const uint32_t *d) {
  const bool range =
      GET(BLOCKS) == 0 || GET(BLOCK_ROWS) == 0 || GET(BLOCK_ROWS) > DUPLEX_ROWS || GET(CHANNEL_ROWS) == 0;
  const bool odd = GET(GATED) && ((GET(BLOCK_ROWS) & 1) || (GET(CHANNEL_ROWS) & 1));
  const bool groups = GET(GROUPS) < 1 || GET(GROUPS) > 2 || GET(GROUPS) * GET(BLOCK_ROWS) > DUPLEX_ROWS;
  return range || odd || groups || GET(BLOCK_ROWS) * GET(BLOCKS) < GET(CHANNEL_ROWS);
}

static bool rows_wrong(const uint32_t *d, unsigned channels) {
  return GET(ROWS) == 0 || (GET(GATED) && (GET(ROWS) & 1)) ||
         GET(ROWS) > (uint64_t)channels * GET(CHANNEL_ROWS);
}

static uint32_t check_gemm(const uint32_t *d, unsigned channels, uint32_t owner, uint32_t *address) {
  const bool to_dram = GET(DESTINATION) == 0;
  if (GET(K_TILES) < 1 || GET(K_TILES) > DUPLEX_K_TILES_MAX) return DUPLEX_STACK_ERROR_K_TILES;
  if (blocks_wrong(d)) return DUPLEX_STACK_ERROR_BLOCKS;
  if (rows_wrong(d, channels)) return DUPLEX_STACK_ERROR_ROWS;
  if (GET(DESTINATION) > 1 || (to_dram && GET(FORMAT) == 3)) return DUPLEX_STACK_ERROR_FORMAT;
  const bool src_foreign = foreign(GET(SRC_STRIPE), owner);
  if (src_foreign || (to_dram && foreign(GET(DST_STRIPE), owner))) {
    *address = src_foreign ? GET(SRC_STRIPE) : GET(DST_STRIPE);
    return DUPLEX_STACK_ERROR_STRIPE;
  }
  if (source_leaves(d, false, channels)) {
    *address = row_sets_of(GET(SRC_STRIPE));
    return DUPLEX_STACK_ERROR_SOURCE_RANGE;
  }
  if (to_dram && results_leave(d)) {
    *address = row_sets_of(GET(DST_STRIPE));
    return DUPLEX_STACK_ERROR_RESULT_RANGE;
  }
  if (x_leaves(d) || (!to_dram && destination_leaves(d, false))) {
    *address = x_leaves(d) ? GET(X_ADDRESS) : GET(DST_ADDRESS) >> 2;
    return DUPLEX_STACK_ERROR_SHARED_RANGE;
  }
  return DUPLEX_STACK_ERROR_NONE;
}

static bool length_wrong(const uint32_t *d) {
  const uint32_t positions = (DUPLEX_SCORE_WORDS * DUPLEX_SCORES_OF_WORD) >> GET(LANES) << GET(SPREAD);
  return GET(LENGTH) == 0 || GET(LENGTH) > DUPLEX_POSITIONS_MAX || GET(LENGTH) > positions;
}

static bool heads_wrong(const uint32_t *d, unsigned channels) {
  const bool alone = GET(MODE) == 0 && GET(FIRST) && GET(LAST);
  const bool spread = GET(SPREAD) > SPREAD_MOST || (GET(SPREAD) && GET(HEADS) << GET(SPREAD) > channels);
  return spread || GET(HEADS) == 0 || GET(HEADS) > DUPLEX_KV_HEADS_MAX || (GET(HEADS) > channels && !alone) ||
         GET(FIRST_CHANNEL) >= channels;
}

static bool mode_wrong(const uint32_t *d) {
  const bool row_block = GET(MODE) == 2 ? GET(ROW_BLOCK) >= attention_k_tiles(d) : GET(ROW_BLOCK) != 0;
  return GET(MODE) == 3 || row_block || GET(LANE_MASK) == 0 || GET(LANE_MASK) >> (1u << GET(LANES)) != 0 ||
         GET(LANES) > DUPLEX_LANE_BITS || (GET(WIDE) && GET(LANES) == DUPLEX_LANE_BITS);
}

// Blocks of 64 positions of a head's first channel.
static uint32_t position_blocks(const uint32_t *d) {
  return ((GET(LENGTH) - 1) >> (DUPLEX_WIDTH_BITS + GET(SPREAD))) + 1;
}

static bool segment_leaves(const uint32_t *d, unsigned channels) {
  const uint32_t blocks = position_blocks(d), last_slot = ((GET(HEADS) - 1) / channels) * GET(SRC_STRIDE);
  const uint32_t k_end = GET(SRC_BASE) + last_slot + blocks * attention_k_tiles(d);
  const uint32_t v_end = GET(V_BASE) + last_slot + (attention_k_tiles(d) - 1) * GET(V_BLOCK_STRIDE) + blocks;
  return (GET(MODE) != 2 && k_end > row_sets_of(GET(SRC_STRIPE))) || v_end > row_sets_of(GET(SRC_STRIPE));
}

static bool scores_leave(const uint32_t *d) {
  const uint32_t first = GET(MODE) == 1 ? GET(DST_BASE) : GET(SRC_BASE);
  return GET(MODE) != 0 &&
         first + attention_score_row_sets(position_blocks(d), GET(LANES)) > row_sets_of(GET(DST_STRIPE));
}

static uint32_t check_attention(const uint32_t *d, unsigned channels, uint32_t owner, uint32_t *address) {
  if (GET(HEAD_SIZE) == 0 || GET(HEAD_SIZE) > DUPLEX_HEAD_SIZE_MAX || GET(HEAD_SIZE) % 16)
    return DUPLEX_STACK_ERROR_K_TILES;
  if (length_wrong(d)) return DUPLEX_STACK_ERROR_BLOCKS;
  if (heads_wrong(d, channels)) return DUPLEX_STACK_ERROR_ROWS;
  if (mode_wrong(d)) return DUPLEX_STACK_ERROR_FORMAT;
  const bool src_foreign = foreign(GET(SRC_STRIPE), owner);
  if (src_foreign || foreign(GET(DST_STRIPE), owner)) {
    *address = src_foreign ? GET(SRC_STRIPE) : GET(DST_STRIPE);
    return DUPLEX_STACK_ERROR_STRIPE;
  }
  if (segment_leaves(d, channels)) {
    *address = row_sets_of(GET(SRC_STRIPE));
    return DUPLEX_STACK_ERROR_SOURCE_RANGE;
  }
  const uint32_t slots = (GET(HEADS) - 1) / channels + 1,
                 later = GET(Q_BASE) > GET(DST_BASE) ? GET(Q_BASE) : GET(DST_BASE);
  if (later + slots > row_sets_of(GET(DST_STRIPE)) || scores_leave(d)) {
    *address = row_sets_of(GET(DST_STRIPE));
    return DUPLEX_STACK_ERROR_RESULT_RANGE;
  }
  return DUPLEX_STACK_ERROR_NONE;
}

uint32_t stack_descriptor_check(const uint32_t *d, unsigned channels, uint32_t owner, uint32_t *address) {
  *address = 0;
  if (GET(OPCODE) < 1 || GET(OPCODE) > 3) return DUPLEX_STACK_ERROR_OPCODE;
  if (reserved_bits(d)) return DUPLEX_STACK_ERROR_RESERVED;
  if (GET(OPCODE) == 1) return check_load(d, channels, owner, address);
  return GET(OPCODE) == 2 ? check_gemm(d, channels, owner, address)
                          : check_attention(d, channels, owner, address);
}
