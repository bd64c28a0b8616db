// SPDX-License-Identifier: Apache-2.0
// The policies by name; those with one side.
#include "duplex/arithmetic.h"
#include "schedule/policies.h"

// Every expert on one side, one after another, from four bundles.
static void one_side(enum schedule_policy policy, const struct schedule_times *times, const uint16_t *counts,
                     struct schedule_decision *decision) {
  const bool pim = policy == SCHEDULE_PIM;
  uint32_t sum = 0;
  for (uint32_t e = 0; e < times->shape.experts; e++) {
    const uint32_t groups = schedule_groups(counts[e]);
    sum += pim ? SCHEDULE_TIME(times, groups, striped[SCHEDULE_BUNDLES - 1])
               : SCHEDULE_TIME(times, groups, whole);
    decision->cut[0][e] = pim && groups;
    decision->cut[1][e] = 0;
  }
  decision->owned[0] = SCHEDULE_ALL_BUNDLES;
  if (pim) {
    decision->pim[0] = sum;
  } else {
    decision->xpu[0] = sum;
  }
}

void schedule_decide(enum schedule_policy policy, const struct schedule_times *times, const uint16_t *counts,
                     struct schedule_work *work, struct schedule_decision *decision) {
  decision->policy = policy;
  decision->spaces = decision->owned[0] = decision->owned[1] = 0;
  decision->divided = decision->groups = 0;
  decision->pim[0] = decision->pim[1] = decision->xpu[0] = decision->xpu[1] = 0;
  switch (policy) {
    case SCHEDULE_XPU:
    case SCHEDULE_PIM:
      one_side(policy, times, counts, decision);
      break;
    case SCHEDULE_PAPER:
      schedule_paper(times, counts, decision);
      break;
    case SCHEDULE_SPACES:
      schedule_spaces(times, counts, decision);
      break;
    case SCHEDULE_TURNS:
      schedule_turns(times, counts, decision);
      break;
    default:
      schedule_best(times, counts, work, decision);
  }
  decision->total =
      duplex_larger(decision->pim[0], decision->xpu[1]) + duplex_larger(decision->pim[1], decision->xpu[0]);
}
