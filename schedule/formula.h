// SPDX-License-Identifier: Apache-2.0
// Times by formulas: what the placement is chosen with, and tables where none were measured
// (docs/schedule.md, "Formulas").
#ifndef DUPLEX_SCHEDULE_FORMULA_H
#define DUPLEX_SCHEDULE_FORMULA_H

#include "schedule/schedule.h"

// Clocks of one stack's Logic-PIM for the first `cut` of the parts of these widths, which are matrices of
// their own, streamed from 1 to 4 bundles.
uint64_t formula_pim_clocks(const struct schedule_shape *shape, const uint32_t *width, uint32_t cut,
                            uint32_t groups, uint32_t bundles);

// The same for the first `columns` of one matrix of gate and up that has `of` columns.
uint64_t formula_prefix_clocks(const struct schedule_shape *shape, uint32_t of, uint32_t columns,
                               uint32_t groups, uint32_t bundles);

// A cut of a piece of a placement, from the bundles of Logic-PIM's phase.
uint64_t formula_cut_clocks(const struct schedule_shape *shape, const struct schedule_placement *placement,
                            uint32_t piece, uint32_t cut, uint32_t groups);

// Clocks of the xPU for that many inner columns of every stack.
uint64_t formula_xpu_clocks(const struct schedule_shape *shape, uint32_t columns, uint32_t groups);

// Bundles from which Logic-PIM streams a piece.
static inline uint32_t formula_bundles(const struct schedule_placement *placement) {
  if (placement->layout == SCHEDULE_STRIPED) return SCHEDULE_BUNDLES;
  return placement->layout == SCHEDULE_REPLICATED ? SCHEDULE_BUNDLES - 1 : SCHEDULE_BUNDLES / 2;
}

// Inner columns of the widest slice.
static inline uint32_t formula_slice(const struct schedule_shape *shape) {
  return (shape->inner + shape->stacks - 1) / shape->stacks;
}

#endif
