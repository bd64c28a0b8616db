// SPDX-License-Identifier: Apache-2.0
// What schedule_place consists of: parts of halves and of copies, and the loss by which placements are
// compared (docs/schedule.md, "Placement").
#ifndef DUPLEX_SCHEDULE_PLACE_H
#define DUPLEX_SCHEDULE_PLACE_H

#include "schedule/formula.h"

#define PLACE_BALANCE \
  793u  // per mille of an expert of one group on Logic-PIM with which both sides take equally long
#define PLACE_SCALE 4096u  // of losses: a time as long as the bound

// About `per_mille` of the whole tiles of columns that are more than a tile: from one tile to less than all
// columns.
uint32_t place_share(uint32_t columns, uint32_t per_mille);

// Splits the part that holds the column `at` tiles from the start of the piece there. False if it cannot be.
bool place_split_part(struct schedule_placement *placement, uint32_t piece, uint32_t at);

// Moves, adds and removes ends of parts of halves, one at a time, as long as a lone expert loses less.
void place_improve_parts(const struct schedule_shape *shape, struct schedule_placement *placement);

// Copies in one part, in two and so on, each with the ends that lose least; returns how many there are.
uint32_t place_copies(const struct schedule_shape *shape, struct schedule_placement found[SCHEDULE_PARTS]);

// How much longer than their bounds `best` takes for a sample of layers with that placement, and its square:
// an average.
uint64_t place_loss(const struct schedule_shape *shape, const struct schedule_placement *placement);

#endif
