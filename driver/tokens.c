// SPDX-License-Identifier: Apache-2.0
// Activations of a job into DRAM, results out of it.
#include "driver/tokens.h"

#include <string.h>

#include "driver/stack_error.h"
#include "driver/transfer.h"
#include "duplex/arithmetic.h"
#include "duplex/error.h"

#define PIECE_BYTES (DUPLEX_COLUMN_BYTES / 8)  // of a bank

void tokens_give_back(struct duplex_stack *stack, const struct token_work *work) {
  if (work->x.stripe) space_give(stack->space, work->x, work->x_row_sets * work->passes);
  if (work->results.stripe) space_give(stack->space, work->results, work->result_row_sets * work->passes);
}

int tokens_take_space(struct duplex_stack *stack, unsigned bundles, struct token_work *work) {
  const bool taken =
      space_take_mailbox(stack->space, bundles, work->x_row_sets * work->passes, &work->x) &&
      space_take_mailbox(stack->space, bundles, work->result_row_sets * work->passes, &work->results);
  if (taken) return DUPLEX_OK;
  return stack_fail(stack, DUPLEX_ERROR_OUT_OF_SPACE,
                    "no room in the stack's DRAM for activations and results");
}

// The row of x and y that a lane of a pass stands for; false if there is none.
static bool token_of(const struct token_work *work, uint32_t pass, uint32_t group, uint32_t lane,
                     size_t *token) {
  const size_t first = (size_t)pass * (work->pair ? 1 : work->groups_of_pass) * DUPLEX_LANES;
  const size_t of_matrix = first + (work->pair ? 0 : group) * DUPLEX_LANES + lane;
  *token = of_matrix + (work->pair ? group * work->m : 0);
  return of_matrix < work->m;
}

// Tile `index` of a group: 64 columns of 8 tokens, zero where there is no token or no column.
static void arrange_tile(const struct token_work *work, const duplex_f16 *x, size_t k, uint32_t pass,
                         uint32_t group, size_t index, duplex_f16 *tile) {
  memset(tile, 0, TILE_BYTES);
  for (uint32_t lane = 0; lane < DUPLEX_LANES; lane++) {
    size_t token;
    if (!token_of(work, pass, group, lane, &token)) continue;
    const duplex_f16 *row = x + (work->rows ? work->rows[token] : token) * k;
    for (size_t i = 0; i < DUPLEX_WIDTH && index * DUPLEX_WIDTH + i < k; i++)
      tile[i * DUPLEX_LANES + lane] = row[index * DUPLEX_WIDTH + i];
  }
}

// Groups of tokens that a pass serves.
static uint32_t groups_in(const struct token_work *work, uint32_t pass) {
  const uint32_t left = work->groups - pass * work->groups_of_pass;
  return (uint32_t)duplex_smaller(left, work->groups_of_pass);
}

int tokens_upload(struct duplex_stack *stack, const struct token_work *work, const duplex_f16 *x, size_t k) {
  duplex_f16 tile[DUPLEX_WIDTH * DUPLEX_LANES];
  const size_t k_tiles = (k + DUPLEX_WIDTH - 1) / DUPLEX_WIDTH;
  for (uint32_t pass = 0; pass < work->passes; pass++) {
    const struct region region = {work->x.base + pass * work->x_row_sets, work->x.stripe};
    const uint32_t groups = groups_in(work, pass);
    for (size_t t = 0; t < k_tiles * groups; t++) {
      arrange_tile(work, x, k, pass, (uint32_t)(t % groups), t / groups, tile);
      const int error = region_write(stack, (unsigned)(t % stack->channels), region,
                                     t / stack->channels * TILE_BYTES, tile, sizeof tile);
      if (error) return error;
    }
  }
  return DUPLEX_OK;
}

// Rows of results of one channel: those of the second group behind those of the first.
struct block {
  struct region region;
  uint64_t offset;
  uint32_t rows;
  size_t row_bytes;
};

// How many lanes of a group of a pass hold tokens.
static uint32_t lanes_in(const struct token_work *work, uint32_t pass, uint32_t group) {
  uint32_t lanes = 0;
  size_t token;
  while (lanes < DUPLEX_LANES && token_of(work, pass, group, lanes, &token)) lanes++;
  return lanes;
}

// So many rows of a group of results, one behind the other: of each the pieces of 32 bytes that hold tokens.
static int read_rows(struct duplex_stack *stack, struct region region, unsigned channel, uint64_t offset,
                     uint32_t rows, size_t row_bytes, uint32_t lanes, uint8_t *bytes) {
  const size_t used = (lanes * (row_bytes / DUPLEX_LANES) + PIECE_BYTES - 1) / PIECE_BYTES * PIECE_BYTES;
  if (used >= row_bytes) return region_read(stack, channel, region, offset, bytes, rows * row_bytes);
  int error = DUPLEX_OK;
  for (uint32_t row = 0; row < rows && !error; row++)
    error = region_read(stack, channel, region, offset + row * row_bytes, bytes + row * row_bytes, used);
  return error;
}

// A block of results of one channel, all groups of a pass.
static int read_block(struct duplex_stack *stack, const struct token_work *work, uint32_t pass,
                      const struct block *block, unsigned channel, uint8_t *bytes) {
  const size_t group_bytes = block->rows * block->row_bytes;
  int error = DUPLEX_OK;
  for (uint32_t group = 0; group < groups_in(work, pass) && !error; group++)
    error = read_rows(stack, block->region, channel, block->offset + group * group_bytes, block->rows,
                      block->row_bytes, lanes_in(work, pass, group), bytes + group * group_bytes);
  return error;
}

// What one channel wrote in one pass: blocks of rows of 8 lanes, those of the second group behind those of
// the first.
static int read_channel(struct duplex_stack *stack, const struct token_work *work,
                        const struct weight_layout *layout, enum duplex_result_format format,
                        unsigned channel, uint32_t pass, size_t y_stride, uint8_t *y) {
  uint8_t bytes[DUPLEX_ROWS * DUPLEX_LANES * 16];
  const size_t row_bytes = result_row_bytes(format);
  const size_t size = row_bytes / DUPLEX_LANES;
  const struct region region = {work->results.base + pass * work->result_row_sets, work->results.stripe};
  const uint32_t groups = groups_in(work, pass);
  const size_t stride = (size_t)result_block_columns(layout, format, groups) * DUPLEX_COLUMN_BYTES;
  const uint32_t rows = layout_channel_rows(layout, channel);
  for (uint32_t row = 0; row < rows; row++) {
    const uint32_t of_matrix = layout_row(layout, channel, row);
    const uint32_t in_block = row % layout->block_rows;
    const uint32_t left = rows - (row - in_block);
    const uint32_t of_block = (uint32_t)duplex_smaller(left, layout->block_rows);
    const struct block block = {region, row / layout->block_rows * stride, of_block, row_bytes};
    const int error = in_block ? DUPLEX_OK : read_block(stack, work, pass, &block, channel, bytes);
    if (error) return error;
    for (uint32_t lane = 0; lane < groups * DUPLEX_LANES && of_matrix < layout->rows; lane++) {
      size_t token;
      const uint32_t row_of_group = lane / DUPLEX_LANES * of_block + in_block;
      if (token_of(work, pass, lane / DUPLEX_LANES, lane % DUPLEX_LANES, &token))
        memcpy(y + (token * y_stride + of_matrix) * size,
               bytes + row_of_group * row_bytes + lane % DUPLEX_LANES * size, size);
    }
  }
  return DUPLEX_OK;
}

int tokens_read_results(struct duplex_stack *stack, const struct token_work *work,
                        const struct weight_layout *layout, enum duplex_result_format format, size_t stride,
                        uint8_t *y) {
  for (uint32_t pass = 0; pass < work->passes; pass++)
    for (unsigned channel = 0; channel < stack->channels; channel++) {
      const int error = read_channel(stack, work, layout, format, channel, pass, stride, y);
      if (error) return error;
    }
  return DUPLEX_OK;
}

struct token_work tokens_plan(const struct duplex_stack *stack, size_t m, uint32_t groups_of_pass,
                              uint32_t k_tiles, const struct weight_layout *results,
                              enum duplex_result_format format) {
  const uint32_t groups = (uint32_t)((m + DUPLEX_LANES - 1) / DUPLEX_LANES);
  const uint32_t matrices = results->two_streams ? 2 : 1;
  struct token_work work = {
      .groups = groups * matrices, .groups_of_pass = groups_of_pass, .m = m, .pair = results->two_streams};
  work.passes = (work.groups + groups_of_pass - 1) / groups_of_pass;
  work.x_row_sets = activation_row_sets(groups_of_pass * k_tiles, stack->channels);
  work.result_row_sets = result_row_sets(results, format, groups_of_pass);
  return work;
}
