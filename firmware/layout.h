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
// two of them, whose row sets take turns in the stripe set.
struct weight_layout {
  uint32_t rows, k_tiles;
  uint32_t channel_rows;  // rows of a channel, but for the last ones
  uint32_t block_rows, blocks;
  uint32_t stride;    // row sets from block to block
  uint32_t row_sets;  // in all
  bool exponents, gated, two_streams;
};

// Fills in the rest of a layout with rows (from 1), exponents, gated and two_streams set; k is 1 to 65,536
// (two_streams: to 32,768, so that the activations of both fit a shared buffer). False if it does not fit the
// fields of a descriptor.
bool weight_layout(struct weight_layout *layout, uint32_t k, uint32_t channels);

// Bytes of a block before its weights: a column with the exponents of its rows, where there are any.
static inline uint32_t layout_header(const struct weight_layout *layout) {
  return layout->exponents ? DUPLEX_COLUMN_BYTES : 0;
}

// Rows of one channel, and the first of them.
uint32_t layout_channel_rows(const struct weight_layout *layout, uint32_t channel, uint32_t *first);

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
