// SPDX-License-Identifier: Apache-2.0
// The matrices of a stage.
#include "device/stage.h"

#include "duplex/arithmetic.h"
#include "firmware/layout.h"
#include "schedule/formula.h"

struct schedule_range stage_down_rows(const struct schedule_shape *shape, size_t first, size_t count) {
  const uint64_t hidden = shape->hidden;
  const uint32_t row = (uint32_t)(hidden * first / shape->inner);
  const uint32_t end = (uint32_t)(hidden * (first + count) / shape->inner);
  return (struct schedule_range){row, end - row};
}

struct duplex_layer_piece stage_piece(enum stage_kind kind, const struct schedule_shape *shape,
                                      const struct duplex_layer_piece *piece) {
  if (kind != STAGE_DOWN) return *piece;
  const uint32_t rows = stage_down_rows(shape, 0, stage_piece_columns(piece, piece->parts)).count;
  return (struct duplex_layer_piece){.bundles = piece->bundles, .parts = 1, .inner = {rows ? rows : 1}};
}

uint32_t stage_piece_columns(const struct duplex_layer_piece *piece, unsigned cut) {
  uint32_t columns = 0;
  for (unsigned part = 0; part < cut; part++) columns += (uint32_t)piece->inner[part];
  return columns;
}

uint64_t stage_pim_clocks(const struct schedule_shape *shape, const struct duplex_layer_piece *piece,
                          unsigned cut, unsigned groups) {
  const unsigned bundles = (unsigned)__builtin_popcount(piece->bundles);
  uint32_t width[DUPLEX_LAYER_PARTS];
  for (unsigned part = 0; part < cut; part++) width[part] = (uint32_t)piece->inner[part];
  if (!piece->joined) return formula_pim_clocks(shape, width, cut, groups, bundles);
  return formula_prefix_clocks(shape, stage_piece_columns(piece, piece->parts),
                               stage_piece_columns(piece, cut), groups, bundles);
}

unsigned stage_streams(const struct schedule_shape *shape, const struct duplex_layer_piece *piece,
                       unsigned cut) {
  const uint32_t all = stage_piece_columns(piece, piece->parts);
  const uint32_t before = stage_piece_columns(piece, (unsigned)duplex_smaller(cut, piece->parts));
  if (!piece->joined) return (unsigned)duplex_smaller(cut, piece->parts);
  struct weight_layout up = {.rows = all * (1 + shape->gated), .gated = shape->gated, .interleaved = true};
  weight_layout(&up, shape->hidden, shape->channels);
  return layout_runs(&up, layout_rows_of_columns(&up, before));
}

struct duplex_layer_options stage_layer(enum stage_kind kind, const struct schedule_shape *shape,
                                        unsigned experts) {
  const bool down = (shape->exponents & SCHEDULE_DOWN_EXPONENTS) != 0;
  const bool up = (shape->exponents & SCHEDULE_UP_EXPONENTS) != 0;
  return (struct duplex_layer_options){.experts = experts,
                                       .hidden = stage_columns(kind, shape),
                                       .gated = kind != STAGE_DOWN && shape->gated,
                                       .up_exponents = kind == STAGE_DOWN ? down : up,
                                       .down_exponents = kind == STAGE_EXPERTS && down,
                                       .products = kind != STAGE_EXPERTS,
                                       .rounded = kind == STAGE_EXPERTS && shape->rounded};
}
