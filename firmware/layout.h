// SPDX-License-Identifier: Apache-2.0
// Where tensors lie in the channels' DRAM (docs/architecture.md, "Layout of tensors"): the one source of this
// arithmetic for firmware and driver. Sizes in row sets are per channel and the same for all channels.
#ifndef DUPLEX_FIRMWARE_LAYOUT_H
#define DUPLEX_FIRMWARE_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "duplex/enumerations.h"
#include "duplex/params.h"

// A run of logical row sets in a stripe set.
struct region {
  uint32_t base;    // first row set
  uint32_t stripe;  // mask of bundles
};

// A weight matrix of `rows` rows (gated: gate and up rows together) spread over the channels; two_streams:
// two of them, whose row sets take turns in the stripe set. interleaved: the channels take turns, two rows at
// a time; each has as many, an even number, and those behind the end of the matrix are zeros.
struct weight_layout {
  uint32_t rows, k_tiles;
  uint32_t channels;
  uint32_t channel_rows;  // rows of a channel; but for the last ones, if they are not interleaved
  uint32_t block_rows, blocks;
  uint32_t skip_rows;  // that a block has in DRAM behind these, in each k-tile
  uint32_t stride;     // row sets from block to block
  uint32_t row_sets;   // in all
  bool exponents, gated, two_streams, interleaved;
};

// Fills in the rest of a layout with rows (from 1), exponents, gated, two_streams and interleaved set; k is 1
// to 65,536 (two_streams: to 32,768, so that the activations of both fit a shared buffer). False if it does
// not fit the fields of a descriptor.
bool weight_layout(struct weight_layout *layout, uint32_t k, uint32_t channels);

// Bytes of a block before its weights: a column with the exponents of its rows, where there are any.
static inline uint32_t layout_header(const struct weight_layout *layout) {
  return layout->exponents ? DUPLEX_COLUMN_BYTES : 0;
}

// Rows that lie in one channel, those behind the end of the matrix too.
uint32_t layout_channel_rows(const struct weight_layout *layout, uint32_t channel);

// The row of the matrix that is row `row` of a channel; `rows` or more: it is one behind the end.
uint32_t layout_row(const struct weight_layout *layout, uint32_t channel, uint32_t row);

// Rows of a matrix as a descriptor has them.
static inline uint32_t layout_streamed_rows(const struct weight_layout *layout) {
  return layout->interleaved ? layout->channels * layout->channel_rows : layout->rows;
}

// Of an interleaved matrix the rows of each channel that hold the first `columns` inner columns, which are a
// multiple of 2 channels, or all.
uint32_t layout_rows_of_columns(const struct weight_layout *layout, uint32_t columns);

// Inner columns that such rows hold, those behind the end too.
static inline uint32_t layout_columns(const struct weight_layout *layout) {
  return layout_streamed_rows(layout) / (layout->gated ? 2 : 1);
}

// The first `rows` rows of each channel of an interleaved matrix, as layouts that one descriptor streams:
// whole blocks, and then the first rows of one more. layout_runs: how many there are; layout_run: run `index`
// of them. Run 1 begins at row set row_sets of run 0, with the row behind its last one.
uint32_t layout_runs(const struct weight_layout *layout, uint32_t rows);
void layout_run(const struct weight_layout *layout, uint32_t rows, uint32_t index, struct weight_layout *run);

// Tokens are served in passes of one or two groups of 8, which share one stream of the weights. Groups of a
// pass whose sums have that many k-tiles: what a shared buffer has room for.
uint32_t groups_of_pass(uint32_t k_tiles);

// Bytes of a result row (8 lanes), columns of a block of results, row sets of all blocks; `groups` of a pass.
uint32_t result_row_bytes(enum duplex_result_format format);
uint32_t result_block_columns(const struct weight_layout *layout, enum duplex_result_format format,
                              uint32_t groups);
uint32_t result_row_sets(const struct weight_layout *layout, enum duplex_result_format format,
                         uint32_t groups);

// Row sets of the activation tiles of one pass. Tile k of group g is tile k * groups + g.
uint32_t activation_row_sets(uint32_t tiles, uint32_t channels);

#endif
