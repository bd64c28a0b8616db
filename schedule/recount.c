// SPDX-License-Identifier: Apache-2.0
// The times of a decision by another table than the one that it was made by.
#include "duplex/arithmetic.h"
#include "schedule/policies.h"

// Experts over four bundles, whole on one side.
static void count_striped(const struct schedule_times *times, uint32_t groups, bool pim,
                          struct schedule_decision *decision) {
  if (pim) decision->pim[0] += SCHEDULE_TIME(times, groups, striped[SCHEDULE_BUNDLES - 1]);
  if (!pim) decision->xpu[0] += SCHEDULE_TIME(times, groups, whole);
}

void schedule_recount(const struct schedule_times *times, const uint16_t *counts,
                      struct schedule_decision *decision) {
  const struct schedule_placement *placement = &times->placement;
  const bool pieces = decision->policy == SCHEDULE_BEST && placement->layout != SCHEDULE_STRIPED;
  decision->pim[0] = decision->pim[1] = decision->xpu[0] = decision->xpu[1] = 0;
  for (uint32_t e = 0; e < times->shape.experts; e++) {
    const uint32_t groups = schedule_groups(counts[e]);
    if (!pieces) count_striped(times, groups, decision->cut[0][e], decision);
    for (uint32_t q = 0; pieces && q < placement->pieces; q++) {
      const uint32_t pair = schedule_bundles(placement, e, q) == decision->owned[1];
      decision->pim[pair] += SCHEDULE_TIME(times, groups, pim[q][decision->cut[q][e]]);
      decision->xpu[pair] += SCHEDULE_TIME(times, groups, xpu[q][decision->cut[q][e]]);
    }
  }
  decision->total =
      duplex_larger(decision->pim[0], decision->xpu[1]) + duplex_larger(decision->pim[1], decision->xpu[0]);
}
