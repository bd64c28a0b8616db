// First cycle model: clocks of a descriptor from its parameters alone (docs/cycle_model.md). What it leaves out is written there.
#include "cmodel/stack/stack.h"
#include "duplex/dram_presets.h"

#define GET(field) DUPLEX_DESCRIPTOR_GET(d, field)

// Clocks outside the stream: fetch and check, first column at the GEMM module, last beat to quiet.
#define CLOCKS_CHECK 130u
#define CLOCKS_FILL 60u
#define CLOCKS_DRAIN 40u

static uint64_t larger(uint64_t a, uint64_t b) { return a > b ? a : b; }

// A stream of columns: two clocks each, and the turnaround of rows as far as the other bundles of the stripe set do not hide it.
// What a refresh interval costs beside its data is that of the controller with that many bundles (docs/dram.md).
static uint64_t stream_clocks(uint64_t columns, uint32_t stripe) {
  static const uint64_t refresh_clocks[DUPLEX_BUNDLES + 1] = {0, 143, 89, 25, 0};
  const struct duplex_dram_timing *t = &duplex_dram_presets[0];
  const uint64_t bundles = (uint64_t)__builtin_popcount(stripe), row_sets = (columns + DUPLEX_COLUMNS - 1) / DUPLEX_COLUMNS;
  const uint64_t turnaround = (t->nRTP + t->nRP + t->nRCDRD) / 2, interval = t->nREFI / 2;
  const uint64_t clocks = 2 * columns + (bundles == 1 ? row_sets * turnaround : 0);
  return clocks + clocks / interval * refresh_clocks[bundles];
}

static uint64_t block_clocks(const uint32_t *d, uint32_t rows) {
  const uint64_t columns = ((uint64_t)rows * GET(K_TILES) + GET(EXPONENTS) + 1) / 2;
  const uint64_t tiles = (uint64_t)GET(K_TILES) * larger(rows, DUPLEX_TILE_WORDS);
  const uint64_t drain = GET(DESTINATION) == 0 && GET(FORMAT) == 2 ? 3u * rows : 0;
  return larger(stream_clocks(columns, GET(SRC_STRIPE)), tiles) + drain;
}

// Blocks follow each other without a gap; the results of a block leave while the next one streams, the last one's at the end.
static uint64_t gemm_clocks(const struct duplex_stack *stack, const uint32_t *d) {
  const uint32_t rows = GET(ROWS) < GET(CHANNEL_ROWS) ? GET(ROWS) : GET(CHANNEL_ROWS);
  const uint32_t whole = rows / GET(BLOCK_ROWS), rest = rows % GET(BLOCK_ROWS);
  const uint64_t stream = whole * block_clocks(d, GET(BLOCK_ROWS)) + (rest ? block_clocks(d, rest) : 0);
  const uint64_t last = rest ? rest : GET(BLOCK_ROWS);
  const uint64_t bus = GET(DESTINATION) == 1 ? last * stack->channels : 0;
  return stream + bus;
}

uint64_t stack_predict_clocks(const struct duplex_stack *stack, const uint32_t *d, struct duplex_dram_commands *commands) {
  const struct duplex_dram_timing *t = &duplex_dram_presets[0];
  uint64_t clocks = CLOCKS_CHECK + stack->channels + CLOCKS_FILL + CLOCKS_DRAIN, columns = 0;
  if (GET(OPCODE) == 1) {
    columns = GET(TILES) * 4;
    clocks += (uint64_t)GET(TILES) * DUPLEX_TILE_WORDS;  // the result bus carries one word a clock
  } else {
    columns = ((uint64_t)GET(ROWS) * GET(K_TILES) + 1) / 2;
    clocks += gemm_clocks(stack, d);
  }
  const uint64_t row_sets = (columns + DUPLEX_COLUMNS - 1) / DUPLEX_COLUMNS;
  commands->act += row_sets;
  commands->pre += row_sets;
  commands->ref += (uint64_t)stack->channels * DUPLEX_BUNDLES * clocks / (t->nREFI / 2);
  return clocks;
}
