// SPDX-License-Identifier: Apache-2.0
// A layer that one side has alone, as its pieces lie for `best`.
#include "schedule/policies.h"

// All experts on the xPU: from its copies, or whole ones from four bundles.
static void xpu_alone(const struct schedule_times *times, const uint16_t *counts, bool copied,
                      struct schedule_decision *decision) {
  uint32_t *sum = &decision->xpu[copied];
  for (uint32_t e = 0; e < times->shape.experts; e++) {
    const uint32_t groups = schedule_groups(counts[e]);
    *sum += copied ? SCHEDULE_TIME(times, groups, xpu[0][0]) : SCHEDULE_TIME(times, groups, whole);
    decision->cut[0][e] = decision->cut[1][e] = 0;
  }
}

// All pieces on Logic-PIM, each from its own bundles and in the phase in which `best` would have it.
static void pim_alone(const struct schedule_times *times, const uint16_t *counts,
                      struct schedule_decision *decision) {
  const struct schedule_placement *placement = &times->placement;
  if (placement->layout != SCHEDULE_STRIPED && placement->layout != SCHEDULE_REPLICATED) {
    decision->owned[0] = schedule_bundles(placement, 0, 0);
    decision->owned[1] = SCHEDULE_ALL_BUNDLES & ~decision->owned[0];
  }
  for (uint32_t e = 0; e < times->shape.experts; e++) {
    const uint32_t groups = schedule_groups(counts[e]);
    decision->cut[1][e] = 0;
    for (uint32_t q = 0; q < placement->pieces; q++) {
      const uint32_t cut = groups ? placement->parts[q] : 0;
      const bool second = schedule_bundles(placement, e, q) == decision->owned[1];
      decision->pim[second] += SCHEDULE_TIME(times, groups, pim[q][cut]);
      decision->cut[q][e] = (uint8_t)cut;
    }
    if (placement->layout == SCHEDULE_REPLICATED) decision->cut[1][e] = decision->cut[0][e];
  }
}

void schedule_divide(enum schedule_policy policy, const struct schedule_times *times, const uint16_t *counts,
                     struct schedule_work *work, struct schedule_decision *decision) {
  const bool copied = times->placement.layout == SCHEDULE_REPLICATED;
  if (!schedule_is_alone(policy)) {
    schedule_decide(policy, times, counts, work, decision);
    return;
  }
  decision->policy = policy;
  decision->spaces = decision->owned[1] = 0;
  decision->divided = decision->groups = 0;
  decision->owned[0] = copied ? SCHEDULE_COPIED_BUNDLES : SCHEDULE_ALL_BUNDLES;
  decision->pim[0] = decision->pim[1] = decision->xpu[0] = decision->xpu[1] = 0;
  if (policy == SCHEDULE_XPU_ALONE) {
    xpu_alone(times, counts, copied, decision);
  } else {
    pim_alone(times, counts, decision);
  }
  decision->total = decision->pim[0] + decision->pim[1] + decision->xpu[0] + decision->xpu[1];
}
