// One channel's share of a descriptor: weights from its DRAM, sums, results to its DRAM or through the
// activation unit to the shared buffer (rtl/channel/channel.v). Channels write disjoint places, so they may
// run at once.
#include <stdlib.h>
#include <string.h>

#include "cmodel/stack/stack.h"
#include "duplex/error.h"

#define GET(field) DUPLEX_DESCRIPTOR_GET(d, field)
#define RESULT_BYTES_MOST (DUPLEX_ROWS * DUPLEX_LANES * 16u)

void stack_gather(const struct channel_job *job, uint32_t row_set, uint32_t stripe, uint8_t *bytes,
                  size_t size) {
  for (size_t done = 0; done < size; row_set++) {
    const uint64_t address = stack_row_set_address(row_set, stripe);
    const uint8_t *from =
        duplex_hbm_row_set(job->stack->hbm, job->channel, (unsigned)(address >> DUPLEX_BUNDLE_BYTE_BITS),
                           address >> DUPLEX_ROW_SET_BYTE_BITS & (DUPLEX_BANK_ROWS - 1));
    const size_t left = size - done, part = left < DUPLEX_ROW_SET_BYTES ? left : DUPLEX_ROW_SET_BYTES;
    if (from) {
      memcpy(bytes + done, from, part);
    } else {
      memset(bytes + done, 0, part);
    }
    done += part;
  }
}

// Results of a block fill whole columns; what is left of the last one is zero.
static int write_results(const struct channel_job *job, uint32_t block, uint8_t *bytes, size_t size) {
  const uint32_t *d = job->descriptor;
  const uint32_t columns = (uint32_t)((size + DUPLEX_COLUMN_BYTES - 1) / DUPLEX_COLUMN_BYTES);
  const uint32_t first = GET(DST_BASE) * DUPLEX_COLUMNS + block * GET(DST_STRIDE);
  memset(bytes + size, 0, columns * DUPLEX_COLUMN_BYTES - size);
  for (uint32_t i = 0; i < columns; i++) {
    const uint64_t row_set = stack_row_set_address((first + i) / DUPLEX_COLUMNS, GET(DST_STRIPE));
    const uint64_t address = row_set + (first + i) % DUPLEX_COLUMNS * DUPLEX_COLUMN_BYTES;
    const int error = duplex_hbm_mem_write(job->stack->hbm, job->channel, address,
                                           bytes + (size_t)i * DUPLEX_COLUMN_BYTES, DUPLEX_COLUMN_BYTES);
    if (error) return error;
  }
  return DUPLEX_OK;
}

// All rows of the first group of tokens, then those of the second.
static int drain_to_dram(const struct channel_job *job, uint32_t block, uint32_t rows,
                         const struct duplex_sum *sums, const int8_t *exponents) {
  const uint32_t *d = job->descriptor;
  uint8_t bytes[RESULT_BYTES_MOST + DUPLEX_COLUMN_BYTES];
  size_t size = 0;
  for (uint32_t row = 0; row < GET(GROUPS) * rows; row++)
    size += stack_drain_row(&sums[row * DUPLEX_LANES], exponents[row % rows], GET(FORMAT), bytes + size);
  return write_results(job, block, bytes, size);
}

static void drain_to_shared(const struct channel_job *job, uint32_t group, uint32_t first_row, uint32_t rows,
                            const struct duplex_sum *sums, const int8_t *exponents) {
  const uint32_t *d = job->descriptor;
  const uint32_t rows_of_h = GET(GATED) ? 2 : 1;
  for (uint32_t row = 0; row < rows; row += rows_of_h) {
    uint8_t *to = job->stack->shared +
                  (size_t)(GET(DST_ADDRESS) + group * GET(DST_GROUP) + (first_row + row) / rows_of_h) *
                      DUPLEX_UNIT_BYTES;
    const uint32_t up = row + rows_of_h - 1;
    for (unsigned lane = 0; lane < DUPLEX_LANES; lane++) {
      const duplex_f32 g = duplex_round_f32(&sums[row * DUPLEX_LANES + lane], exponents[row]);
      const duplex_f32 u = duplex_round_f32(&sums[up * DUPLEX_LANES + lane], exponents[up]);
      const duplex_f16 h = duplex_activation(&job->stack->table, g, u, GET(GATED));
      to[2 * lane] = (uint8_t)h;
      to[2 * lane + 1] = (uint8_t)(h >> 8);
    }
  }
}

// Two streams: tiles 2 i and 2 i + 1 of a group lie in row set 2 i + group. Those of one group, one behind
// the other.
static void collect_stream(const uint8_t *row_sets, uint32_t group, uint32_t k_tiles, uint32_t rows,
                           uint8_t *beats) {
  const size_t tile_bytes = (size_t)rows * DUPLEX_BEAT_BYTES;
  for (uint32_t k = 0; k < k_tiles; k++)
    memcpy(beats + k * tile_bytes,
           row_sets + (size_t)(k / 2 * 2 + group) * DUPLEX_ROW_SET_BYTES + k % 2 * tile_bytes, tile_bytes);
}

// Bytes of a block as it lies in DRAM.
static size_t block_bytes(const uint32_t *d, uint32_t rows) {
  if (GET(TWO_STREAMS)) return (size_t)stack_two_stream_row_sets(GET(K_TILES)) * DUPLEX_ROW_SET_BYTES;
  return (size_t)(rows * GET(K_TILES) + GET(EXPONENTS)) * DUPLEX_BEAT_BYTES;
}

// `bytes` has room for a block, and behind it for the weights of one group.
static int run_block(struct channel_job *job, uint32_t block, uint32_t rows, uint8_t *bytes) {
  const uint32_t *d = job->descriptor;
  const size_t header = GET(EXPONENTS) * DUPLEX_BEAT_BYTES, size = block_bytes(d, rows);
  struct duplex_sum sums[DUPLEX_ROWS * DUPLEX_LANES] = {0};
  int8_t exponents[DUPLEX_ROWS] = {0};
  stack_gather(job, GET(SRC_BASE) + block * GET(SRC_STRIDE), GET(SRC_STRIPE), bytes, size);
  if (header) memcpy(exponents, bytes, sizeof exponents);
  for (uint32_t group = 0; group < GET(GROUPS); group++) {
    if (GET(TWO_STREAMS)) collect_stream(bytes, group, GET(K_TILES), rows, bytes + size);
    const duplex_f16 *weights =
        (const duplex_f16 *)(const void *)(bytes + (GET(TWO_STREAMS) ? size : header));
    duplex_gemm_block_fast(weights, rows, GET(K_TILES), job->panels[group],
                           sums + group * rows * DUPLEX_LANES, &job->tiers);
  }
  if (GET(DESTINATION) == 0) return drain_to_dram(job, block, rows, sums, exponents);
  for (uint32_t group = 0; group < GET(GROUPS); group++)
    drain_to_shared(job, group, job->first + block * GET(BLOCK_ROWS), rows,
                    sums + group * rows * DUPLEX_LANES, exponents);
  return DUPLEX_OK;
}

int stack_channel_gemm(struct channel_job *job) {
  const uint32_t *d = job->descriptor;
  if (job->count == 0) return DUPLEX_OK;
  const size_t group_bytes = (size_t)GET(BLOCK_ROWS) * GET(K_TILES) * DUPLEX_BEAT_BYTES;
  uint8_t *bytes = aligned_alloc(64, block_bytes(d, GET(BLOCK_ROWS)) + group_bytes);
  if (!bytes) return DUPLEX_ERROR_NO_MEMORY;
  int error = DUPLEX_OK;
  for (uint32_t block = 0; block * GET(BLOCK_ROWS) < job->count && !error; block++) {
    const uint32_t left = job->count - block * GET(BLOCK_ROWS);
    error = run_block(job, block, left < GET(BLOCK_ROWS) ? left : GET(BLOCK_ROWS), bytes);
  }
  free(bytes);
  return error;
}

static void store_tile(const struct channel_job *job, uint32_t tile, const uint8_t *bytes) {
  const uint32_t *d = job->descriptor;
  if (GET(DESTINATION) == 1) {
    memcpy(job->stack->shared + (size_t)GET(DST_ADDRESS) * DUPLEX_UNIT_BYTES +
               (size_t)tile * DUPLEX_TILE_WORDS * DUPLEX_WORD_BYTES,
           bytes, DUPLEX_TILE_WORDS * DUPLEX_WORD_BYTES);
    return;
  }
  const unsigned words = DUPLEX_TILE_WORDS * DUPLEX_WORD_BYTES / DUPLEX_ACTIVATION_WORD_BYTES;
  for (unsigned word = 0; word < words; word++)
    duplex_activation_write(&job->stack->table, tile * words + word,
                            bytes + word * DUPLEX_ACTIVATION_WORD_BYTES);
}

int stack_channel_load(struct channel_job *job) {
  const uint32_t *d = job->descriptor;
  uint8_t row_set[DUPLEX_ROW_SET_BYTES];
  const uint32_t tiles_of_set = DUPLEX_ROW_SET_BYTES / DUPLEX_TILE_BYTES;
  for (uint32_t i = 0; i < job->count; i++) {
    if (i % tiles_of_set == 0)
      stack_gather(job, GET(SRC_BASE) + i / tiles_of_set, GET(SRC_STRIPE), row_set, sizeof row_set);
    store_tile(job, i * job->stack->channels + job->first, row_set + i % tiles_of_set * DUPLEX_TILE_BYTES);
  }
  return DUPLEX_OK;
}
