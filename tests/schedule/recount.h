// SPDX-License-Identifier: Apache-2.0
// The times of a decision of `best`, counted from its cuts expert by expert.
#ifndef DUPLEX_TEST_SCHEDULE_RECOUNT_H
#define DUPLEX_TEST_SCHEDULE_RECOUNT_H

#include "duplex/arithmetic.h"
#include "schedule/schedule.h"

// Fills in pim, xpu and total from the cuts and counts.
static inline void recount(const struct schedule_times *times, const uint16_t *counts,
                           struct schedule_decision *decision) {
  const struct schedule_placement *placement = &times->placement;
  for (uint32_t f = 0; f < 2; f++) decision->pim[f] = decision->xpu[f] = 0;
  for (uint32_t e = 0; e < times->shape.experts; e++)
    for (uint32_t q = 0; q < placement->pieces; q++) {
      const bool divided = decision->groups && decision->divided == e;
      const uint32_t all = (counts[e] + 7u) / 8;
      const uint32_t groups = divided ? decision->groups : all;
      const uint32_t cut = decision->cut[q][e];
      const uint32_t phase = schedule_bundles(placement, e, q) == 12;
      if (placement->layout == SCHEDULE_STRIPED) {
        if (cut) decision->pim[0] += SCHEDULE_TIME(times, groups, striped[SCHEDULE_BUNDLES - 1]);
        if (!cut) decision->xpu[0] += SCHEDULE_TIME(times, groups, whole);
        continue;
      }
      const bool copied = placement->layout == SCHEDULE_REPLICATED;  // the xPU's copy is in the other bundles
      decision->pim[phase] += SCHEDULE_TIME(times, groups, pim[q][cut]);
      decision->xpu[copied ? 1 : phase] +=
          SCHEDULE_TIME(times, groups, xpu[q][cut]) + SCHEDULE_TIME(times, all - groups, xpu[q][0]);
    }
  decision->total =
      duplex_larger(decision->pim[0], decision->xpu[1]) + duplex_larger(decision->pim[1], decision->xpu[0]);
}

#endif
