// SPDX-License-Identifier: Apache-2.0
// Stages of an MoE layer: what the stacks do with all experts before results of all of them come together.
#ifndef DEVICE_STAGE_H
#define DEVICE_STAGE_H

#include "duplex/layer.h"
#include "schedule/schedule.h"

// EXPERTS: all of an expert, whose partial sums are added. UP and DOWN follow each other: products with gate
// and up, of which the xPU makes h, and products of whole h with rows of down.
enum stage_kind { STAGE_EXPERTS, STAGE_UP, STAGE_DOWN };

#define STAGE_PHASES 2u

// Format of the results of Logic-PIM's jobs.
static inline enum duplex_format stage_format(const struct schedule_shape *shape) {
  return shape->rounded ? DUPLEX_F32 : DUPLEX_ACC;
}

// Columns of what a stage multiplies.
static inline uint32_t stage_columns(enum stage_kind kind, const struct schedule_shape *shape) {
  return kind == STAGE_DOWN ? shape->inner : shape->hidden;
}

// Matrices of as many rows and columns in it.
static inline unsigned stage_matrices(enum stage_kind kind, bool gated) {
  if (kind == STAGE_DOWN) return 1;
  return (kind == STAGE_EXPERTS) + 1 + gated;
}

// The rows of down that belong to inner columns `first` to first + count - 1: the piece that has these
// columns in UP has those rows in DOWN.
struct schedule_range stage_down_rows(const struct schedule_shape *shape, size_t first, size_t count);

// A piece of EXPERTS or UP as the stage has it, the inner columns of the piece counted from 0 on: of DOWN the
// rows that belong to these, as one part.
struct duplex_layer_piece stage_piece(enum stage_kind kind, const struct schedule_shape *shape,
                                      const struct duplex_layer_piece *piece);

// Columns of the first `cut` parts; and Logic-PIM's clocks for these of a piece of EXPERTS, for tokens of so
// many groups, by the formulas.
uint32_t stage_piece_columns(const struct duplex_layer_piece *piece, unsigned cut);
uint64_t stage_pim_clocks(const struct schedule_shape *shape, const struct duplex_layer_piece *piece,
                          unsigned cut, unsigned groups);

// Descriptors of Logic-PIM with which a cut of such a piece, not 0, makes its h or its products.
unsigned stage_streams(const struct schedule_shape *shape, const struct duplex_layer_piece *piece,
                       unsigned cut);

// A layer of the stage with `experts` experts, still without pieces.
struct duplex_layer_options stage_layer(enum stage_kind kind, const struct schedule_shape *shape,
                                        unsigned experts);

#endif
