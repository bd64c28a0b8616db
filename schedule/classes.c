// SPDX-License-Identifier: Apache-2.0
// From counts to two classes of bins: a histogram of groups, not a sort of experts.
#include "schedule/classes.h"

// An expert of more groups than the table has rows gets a rank of its own.
static uint32_t hot_rank(uint32_t groups, struct schedule_work *work) {
  if (work->hot_experts < SCHEDULE_HOT) {
    work->hot[work->hot_experts] = (uint16_t)groups;
    return SCHEDULE_GROUPS + work->hot_experts++;
  }
  work->left_experts++;
  work->left_groups += groups - SCHEDULE_GROUPS;
  return SCHEDULE_NEVER;
}

// Counts the experts first, first + step, ... by groups, and notes their ranks.
static void count_groups(const uint16_t *counts, uint32_t first, uint32_t step, uint32_t experts,
                         struct schedule_work *work) {
  uint32_t *histogram = work->histogram;
  work->hot_experts = work->left_experts = work->left_groups = 0;
  for (uint32_t *bin = histogram; bin <= histogram + SCHEDULE_GROUPS; bin++) *bin = 0;
  for (uint32_t e = first; e < experts; e += step) {
    const uint32_t groups = schedule_groups(counts[e]);
    uint32_t rank = groups - 1;  // of an expert without tokens SCHEDULE_NEVER, as a byte
    if (groups <= SCHEDULE_GROUPS) {
      histogram[groups]++;
    } else {
      rank = hot_rank(groups, work);
    }
    work->rank[e] = (uint8_t)rank;
  }
}

static void add_bin(uint32_t groups, uint32_t rank, uint32_t experts, const struct schedule_times *times,
                    struct schedule_bin *bins, struct schedule_class *class) {
  const uint32_t q = class->piece, cuts = class->cuts;
  const uint32_t pim = SCHEDULE_TIME(times, groups, pim[q][cuts]);
  const uint32_t xpu = SCHEDULE_TIME(times, groups, xpu[q][0]);
  const uint32_t least = SCHEDULE_TIME(times, groups, xpu[q][cuts]);
  bins[class->count++] =
      (struct schedule_bin){groups, rank, experts, pim, xpu > least ? xpu - least : 0};
  class->pim += experts * pim;
  class->xpu += experts * xpu;
}

// The bins of what was counted, for one piece.
static void fill_class(const struct schedule_times *times, uint32_t piece, const struct schedule_work *work,
                       struct schedule_bin *bins, struct schedule_class *class) {
  *class = (struct schedule_class){bins, 0, piece, times->placement.parts[piece], times->knee[piece], 0, 0};
  for (uint32_t g = 1; g <= SCHEDULE_GROUPS; g++)
    if (work->histogram[g]) add_bin(g, g - 1, work->histogram[g], times, bins, class);
  for (uint32_t i = 0; i < work->hot_experts; i++)
    add_bin(work->hot[i], SCHEDULE_GROUPS + i, 1, times, bins, class);
  class->xpu += work->left_experts * times->rows[SCHEDULE_GROUPS].xpu[piece][0] +
                work->left_groups * times->slope.xpu[piece][0];
}

void schedule_classes(const struct schedule_times *times, const uint16_t *counts, struct schedule_work *work,
                      struct schedule_class classes[2]) {
  const uint32_t experts = times->shape.experts;
  if (times->placement.layout == SCHEDULE_HALVED) {
    count_groups(counts, 0, 1, experts, work);
    for (uint32_t q = 0; q < 2; q++) fill_class(times, q, work, work->bins[q], &classes[q]);
    return;
  }
  for (uint32_t pair = 0; pair < 2; pair++) {
    count_groups(counts, pair, 2, experts, work);
    fill_class(times, 0, work, work->bins[pair], &classes[pair]);
  }
}
