// SPDX-License-Identifier: Apache-2.0
// What the other policies take with the weights where `best` has them.
#ifndef DUPLEX_TEST_SCHEDULE_IN_PLACE_H
#define DUPLEX_TEST_SCHEDULE_IN_PLACE_H

#include "duplex/arithmetic.h"
#include "schedule/schedule.h"

// Times of all pieces in a pair of bundles on either side, and of each expert on its faster one.
struct in_place {
  uint32_t pim[2], xpu[2], turns;
};

static inline struct in_place in_place_sum(const struct schedule_times *times, const uint16_t *counts) {
  const struct schedule_placement *p = &times->placement;
  const bool striped = p->layout == SCHEDULE_STRIPED;
  struct in_place sums = {0};
  for (uint32_t e = 0; e < times->shape.experts; e++) {
    const uint32_t groups = schedule_groups(counts[e]);
    uint32_t all_pim = 0;
    uint32_t all_xpu = 0;
    for (uint32_t q = 0; q < p->pieces; q++) {
      const uint32_t pair = schedule_bundles(p, e, q) == 12;
      const uint32_t last = p->parts[q];
      const uint32_t pim = striped ? SCHEDULE_TIME(times, groups, striped[SCHEDULE_BUNDLES - 1])
                                   : SCHEDULE_TIME(times, groups, pim[q][last]);
      const uint32_t xpu =
          striped ? SCHEDULE_TIME(times, groups, whole) : SCHEDULE_TIME(times, groups, xpu[q][0]);
      sums.pim[pair] += pim;
      sums.xpu[pair] += xpu;
      all_pim += pim;
      all_xpu += xpu;
    }
    sums.turns += duplex_smaller(all_pim, all_xpu);
  }
  return sums;
}

// All on one side, each expert in turn on its faster one, or one pair of bundles to Logic-PIM and the other
// to the xPU: the least.
static inline uint32_t in_place_least(const struct schedule_times *times, const uint16_t *counts) {
  const struct in_place s = in_place_sum(times, counts);
  uint32_t least = duplex_smaller(s.pim[0] + s.pim[1], s.xpu[0] + s.xpu[1]);
  least = duplex_smaller(least, s.turns);
  if (times->placement.layout == SCHEDULE_STRIPED) return least;
  least = duplex_smaller(least, duplex_larger(s.pim[0], s.xpu[1]));
  return duplex_smaller(least, duplex_larger(s.pim[1], s.xpu[0]));
}

#endif
