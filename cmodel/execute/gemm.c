// SPDX-License-Identifier: Apache-2.0
// One channel's share of GEMM: weights from its DRAM, sums, results to its DRAM or through the activation
// unit to the shared buffer. Channels write disjoint places, so they may run at once.
#include "cmodel/execute/gemm.h"

#include <stdlib.h>
#include <string.h>

#include "cmodel/execute/drain.h"
#include "cmodel/execute/row_sets.h"
#include "duplex/error.h"
#include "duplex/geometry.h"

#define RESULT_BYTES_MOST (DUPLEX_ROWS * DUPLEX_LANES * 16u)

// Results of a block fill whole columns; what is left of the last one is zero.
static int write_results(const struct channel_job *job, uint32_t block, uint8_t *bytes, size_t size) {
  const uint32_t *d = job->descriptor;
  const uint32_t columns = (uint32_t)((size + DUPLEX_COLUMN_BYTES - 1) / DUPLEX_COLUMN_BYTES);
  const uint32_t first =
      DUPLEX_DESCRIPTOR_GET(d, DST_BASE) * DUPLEX_COLUMNS + block * DUPLEX_DESCRIPTOR_GET(d, DST_STRIDE);
  memset(bytes + size, 0, columns * DUPLEX_COLUMN_BYTES - size);
  for (uint32_t i = 0; i < columns; i++) {
    const uint64_t row_set =
        duplex_row_set_address((first + i) / DUPLEX_COLUMNS, DUPLEX_DESCRIPTOR_GET(d, DST_STRIPE));
    const uint64_t address = row_set + (first + i) % DUPLEX_COLUMNS * DUPLEX_COLUMN_BYTES;
    const int error = duplex_hbm_mem_write(job->execution->hbm, job->channel, address,
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
  for (uint32_t row = 0; row < DUPLEX_DESCRIPTOR_GET(d, GROUPS) * rows; row++)
    size += drain_row_bytes(&sums[row * DUPLEX_LANES], exponents[row % rows],
                            DUPLEX_DESCRIPTOR_GET(d, FORMAT), bytes + size);
  return write_results(job, block, bytes, size);
}

// The unit of results that a row of this channel makes, or a gate row with the row behind it. Interleaved:
// the channels' words of two rows take turns.
static uint32_t unit_of(const struct channel_job *job, uint32_t row) {
  const uint32_t rows_of_h = DUPLEX_DESCRIPTOR_GET(job->descriptor, GATED) ? 2 : 1;
  if (!DUPLEX_DESCRIPTOR_GET(job->descriptor, INTERLEAVED)) return (job->first + row) / rows_of_h;
  return (row / 2 * job->execution->channels + job->channel) * 2 / rows_of_h + row % 2 / rows_of_h;
}

// Rows of exact sums of a token group through the activation into the shared buffer: one row, or a gate row
// and its up row, gives a unit of 8 lanes in binary16.
static void drain_to_shared(const struct channel_job *job, uint32_t group, uint32_t first_row, uint32_t rows,
                            const struct duplex_sum *sums, const int8_t *exponents) {
  const uint32_t *d = job->descriptor;
  const uint32_t rows_of_h = DUPLEX_DESCRIPTOR_GET(d, GATED) ? 2 : 1;
  for (uint32_t row = 0; row < rows; row += rows_of_h) {
    uint8_t *to = job->execution->shared +
                  (size_t)(DUPLEX_DESCRIPTOR_GET(d, DST_ADDRESS) +
                           group * DUPLEX_DESCRIPTOR_GET(d, DST_GROUP) + unit_of(job, first_row + row)) *
                      DUPLEX_UNIT_BYTES;
    const uint32_t up = row + rows_of_h - 1;
    for (unsigned lane = 0; lane < DUPLEX_LANES; lane++) {
      const duplex_f32 g = duplex_round_f32(&sums[row * DUPLEX_LANES + lane], exponents[row]);
      const duplex_f32 u = duplex_round_f32(&sums[up * DUPLEX_LANES + lane], exponents[up]);
      const duplex_f16 h = duplex_activation(&job->execution->table, g, u, DUPLEX_DESCRIPTOR_GET(d, GATED));
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

// Rows behind those of each k-tile are left out. `rows` of a k-tile are kept.
static void collect_rows(const uint32_t *d, uint32_t rows, uint8_t *beats) {
  const size_t kept = (size_t)rows * DUPLEX_BEAT_BYTES;
  const size_t held = kept + (size_t)DUPLEX_DESCRIPTOR_GET(d, SKIP_ROWS) * DUPLEX_BEAT_BYTES;
  for (uint32_t k = 1; k < DUPLEX_DESCRIPTOR_GET(d, K_TILES); k++)
    memmove(beats + k * kept, beats + k * held, kept);
}

// Bytes of a block as it lies in DRAM, up to the last that is used.
static size_t block_bytes(const uint32_t *d, uint32_t rows) {
  if (DUPLEX_DESCRIPTOR_GET(d, TWO_STREAMS))
    return (size_t)duplex_two_stream_row_sets(DUPLEX_DESCRIPTOR_GET(d, K_TILES)) * DUPLEX_ROW_SET_BYTES;
  const uint32_t skip = DUPLEX_DESCRIPTOR_GET(d, SKIP_ROWS);
  return (size_t)((rows + skip) * DUPLEX_DESCRIPTOR_GET(d, K_TILES) - skip) * DUPLEX_BEAT_BYTES +
         DUPLEX_DESCRIPTOR_GET(d, EXPONENTS) * DUPLEX_COLUMN_BYTES;
}

// `bytes` has room for a block, and behind it for the weights of one group.
static int run_block(struct channel_job *job, uint32_t block, uint32_t rows, uint8_t *bytes) {
  const uint32_t *d = job->descriptor;
  const size_t header = DUPLEX_DESCRIPTOR_GET(d, EXPONENTS) * DUPLEX_COLUMN_BYTES;
  const size_t size = block_bytes(d, rows);
  struct duplex_sum sums[DUPLEX_ROWS * DUPLEX_LANES] = {0};
  int8_t exponents[DUPLEX_ROWS] = {0};
  read_row_sets(job, DUPLEX_DESCRIPTOR_GET(d, SRC_BASE) + block * DUPLEX_DESCRIPTOR_GET(d, SRC_STRIDE),
                DUPLEX_DESCRIPTOR_GET(d, SRC_STRIPE), bytes, size);
  if (header) memcpy(exponents, bytes, sizeof exponents);
  if (DUPLEX_DESCRIPTOR_GET(d, SKIP_ROWS)) collect_rows(d, rows, bytes + header);
  for (uint32_t group = 0; group < DUPLEX_DESCRIPTOR_GET(d, GROUPS); group++) {
    if (DUPLEX_DESCRIPTOR_GET(d, TWO_STREAMS))
      collect_stream(bytes, group, DUPLEX_DESCRIPTOR_GET(d, K_TILES), rows, bytes + size);
    const duplex_f16 *weights =
        (const duplex_f16 *)(const void *)(bytes + (DUPLEX_DESCRIPTOR_GET(d, TWO_STREAMS) ? size : header));
    duplex_gemm_block_fast(weights, rows, DUPLEX_DESCRIPTOR_GET(d, K_TILES), job->panels[group],
                           sums + group * rows * DUPLEX_LANES, &job->tiers);
  }
  if (DUPLEX_DESCRIPTOR_GET(d, DESTINATION) == DUPLEX_DESTINATION_DRAM)
    return drain_to_dram(job, block, rows, sums, exponents);
  for (uint32_t group = 0; group < DUPLEX_DESCRIPTOR_GET(d, GROUPS); group++)
    drain_to_shared(job, group, block * DUPLEX_DESCRIPTOR_GET(d, BLOCK_ROWS), rows,
                    sums + group * rows * DUPLEX_LANES, exponents);
  return DUPLEX_OK;
}

int gemm_share(struct channel_job *job) {
  const uint32_t *d = job->descriptor;
  if (job->count == 0) return DUPLEX_OK;
  const size_t group_bytes =
      (size_t)DUPLEX_DESCRIPTOR_GET(d, BLOCK_ROWS) * DUPLEX_DESCRIPTOR_GET(d, K_TILES) * DUPLEX_BEAT_BYTES;
  uint8_t *bytes = aligned_alloc(64, block_bytes(d, DUPLEX_DESCRIPTOR_GET(d, BLOCK_ROWS)) + group_bytes);
  if (!bytes) return DUPLEX_ERROR_NO_MEMORY;
  int error = DUPLEX_OK;
  for (uint32_t block = 0; block * DUPLEX_DESCRIPTOR_GET(d, BLOCK_ROWS) < job->count && !error; block++) {
    const uint32_t left = job->count - block * DUPLEX_DESCRIPTOR_GET(d, BLOCK_ROWS);
    error = run_block(
        job, block, left < DUPLEX_DESCRIPTOR_GET(d, BLOCK_ROWS) ? left : DUPLEX_DESCRIPTOR_GET(d, BLOCK_ROWS),
        bytes);
  }
  free(bytes);
  return error;
}
