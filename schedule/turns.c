// SPDX-License-Identifier: Apache-2.0
// The sides take turns over weights that are striped over four bundles.
#include "schedule/policies.h"

void schedule_turns(const struct schedule_times *times, const uint16_t *counts,
                    struct schedule_decision *decision) {
  for (uint32_t e = 0; e < times->shape.experts; e++) {
    const uint32_t groups = schedule_groups(counts[e]);
    const uint32_t pim = SCHEDULE_TIME(times, groups, striped[SCHEDULE_BUNDLES - 1]);
    const uint32_t xpu = SCHEDULE_TIME(times, groups, whole);
    decision->cut[0][e] = pim < xpu;
    if (pim < xpu) {
      decision->pim[0] += pim;
    } else {
      decision->xpu[0] += xpu;
    }
  }
  decision->owned[0] = SCHEDULE_ALL_BUNDLES;
}
