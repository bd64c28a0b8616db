// SPDX-License-Identifier: Apache-2.0
// Tables of time: hash, knees, and what a table must be.
#include "schedule/schedule.h"

// FNV-1a over words.
uint32_t schedule_hash(const struct schedule_times *times) {
  const uint32_t *word = &times->clocks_per_unit;
  const uint32_t words = (uint32_t)((const uint32_t *)(times + 1) - word);
  uint32_t hash = 2166136261u;
  for (uint32_t i = 0; i < words; i++) hash = (hash ^ word[i]) * 16777619u;
  return hash;
}

// The cut with the most xPU time taken off for each unit of Logic-PIM, at one group; 0 if that is the last
// one.
static uint32_t knee_of(const struct schedule_times *times, uint32_t piece) {
  const uint32_t *pim = times->rows[1].pim[piece];
  const uint32_t *xpu = times->rows[1].xpu[piece];
  const uint32_t last = times->placement.parts[piece];
  uint32_t best = last;
  for (uint32_t cut = last; cut-- > 1;) {
    const uint64_t now = (uint64_t)(xpu[0] - xpu[cut]) * pim[best];
    const uint64_t before = (uint64_t)(xpu[0] - xpu[best]) * pim[cut];
    if (now > before + before / 64) best = cut;  // not for a trifle
  }
  return best == last ? 0 : best;
}

// How many groups pieces 0 may have that take the xPU's time off at least as cheaply as a piece 1 of
// `groups`.
static uint32_t overtaken_by(const struct schedule_times *times, uint32_t groups) {
  const struct schedule_row *row = &times->rows[groups];
  const uint32_t first = times->placement.parts[0];
  const uint32_t second = times->placement.parts[1];
  uint32_t most = 0;
  while (most < SCHEDULE_GROUPS) {
    const struct schedule_row *other = &times->rows[most + 1];
    if ((uint64_t)other->pim[0][first] * (row->xpu[1][0] - row->xpu[1][second]) >
        (uint64_t)row->pim[1][second] * (other->xpu[0][0] - other->xpu[0][first]))
      break;
    most++;
  }
  return most;
}

void schedule_seal(struct schedule_times *times) {
  times->version = SCHEDULE_VERSION;
  for (uint32_t q = 0; q < SCHEDULE_PIECES; q++)
    times->knee[q] = q < times->placement.pieces ? knee_of(times, q) : 0;
  for (uint32_t g = 0; g <= SCHEDULE_GROUPS; g++)
    times->overtaken[g] = times->placement.layout == SCHEDULE_SPLIT && g ? overtaken_by(times, g) : 0;
  times->hash = schedule_hash(times);
}

bool schedule_shape_valid(const struct schedule_shape *shape) {
  return shape->hidden - 1 < SCHEDULE_SIZE && shape->inner - 1 < SCHEDULE_SIZE &&
         shape->experts - 1 < SCHEDULE_EXPERTS && shape->stacks - 1 < SCHEDULE_STACKS &&
         shape->channels - 1 < SCHEDULE_CHANNELS && shape->gated <= 1 &&
         shape->exponents <= (SCHEDULE_UP_EXPONENTS | SCHEDULE_DOWN_EXPONENTS) && shape->replicated <= 1 &&
         shape->rounded <= 1;
}

// With two copies parts end at multiples of the cut unit.
static bool valid_cuts(const struct schedule_times *times) {
  const struct schedule_placement *p = &times->placement;
  const uint32_t unit = schedule_cut_unit(times->shape.channels);
  bool good = true;
  for (uint32_t part = 0; p->layout == SCHEDULE_REPLICATED && part + 1 < p->parts[0]; part++)
    good = good && p->width[0][part] && p->width[0][part] % unit == 0;
  return good;
}

static bool valid_placement(const struct schedule_times *times) {
  const struct schedule_placement *p = &times->placement;
  const bool two = p->layout == SCHEDULE_SPLIT || p->layout == SCHEDULE_HALVED;
  bool good = times->clocks_per_unit && schedule_shape_valid(&times->shape) &&
              p->layout <= (times->shape.replicated ? SCHEDULE_REPLICATED : SCHEDULE_HALVED) &&
              times->shape.experts <= (p->layout == SCHEDULE_HALVED ? SCHEDULE_HALVES : SCHEDULE_EXPERTS) &&
              p->pieces == (two ? 2u : 1u);
  for (uint32_t q = 0; q < SCHEDULE_PIECES; q++)
    good = good && times->knee[q] <= p->parts[q] &&
           (q < p->pieces ? p->parts[q] >= 1 && p->parts[q] <= SCHEDULE_PARTS : p->parts[q] == 0);
  return good && valid_cuts(times);
}

// Along the cuts of a piece Logic-PIM's times do not fall and the xPU's do not rise.
static bool in_order(const struct schedule_placement *placement, const struct schedule_row *row) {
  bool good = true;
  for (uint32_t q = 0; q < placement->pieces; q++) {
    good = good && row->pim[q][0] == 0 && row->xpu[q][0] < SCHEDULE_MOST;
    for (uint32_t cut = 1; cut <= placement->parts[q]; cut++)
      good = good && row->pim[q][cut] < SCHEDULE_MOST && row->pim[q][cut] >= row->pim[q][cut - 1] &&
             row->xpu[q][cut] <= row->xpu[q][cut - 1];
  }
  return good;
}

// Nothing that is done takes no time.
static bool positive(const struct schedule_placement *placement, const struct schedule_row *row) {
  bool good = row->whole - 1 < SCHEDULE_MOST;
  for (uint32_t b = 0; b < SCHEDULE_BUNDLES; b++) good = good && row->striped[b] - 1 < SCHEDULE_MOST;
  for (uint32_t q = 0; q < placement->pieces; q++) good = good && row->pim[q][placement->parts[q]] > 0;
  return good;
}

// Piece 0 is not overtaken by more groups than have times of their own.
static bool valid_overtaken(const struct schedule_times *times) {
  bool good = true;
  for (uint32_t g = 0; g <= SCHEDULE_GROUPS; g++) good = good && times->overtaken[g] <= SCHEDULE_GROUPS;
  return good;
}

bool schedule_valid(const struct schedule_times *times) {
  if (times->version != SCHEDULE_VERSION || times->hash != schedule_hash(times) || !valid_placement(times) ||
      !valid_overtaken(times))
    return false;
  for (uint32_t groups = 1; groups <= SCHEDULE_GROUPS; groups++)
    if (!in_order(&times->placement, &times->rows[groups]) ||
        !positive(&times->placement, &times->rows[groups]))
      return false;
  return in_order(&times->placement, &times->slope);
}
