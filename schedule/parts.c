// SPDX-License-Identifier: Apache-2.0
// The parts of halves, of which both sides have a share each time: local search for those with which a lone
// expert loses least.
#include "duplex/arithmetic.h"
#include "schedule/place.h"

// Groups of a lone expert for which the parts are chosen: those where a clock of Logic-PIM is worth something
// else each time; and their weights. What a whole piece on Logic-PIM takes counts as much as WHOLE of them
// for each expert.
#define SAMPLES 12u
#define WHOLE 2u

static const uint8_t sample_groups[SAMPLES] = {1, 2, 3, 4, 6, 8, 10, 12, 14, 16, 20, 24};
static const uint8_t sample_weights[SAMPLES] = {8, 3, 2, 4, 1, 1, 1, 1, 1, 1, 1, 1};

// The times of all cuts of all pieces. Logic-PIM: of a pass with one group and of one with two.
struct passes {
  uint64_t pim[SCHEDULE_PIECES][SCHEDULE_CUTS][2];
  uint32_t left[SCHEDULE_PIECES][SCHEDULE_CUTS];  // columns behind a cut
};

static void fill_passes(const struct schedule_shape *shape, const struct schedule_placement *placement,
                        struct passes *passes) {
  for (uint32_t q = 0; q < placement->pieces; q++) {
    uint32_t columns = 0;
    for (uint32_t cut = placement->parts[q] + 1; cut-- > 0;) {
      for (uint32_t groups = 1; groups <= 2; groups++)
        passes->pim[q][cut][groups - 1] = formula_cut_clocks(shape, placement, q, cut, groups);
      passes->left[q][cut] = columns;
      if (cut) columns += placement->width[q][cut - 1];
    }
  }
}

// By the times of a pass with one group and of one with two.
static uint64_t pass_time(const uint64_t pass[2], uint32_t groups) {
  return groups % 2 * pass[0] + groups / 2 * pass[1];
}

static uint64_t pim_time(const struct passes *passes, uint32_t piece, uint32_t cut, uint32_t groups) {
  return pass_time(passes->pim[piece][cut], groups);
}

// Phases of a lone expert in halves with its best pair of cuts.
static uint64_t lone_halved(const struct schedule_shape *shape, const struct schedule_placement *placement,
                            const struct passes *passes, uint32_t groups) {
  uint64_t least = UINT64_MAX, second_xpu[SCHEDULE_CUTS];
  for (uint32_t j = 0; j <= placement->parts[1]; j++)
    second_xpu[j] = formula_xpu_clocks(shape, passes->left[1][j], groups);
  for (uint32_t i = 0; i <= placement->parts[0]; i++) {
    const uint64_t pim = pim_time(passes, 0, i, groups);
    const uint64_t xpu = formula_xpu_clocks(shape, passes->left[0][i], groups);
    for (uint32_t j = 0; j <= placement->parts[1]; j++) {
      const uint64_t time =
          duplex_larger_u64(pim, second_xpu[j]) + duplex_larger_u64(pim_time(passes, 1, j, groups), xpu);
      if (time < least) least = time;
    }
  }
  return least;
}

// Grows with the square of what is lost, so that the worst counts most.
static uint64_t penalty(uint64_t time, uint64_t bound) {
  const uint64_t excess = time > bound ? (time - bound) * PLACE_SCALE / bound : 0;
  return excess * excess;
}

// How much longer than the bounds a lone expert takes, and Logic-PIM alone: the less the better.
static uint64_t lone_loss(const struct schedule_shape *shape, const struct schedule_placement *placement) {
  const uint32_t slice = formula_slice(shape);
  uint64_t uncut[2];
  struct passes passes;
  uint64_t sum = 0;
  fill_passes(shape, placement, &passes);
  for (uint32_t groups = 1; groups <= 2; groups++)
    uncut[groups - 1] = formula_pim_clocks(shape, &slice, 1, groups, SCHEDULE_BUNDLES - 1);
  for (uint32_t i = 0; i < SAMPLES; i++) {
    const uint32_t groups = sample_groups[i];
    const uint64_t pim = pass_time(uncut, groups);
    const uint64_t xpu = formula_xpu_clocks(shape, slice, groups);
    const uint64_t time = lone_halved(shape, placement, &passes, groups);
    sum += sample_weights[i] * penalty(time, pim * xpu / (pim + xpu) + 1);
    if (groups > 2) continue;
    uint64_t whole = 0;
    for (uint32_t q = 0; q < placement->pieces; q++)
      whole += pim_time(&passes, q, placement->parts[q], groups);
    sum += WHOLE * shape->experts * penalty(whole, pim);
  }
  return sum;
}

// Joins a part with the one before it.
static void join(struct schedule_placement *placement, uint32_t piece, uint32_t part) {
  uint32_t *width = placement->width[piece];
  width[part - 1] += width[part];
  for (placement->parts[piece]--; part < placement->parts[piece]; part++) width[part] = width[part + 1];
  width[part] = 0;
}

bool place_split_part(struct schedule_placement *placement, uint32_t piece, uint32_t at) {
  uint32_t *width = placement->width[piece];
  uint32_t part = 0;
  uint32_t from = 0;
  const uint32_t column = at * SCHEDULE_TILE;
  while (part < placement->parts[piece] && from + width[part] <= column) from += width[part++];
  if (part == placement->parts[piece] || from == column || placement->parts[piece] == SCHEDULE_PARTS)
    return false;
  for (uint32_t i = placement->parts[piece]++; i > part; i--) width[i] = width[i - 1];
  width[part + 1] = width[part] - (column - from);
  width[part] = column - from;
  return true;
}

static void keep_better(const struct schedule_shape *shape, const struct schedule_placement *tried,
                        struct schedule_placement *best, uint64_t *least) {
  const uint64_t now = lone_loss(shape, tried);
  if (now >= *least) return;
  *least = now;
  *best = *tried;
}

// The best placement with one end of a part more, fewer or elsewhere, if it loses less.
static bool improve(const struct schedule_shape *shape, struct schedule_placement *placement,
                    uint64_t *least) {
  struct schedule_placement best = *placement;
  const uint64_t before = *least;
  for (uint32_t q = 0; q < placement->pieces; q++)
    for (uint32_t gone = 0; gone < placement->parts[q]; gone++) {
      struct schedule_placement fewer = *placement;
      if (gone) join(&fewer, q, gone);
      if (gone) keep_better(shape, &fewer, &best, least);
      for (uint32_t at = 1; at * SCHEDULE_TILE < formula_slice(shape); at++) {
        struct schedule_placement tried = fewer;
        if (place_split_part(&tried, q, at)) keep_better(shape, &tried, &best, least);
      }
    }
  *placement = best;
  return *least < before;
}

void place_improve_parts(const struct schedule_shape *shape, struct schedule_placement *placement) {
  uint64_t least = lone_loss(shape, placement);
  while (improve(shape, placement, &least)) continue;
}
