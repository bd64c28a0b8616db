// SPDX-License-Identifier: Apache-2.0
// The matrices of a stage.
#include "device/stage.h"

#include "duplex/arithmetic.h"
#include "firmware/layout.h"

struct schedule_range stage_down_rows(const struct schedule_shape *shape, size_t first, size_t count) {
  const uint64_t hidden = shape->hidden;
  const uint32_t row = (uint32_t)(hidden * first / shape->inner);
  const uint32_t end = (uint32_t)(hidden * (first + count) / shape->inner);
  return (struct schedule_range){row, end - row};
}

struct duplex_layer_piece stage_piece(enum stage_kind kind, const struct schedule_shape *shape,
                                      const struct duplex_layer_piece *piece) {
  if (kind != STAGE_DOWN) return *piece;
  size_t columns = 0;
  for (unsigned part = 0; part < piece->parts; part++) columns += piece->inner[part];
  const uint32_t rows = stage_down_rows(shape, 0, columns).count;
  return (struct duplex_layer_piece){.bundles = piece->bundles, .parts = 1, .inner = {rows ? rows : 1}};
}

unsigned stage_streams(const struct schedule_shape *shape, const struct duplex_layer_piece *piece,
                       unsigned cut) {
  uint32_t before = 0;
  uint32_t all = 0;
  for (unsigned part = 0; part < piece->parts; part++) {
    all += (uint32_t)piece->inner[part];
    if (part < cut) before = all;
  }
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
