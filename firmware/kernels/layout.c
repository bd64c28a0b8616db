// SPDX-License-Identifier: Apache-2.0
// Where tensors lie in the channels' DRAM.
#include "firmware/layout.h"

#include "duplex/descriptor.h"
#include "duplex/geometry.h"
#include "duplex/params.h"

// Row sets of a block.
static uint32_t block_row_sets(const struct weight_layout *layout) {
  if (layout->two_streams)
    return duplex_two_stream_row_sets(layout->k_tiles);  // two k-tiles of one matrix in each
  return duplex_divide_up(layout->block_rows * layout->k_tiles * DUPLEX_BEAT_BYTES + layout_header(layout),
                          DUPLEX_ROW_SET_BYTES);
}

bool weight_layout(struct weight_layout *layout, uint32_t k, uint32_t channels) {
  const uint32_t unit = layout->gated || layout->interleaved ? 2 : 1;
  const uint32_t rows = layout->rows;
  const uint32_t groups = layout->two_streams ? 2 : 1;
  if (rows == 0 || rows > DUPLEX_DESC_MASK(ROWS) || k == 0 ||
      k > DUPLEX_K_TILES_MAX / groups * DUPLEX_WIDTH || (layout->gated && rows % 2))
    return false;
  layout->channels = channels;
  layout->skip_rows = 0;
  layout->k_tiles = duplex_divide_up(k, DUPLEX_WIDTH);
  layout->channel_rows = duplex_divide_up(duplex_divide_up(rows, unit), channels) * unit;
  // Blocks that leave room for the sums of as many groups of tokens as can share them.
  layout->blocks = duplex_divide_up(layout->channel_rows, DUPLEX_ROWS / DUPLEX_TOKEN_GROUPS);
  layout->block_rows = layout->interleaved
                           ? duplex_interleaved_block_rows(layout->channel_rows)
                           : duplex_divide_up(layout->channel_rows / unit, layout->blocks) * unit;
  layout->blocks = duplex_divide_up(layout->channel_rows, layout->block_rows);
  layout->stride = block_row_sets(layout);
  layout->row_sets = layout->blocks * layout->stride;
  return layout_streamed_rows(layout) <= DUPLEX_DESC_MASK(ROWS) &&
         layout->channel_rows <= DUPLEX_DESC_MASK(CHANNEL_ROWS) &&
         layout->blocks <= DUPLEX_DESC_MASK(BLOCKS) &&
         (uint64_t)layout->blocks * layout->stride <= DUPLEX_BUNDLES * DUPLEX_BANK_ROWS;
}

uint32_t layout_channel_rows(const struct weight_layout *layout, uint32_t channel) {
  const uint64_t begin = (uint64_t)channel * layout->channel_rows;
  if (layout->interleaved) return layout->channel_rows;
  const uint32_t left = begin < layout->rows ? layout->rows - (uint32_t)begin : 0;
  return (uint32_t)duplex_smaller(left, layout->channel_rows);
}

uint32_t layout_row(const struct weight_layout *layout, uint32_t channel, uint32_t row) {
  if (!layout->interleaved) return channel * layout->channel_rows + row;
  return (row / 2 * layout->channels + channel) * 2 + row % 2;
}

uint32_t layout_rows_of_columns(const struct weight_layout *layout, uint32_t columns) {
  const uint32_t rows = columns * (layout->gated ? 2 : 1);
  return rows < layout->rows ? rows / layout->channels : layout->channel_rows;
}

uint32_t layout_runs(const struct weight_layout *layout, uint32_t rows) {
  return rows < layout->channel_rows && rows > layout->block_rows && rows % layout->block_rows ? 2 : 1;
}

void layout_run(const struct weight_layout *layout, uint32_t rows, uint32_t index,
                struct weight_layout *run) {
  const uint32_t whole = rows / layout->block_rows * layout->block_rows;
  *run = *layout;
  if (rows == layout->channel_rows) return;
  if (index == 0 && whole) {
    run->channel_rows = whole;
    run->blocks = whole / layout->block_rows;
  } else {
    const uint32_t left = layout->channel_rows - whole;
    run->channel_rows = run->block_rows = rows - whole;
    run->skip_rows = (uint32_t)duplex_smaller(left, layout->block_rows) - run->block_rows;
    run->blocks = 1;
  }
  run->rows = layout->channels * run->channel_rows;
  run->row_sets = run->blocks * run->stride;
}

uint32_t result_row_bytes(enum duplex_result_format format) {
  switch (format) {
    case DUPLEX_RESULT_FORMAT_F16:
      return 2 * DUPLEX_LANES;
    case DUPLEX_RESULT_FORMAT_F32:
      return 4 * DUPLEX_LANES;
    default:
      return 16 * DUPLEX_LANES;
  }
}

uint32_t groups_of_pass(uint32_t k_tiles) {
  return k_tiles * DUPLEX_TILE_WORDS * DUPLEX_TOKEN_GROUPS <= DUPLEX_SHARED_WORDS ? DUPLEX_TOKEN_GROUPS : 1;
}

uint32_t result_block_columns(const struct weight_layout *layout, enum duplex_result_format format,
                              uint32_t groups) {
  return duplex_divide_up(groups * layout->block_rows * result_row_bytes(format), DUPLEX_COLUMN_BYTES);
}

uint32_t result_row_sets(const struct weight_layout *layout, enum duplex_result_format format,
                         uint32_t groups) {
  return duplex_divide_up(layout->blocks * result_block_columns(layout, format, groups), DUPLEX_COLUMNS);
}

uint32_t activation_row_sets(uint32_t tiles, uint32_t channels) {
  const uint32_t tiles_of_row_set = DUPLEX_ROW_SET_BYTES / (DUPLEX_TILE_WORDS * DUPLEX_WORD_BYTES);
  return duplex_divide_up(duplex_divide_up(tiles, channels), tiles_of_row_set);
}
