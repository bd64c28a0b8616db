// SPDX-License-Identifier: Apache-2.0
// What a decision about a layer is in one of its stages (docs/device.md, "h gathered").
#include "duplex/arithmetic.h"
#include "schedule/schedule.h"

// What both sides take.
struct sides {
  uint64_t pim, xpu;
};

// Adds an expert with so many groups that has this cut.
static void add(const struct schedule_times *times, uint32_t groups, uint32_t cut, struct sides *sides) {
  sides->pim += SCHEDULE_TIME(times, groups, pim[0][cut]);
  sides->xpu += SCHEDULE_TIME(times, groups, xpu[0][cut]);
}

// Both sides but for the expert that is divided by its tokens.
static struct sides others_of(const struct schedule_times *times, const uint16_t *counts,
                              const struct schedule_decision *decision) {
  struct sides sides = {0};
  for (uint32_t e = 0; e < times->shape.experts; e++)
    if (e != decision->divided) add(times, schedule_groups(counts[e]), decision->cut[0][e], &sides);
  return sides;
}

uint32_t schedule_stage_groups(const struct schedule_times *times, const uint16_t *counts,
                               const struct schedule_decision *decision) {
  uint64_t least = UINT64_MAX;
  uint32_t best = 0;
  if (decision->groups == 0) return 0;
  const struct sides others = others_of(times, counts, decision);
  const uint32_t all = schedule_groups(counts[decision->divided]);
  for (uint32_t groups = 1; groups < all; groups++) {
    struct sides sides = others;
    add(times, groups, times->placement.parts[0], &sides);
    add(times, all - groups, 0, &sides);
    const uint64_t longer = duplex_larger_u64(sides.pim, sides.xpu);
    if (longer >= least) continue;
    least = longer;
    best = groups;
  }
  return best;
}
