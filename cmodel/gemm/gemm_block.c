// SPDX-License-Identifier: Apache-2.0
// The block's sums by the plain path, and the tiers of the fast path around the kernels of fast_kernels.c.
//
// direct: one double sum over all of K. split: if that was not exact, one double sum for each k-tile, joined
// in integers. wide: if a tile's sum is not exact either, or Inf or NaN took part, the plain path for that
// piece.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cmodel/gemm/fast_kernels.h"
#include "duplex/gemm.h"

struct duplex_gemm_panel {
  const struct duplex_kernels *kernels;
  unsigned k_tiles;
  unsigned lanes;  // lanes with a non-zero value, counted from the first: 1, or more
  enum duplex_tile_format format;
  uint16_t *tiles;     // [k_tiles][64][8], for the wide tier
  double *values;      // the same as doubles
  double *first_lane;  // [k_tiles * 64]: lane 0 alone
};

// Adds one product exactly; x is a binary16 or, in a tile of weights of attention, a p16.
static void add_product(struct duplex_sum *sum, duplex_f16 weight, uint16_t x,
                        enum duplex_tile_format format) {
  if (format == DUPLEX_TILE_P16) {
    duplex_sum_add_weighted(sum, x, weight);
  } else {
    duplex_sum_add_product(sum, weight, x);
  }
}

// Adds the products of all rows and tiles one after the other; `stride`: weights from a tile to the next.
static void block_reference(const duplex_f16 *weights, size_t stride, unsigned rows, unsigned k_tiles,
                            const uint16_t *x_tiles, enum duplex_tile_format format,
                            struct duplex_sum *sums) {
  for (unsigned tile = 0; tile < k_tiles; tile++)
    for (unsigned row = 0; row < rows; row++)
      for (unsigned k = 0; k < DUPLEX_WIDTH; k++)
        for (unsigned lane = 0; lane < DUPLEX_LANES; lane++)
          add_product(&sums[row * DUPLEX_LANES + lane], weights[tile * stride + row * DUPLEX_WIDTH + k],
                      x_tiles[((size_t)tile * DUPLEX_WIDTH + k) * DUPLEX_LANES + lane], format);
}

void duplex_gemm_block_reference(const duplex_f16 *weights, unsigned rows, unsigned k_tiles,
                                 const uint16_t *x_tiles, enum duplex_tile_format format,
                                 struct duplex_sum *sums) {
  block_reference(weights, (size_t)rows * DUPLEX_WIDTH, rows, k_tiles, x_tiles, format, sums);
}

// Lanes up to the last with a bit that is not 0 (also -0 counts), at least 1.
static unsigned lanes_in_use(const uint16_t *x_tiles, size_t columns) {
  uint16_t used[DUPLEX_LANES] = {0};
  for (size_t k = 0; k < columns; k++)
    for (unsigned lane = 0; lane < DUPLEX_LANES; lane++) used[lane] |= x_tiles[k * DUPLEX_LANES + lane];
  unsigned lanes = DUPLEX_LANES;
  while (lanes > 1 && used[lanes - 1] == 0) lanes--;
  return lanes;
}

void duplex_gemm_panel_free(struct duplex_gemm_panel *panel) {
  if (!panel) return;
  free(panel->tiles);
  free(panel->values);
  free(panel->first_lane);
  free(panel);
}

struct duplex_gemm_panel *duplex_gemm_panel_new(const uint16_t *x_tiles, unsigned k_tiles,
                                                enum duplex_tile_format format) {
  const size_t columns = (size_t)k_tiles * DUPLEX_WIDTH;
  const size_t count = columns * DUPLEX_LANES;
  struct duplex_gemm_panel *panel = calloc(1, sizeof *panel);
  if (!panel) return NULL;
  panel->kernels = duplex_kernels();
  panel->k_tiles = k_tiles;
  panel->format = format;
  panel->lanes = lanes_in_use(x_tiles, columns);
  panel->tiles = malloc(count * sizeof *panel->tiles);
  panel->values = aligned_alloc(64, count * sizeof *panel->values);
  panel->first_lane = aligned_alloc(64, columns * sizeof *panel->first_lane);
  if (!panel->tiles || !panel->values || !panel->first_lane) {
    duplex_gemm_panel_free(panel);
    return NULL;
  }
  memcpy(panel->tiles, x_tiles, count * sizeof *panel->tiles);
  for (size_t i = 0; i < count; i++)
    panel->values[i] =
        format == DUPLEX_TILE_P16 ? duplex_p16_to_double(x_tiles[i]) : duplex_f16_to_double(x_tiles[i]);
  for (size_t k = 0; k < columns; k++) panel->first_lane[k] = panel->values[k * DUPLEX_LANES];
  return panel;
}

// No value is Inf or NaN.
static bool all_finite(const double *values, unsigned count) {
  for (unsigned i = 0; i < count; i++)
    if (!isfinite(values[i])) return false;
  return true;
}

// One group of rows over some tiles by double sums; false, and nothing added, if they are not exact.
static bool add_by_doubles(const struct duplex_gemm_panel *panel, const duplex_f16 *weights, size_t stride,
                           unsigned rows, unsigned first_tile, unsigned k_tiles, struct duplex_sum *sums) {
  double values[DUPLEX_KERNEL_ROWS * DUPLEX_LANES];
  const bool single = panel->lanes == 1;
  const size_t columns = (size_t)first_tile * DUPLEX_WIDTH;
  const bool exact =
      single ? panel->kernels->gemv(weights, stride, rows, k_tiles, panel->first_lane + columns, values)
             : panel->kernels->gemm(weights, stride, rows, k_tiles, panel->values + columns * DUPLEX_LANES,
                                    values);
  const unsigned lanes = single ? 1 : DUPLEX_LANES;
  if (!exact || !all_finite(values, rows * lanes)) return false;
  for (unsigned row = 0; row < rows; row++)
    for (unsigned lane = 0; lane < lanes; lane++)
      duplex_sum_add_double(&sums[row * DUPLEX_LANES + lane], values[row * lanes + lane]);
  return true;
}

// One row whose double sum was not exact: tile by tile by doubles, and plainly where that is not exact
// either.
static void add_row_in_pieces(const struct duplex_gemm_panel *panel, const duplex_f16 *weights, size_t stride,
                              struct duplex_sum *sums, struct duplex_gemm_tiers *tiers) {
  bool wide = false;
  for (unsigned tile = 0; tile < panel->k_tiles; tile++) {
    const duplex_f16 *piece = weights + tile * stride;
    if (add_by_doubles(panel, piece, stride, 1, tile, 1, sums)) continue;
    block_reference(piece, stride, 1, 1, panel->tiles + (size_t)tile * DUPLEX_WIDTH * DUPLEX_LANES,
                    panel->format, sums);
    wide = true;
  }
  if (wide) {
    tiers->wide++;
  } else {
    tiers->split++;
  }
}

void duplex_gemm_block_fast(const duplex_f16 *weights, unsigned rows, unsigned k_tiles,
                            const struct duplex_gemm_panel *panel, struct duplex_sum *sums,
                            struct duplex_gemm_tiers *tiers) {
  const size_t stride = (size_t)rows * DUPLEX_WIDTH;
  struct duplex_gemm_tiers counts = {0};
  for (unsigned first = 0; first < rows; first += DUPLEX_KERNEL_ROWS) {
    const unsigned group = rows - first < DUPLEX_KERNEL_ROWS ? rows - first : DUPLEX_KERNEL_ROWS;
    const duplex_f16 *part = weights + first * DUPLEX_WIDTH;
    if (add_by_doubles(panel, part, stride, group, 0, k_tiles, sums + first * DUPLEX_LANES)) {
      counts.direct += group;
      continue;
    }
    for (unsigned row = 0; row < group; row++) {
      struct duplex_sum *row_sums = sums + (first + row) * DUPLEX_LANES;
      if (group > 1 && add_by_doubles(panel, part + row * DUPLEX_WIDTH, stride, 1, 0, k_tiles, row_sums)) {
        counts.direct++;
      } else {
        add_row_in_pieces(panel, part + row * DUPLEX_WIDTH, stride, row_sums, &counts);
      }
    }
  }
  if (!tiers) return;
  tiers->direct += counts.direct;
  tiers->split += counts.split;
  tiers->wide += counts.wide;
}
