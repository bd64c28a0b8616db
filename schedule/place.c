// SPDX-License-Identifier: Apache-2.0
// Placement: layout of an expert, and the parts of its pieces (docs/schedule.md, "Placement").
#include "duplex/arithmetic.h"
#include "schedule/formula.h"
#include "schedule/policies.h"

// Groups of a lone expert for which the parts are chosen: those where a clock of Logic-PIM is worth something
// else each time. What a whole piece on Logic-PIM takes counts as much as WHOLE of them.
#define SAMPLES 10u
#define WHOLE 2u
#define SCALE 4096u

#define BALANCE \
  793u  // per mille of an expert of one group on Logic-PIM with which both sides take equally long
#define HALVED_ROWS \
  64u  // both halves can be cut in parts of 16 rows of a channel, below which a part costs more
#define SPLIT_ROWS 20u     // BALANCE of them are 16
#define SPLIT_EXPERTS 16u  // so many balance each other, and halves would load x and write results twice
#define PARTS_EXPERTS 64u  // beyond them a decision takes longer than two parts of a split expert win
#define FIRST_PART 600u    // per mille of its large piece, if it has two parts

static const uint8_t sample_groups[SAMPLES] = {1, 2, 3, 4, 5, 6, 8, 12, 20, 40};

// The times of a lone expert: all cuts of both pieces.
struct trial {
  uint64_t pim[SCHEDULE_PIECES][SCHEDULE_CUTS], xpu[SCHEDULE_PIECES][SCHEDULE_CUTS];
};

static void fill_trial(const struct schedule_shape *shape, const struct schedule_placement *placement,
                       uint32_t groups, struct trial *trial) {
  for (uint32_t q = 0; q < SCHEDULE_PIECES; q++) {
    uint32_t columns = 0;
    for (uint32_t cut = placement->parts[q] + 1; cut-- > 0;) {
      trial->pim[q][cut] = formula_pim_clocks(shape, placement->width[q], cut, groups, 2);
      trial->xpu[q][cut] = formula_xpu_clocks(shape, columns, groups);
      if (cut) columns += placement->width[q][cut - 1];
    }
  }
}

// Phases of a lone expert with its best pair of cuts.
static uint64_t lone_time(const struct schedule_placement *placement, const struct trial *trial) {
  uint64_t least = UINT64_MAX;
  for (uint32_t i = 0; i <= placement->parts[0]; i++)
    for (uint32_t j = 0; j <= placement->parts[1]; j++) {
      const uint64_t first = trial->pim[0][i] > trial->xpu[1][j] ? trial->pim[0][i] : trial->xpu[1][j];
      const uint64_t second = trial->pim[1][j] > trial->xpu[0][i] ? trial->pim[1][j] : trial->xpu[0][i];
      if (first + second < least) least = first + second;
    }
  return least;
}

static const uint8_t sample_weights[SAMPLES] = {8, 2, 1, 6, 1, 1, 1, 1, 1, 1};

// Grows with the square of what is lost, so that the worst counts most.
static uint64_t penalty(uint64_t time, uint64_t bound) {
  const uint64_t excess = time > bound ? (time - bound) * SCALE / bound : 0;
  return excess * excess;
}

// How much longer than the bounds a lone expert takes, and Logic-PIM alone: the less the better.
static uint64_t loss(const struct schedule_shape *shape, const struct schedule_placement *placement) {
  const uint32_t slice = formula_slice(shape);
  struct trial trial;
  uint64_t sum = 0;
  for (uint32_t i = 0; i < SAMPLES; i++) {
    const uint32_t groups = sample_groups[i];
    const uint64_t pim = formula_pim_clocks(shape, &slice, 1, groups, 3);
    const uint64_t xpu = formula_xpu_clocks(shape, slice, groups);
    fill_trial(shape, placement, groups, &trial);
    sum += sample_weights[i] * penalty(lone_time(placement, &trial), pim * xpu / (pim + xpu) + 1);
    if (groups <= 2)
      sum += WHOLE * shape->experts *
             penalty(trial.pim[0][placement->parts[0]] + trial.pim[1][placement->parts[1]], pim);
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

// Splits the part that holds the column `at` tiles from the start of the piece there. False if it cannot be.
static bool split(struct schedule_placement *placement, uint32_t piece, uint32_t at) {
  uint32_t *width = placement->width[piece], part = 0, from = 0;
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
  const uint64_t now = loss(shape, tried);
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
        if (split(&tried, q, at)) keep_better(shape, &tried, &best, least);
      }
    }
  *placement = best;
  return *least < before;
}

// About `per_mille` of the whole tiles of columns that are more than a tile: from one tile to less than all
// columns.
static uint32_t share_of(uint32_t columns, uint32_t per_mille) {
  const uint32_t share = (columns / SCHEDULE_TILE * per_mille + 500) / 1000;
  return (uint32_t)duplex_smaller(share ? share : 1, (columns - 1) / SCHEDULE_TILE) * SCHEDULE_TILE;
}

static void place_halved(const struct schedule_shape *shape, struct schedule_placement *placement) {
  const uint32_t slice = formula_slice(shape), first = share_of(slice, 500);
  *placement = (struct schedule_placement){SCHEDULE_HALVED, 2, {1, 1}, {{first}, {slice - first}}};
  for (uint32_t q = 0; q < SCHEDULE_PIECES; q++)
    if (placement->width[q][0] > SCHEDULE_TILE)
      split(placement, q, share_of(placement->width[q][0], BALANCE) / SCHEDULE_TILE);
  uint64_t least = loss(shape, placement);
  while (improve(shape, placement, &least)) continue;
}

// parts: the large piece has two.
static void place_split(const struct schedule_shape *shape, bool parts,
                        struct schedule_placement *placement) {
  const uint32_t slice = formula_slice(shape), first = share_of(slice, BALANCE);
  *placement = (struct schedule_placement){SCHEDULE_SPLIT, 2, {1, 1}, {{first}, {slice - first}}};
  if (parts && first > SCHEDULE_TILE) split(placement, 0, share_of(first, FIRST_PART) / SCHEDULE_TILE);
}

bool schedule_place(const struct schedule_shape *shape, struct schedule_placement *placement) {
  if (!schedule_shape_valid(shape)) return false;
  const uint32_t slice = formula_slice(shape);
  const uint32_t rows = (1 + shape->gated) * slice / shape->channels;  // of gate and up, of a channel
  const bool large = rows >= HALVED_ROWS;
  if (large && shape->experts < SPLIT_EXPERTS && slice > SCHEDULE_TILE) {
    place_halved(shape, placement);
  } else if (rows >= SPLIT_ROWS && slice > SCHEDULE_TILE) {
    place_split(shape, large && shape->experts <= PARTS_EXPERTS, placement);
  } else {
    const uint32_t layout = shape->experts > 1 ? SCHEDULE_ALTERNATE : SCHEDULE_STRIPED;
    *placement = (struct schedule_placement){layout, 1, {1}, {{slice}}};
  }
  return true;
}

struct schedule_range schedule_part(const struct schedule_shape *shape,
                                    const struct schedule_placement *placement, uint32_t stack,
                                    uint32_t piece, uint32_t part) {
  const uint64_t inner = shape->inner;
  const uint32_t first = (uint32_t)(inner * stack / shape->stacks);
  const uint32_t end = (uint32_t)(inner * (stack + 1) / shape->stacks);
  uint32_t from = first;
  for (uint32_t q = 0; q <= piece; q++)
    for (uint32_t p = 0; p < (q < piece ? placement->parts[q] : part); p++) from += placement->width[q][p];
  const uint32_t width = placement->width[piece][part];
  if (from >= end) return (struct schedule_range){end, 0};
  return (struct schedule_range){from, width < end - from ? width : end - from};
}
