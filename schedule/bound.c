// SPDX-License-Identifier: Apache-2.0
// The bound: least time of a fractional division of a layer's experts over both sides.
#include "schedule/schedule.h"

#define THREE 2u  // Logic-PIM's best bundles beside an xPU that streams too
#define FOUR 3u

struct load {
  uint64_t pim, xpu;
};

// True if a share of `a` takes more time off the xPU for each unit of Logic-PIM than one of `b`.
static bool before(const struct load *a, const struct load *b) { return a->pim * b->xpu < b->pim * a->xpu; }

static void sort(struct load *loads, uint32_t count) {
  for (uint32_t i = 1; i < count; i++) {
    const struct load load = loads[i];
    uint32_t at = i;
    for (; at > 0 && before(&load, &loads[at - 1]); at--) loads[at] = loads[at - 1];
    loads[at] = load;
  }
}

// Loads in order: the first ones whole to Logic-PIM, one in the fraction that lets both sides end together.
static uint64_t divide(const struct load *loads, uint32_t count) {
  uint64_t pim = 0;
  uint64_t xpu = 0;
  for (uint32_t i = 0; i < count; i++) xpu += loads[i].xpu;
  for (uint32_t i = 0; i < count; i++) {
    const struct load *load = &loads[i];
    if (pim + load->pim >= xpu - load->xpu) return pim + load->pim * (xpu - pim) / (load->pim + load->xpu);
    pim += load->pim;
    xpu -= load->xpu;
  }
  return pim;
}

uint32_t schedule_bound(const struct schedule_times *times, const uint16_t *counts) {
  struct load loads[SCHEDULE_EXPERTS];
  uint32_t count = 0;
  uint64_t alone = 0;
  for (uint32_t e = 0; e < times->shape.experts; e++) {
    const uint32_t groups = schedule_groups(counts[e]);
    if (groups == 0) continue;
    loads[count++] =
        (struct load){SCHEDULE_TIME(times, groups, striped[THREE]), SCHEDULE_TIME(times, groups, whole)};
    alone += SCHEDULE_TIME(times, groups, striped[FOUR]);
  }
  sort(loads, count);
  const uint64_t both = divide(loads, count);
  return (uint32_t)(both < alone ? both : alone);
}
