// SPDX-License-Identifier: Apache-2.0
// Whether a decision pays for a layer, and which side has it if not (docs/schedule.md, "Whether a decision
// pays").
//
// Steps of pairs: 0 to 7 are steps of one pair, and each octave from 8 on has eight.
#include "duplex/arithmetic.h"
#include "schedule/schedule.h"

#define STEPS_OF_OCTAVE 8u
#define WEIGHTS 8u      // of Logic-PIM's time from 1 on, and the rest of the xPU's
#define RATIO_BITS 16u  // of clocks for each part of the least time

static uint32_t step_of(uint32_t pairs) {
  uint32_t octave = 0;
  while (pairs >> octave >= 2 * STEPS_OF_OCTAVE) octave++;
  return octave * STEPS_OF_OCTAVE + (pairs >> octave);
}

// The least number of pairs in a step.
static uint32_t first_of(uint32_t step) {
  if (step < STEPS_OF_OCTAVE) return step;
  return (STEPS_OF_OCTAVE + step % STEPS_OF_OCTAVE) << (step / STEPS_OF_OCTAVE - 1);
}

// What divisions of whole pieces take at least, times WEIGHTS: each piece is on the side that adds less.
// `both`: to a mean of all times of Logic-PIM and all of the xPU; `pair`: to the times of both on pieces in
// one pair of bundles, on which they work one after the other. `pim`, `xpu`: all pieces are on that side.
struct sums {
  uint64_t both[WEIGHTS], pair[2];
  uint64_t pim, xpu;
};

static void add_piece(uint64_t pim, uint64_t xpu, uint64_t *pair, struct sums *sums) {
  for (uint32_t w = 1; w < WEIGHTS; w++) sums->both[w] += duplex_smaller_u64(w * pim, (WEIGHTS - w) * xpu);
  if (pair) *pair += WEIGHTS * duplex_smaller_u64(pim, xpu);
  sums->pim += WEIGHTS * pim;
  sums->xpu += WEIGHTS * xpu;
}

static struct sums sums_of(const struct schedule_times *times, const uint16_t *counts) {
  const struct schedule_placement *placement = &times->placement;
  const bool copied = placement->layout == SCHEDULE_REPLICATED;
  struct sums sums = {{0}, {0}, 0, 0};
  for (uint32_t e = 0; e < times->shape.experts; e++) {
    const uint32_t groups = schedule_groups(counts[e]);
    for (uint32_t q = 0; groups && q < placement->pieces; q++) {
      uint64_t *pair = &sums.pair[schedule_bundles(placement, e, q) == schedule_bundles(placement, 1, 0)];
      add_piece(SCHEDULE_TIME(times, groups, pim[q][placement->parts[q]]),
                SCHEDULE_TIME(times, groups, xpu[q][0]), copied ? NULL : pair, &sums);
    }
  }
  return sums;
}

void schedule_least(const struct schedule_times *times, const uint16_t *counts,
                    struct schedule_least *least) {
  const struct sums sums = sums_of(times, counts);
  *least = (struct schedule_least){duplex_larger_u64(sums.pair[0], sums.pair[1]), sums.pim, sums.xpu};
  for (uint32_t w = 1; w < WEIGHTS; w++) least->any = duplex_larger_u64(least->any, sums.both[w]);
}

void schedule_weigh(const struct schedule_ways *ways, uint32_t launch, struct schedule_worth *worth) {
  const uint32_t experts = ways->times->shape.experts;
  uint16_t counts[SCHEDULE_EXPERTS];
  worth->launch = launch;
  worth->least[0] = worth->ratio[0] = 0;
  worth->last = step_of(experts * SCHEDULE_GROUPS * SCHEDULE_LANES);
  for (uint32_t step = 1; step <= worth->last; step++) {
    schedule_spread(experts, (first_of(step) + first_of(step + 1)) / 2, counts);
    const uint64_t best = ways->predict(ways->context, SCHEDULE_BEST, counts);
    struct schedule_least least;
    schedule_least(ways->times, counts, &least);
    worth->least[step] = duplex_larger_u64(least.any, step > 1 ? worth->least[step - 1] : 1);
    worth->ratio[step] = ((best << RATIO_BITS) + worth->least[step] - 1) / worth->least[step];
  }
}

// The first step of evenly spread layers that take no less at least than this one; of several that take the
// same, up to its own.
static uint32_t like(const struct schedule_worth *worth, uint32_t pairs, uint64_t least) {
  const uint32_t own = step_of(pairs);
  uint32_t step = 1;
  for (uint32_t last = worth->last; step < last;) {
    const uint32_t middle = (step + last) / 2;
    if (worth->least[middle] < least)
      step = middle + 1;
    else
      last = middle;
  }
  while (step < worth->last && step < own && worth->least[step + 1] == least) step++;
  return step;
}

// What `best` takes by that, in clocks without the decision.
static uint64_t best_of(const struct schedule_worth *worth, uint32_t pairs, uint64_t least) {
  return least * worth->ratio[like(worth, pairs, least)] >> RATIO_BITS;
}

enum schedule_policy schedule_side(const struct schedule_worth *worth, const struct schedule_alone *alone,
                                   uint64_t decision) {
  const struct schedule_least *least = &alone->least;
  const uint64_t cost = decision > worth->launch ? decision - worth->launch : 0;
  const uint64_t clocks = duplex_smaller_u64(alone->xpu, alone->pim);
  const bool shared =
      least->any < (alone->pim < alone->xpu ? least->pim : least->xpu);  // else none takes less
  if (alone->pairs == 0) return SCHEDULE_XPU_ALONE;
  if (shared && best_of(worth, alone->pairs, least->any) + cost < clocks) return SCHEDULE_BEST;
  return alone->pim < alone->xpu ? SCHEDULE_PIM_ALONE : SCHEDULE_XPU_ALONE;
}

enum schedule_policy schedule_worthwhile(const struct schedule_worth *worth, const struct schedule_ways *ways,
                                         uint16_t *counts, uint64_t decision) {
  struct schedule_alone alone = {0};
  for (uint32_t e = 0; e < ways->times->shape.experts; e++) alone.pairs += counts[e];
  if (alone.pairs == 0) return SCHEDULE_XPU_ALONE;
  schedule_least(ways->times, counts, &alone.least);
  alone.xpu = ways->predict(ways->context, SCHEDULE_XPU_ALONE, counts);
  alone.pim = ways->predict(ways->context, SCHEDULE_PIM_ALONE, counts);
  return schedule_side(worth, &alone, decision);
}
