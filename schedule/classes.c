// SPDX-License-Identifier: Apache-2.0
// From counts to two classes of bins: a histogram of groups, not a sort of experts.
#include "schedule/classes.h"

// An expert of more groups than the table has rows gets a rank of its own.
static uint32_t hot_rank(uint32_t groups, struct schedule_counted *counted) {
  if (counted->hot_experts < SCHEDULE_HOT) {
    counted->hot[counted->hot_experts] = (uint16_t)groups;
    return SCHEDULE_GROUPS + counted->hot_experts++;
  }
  counted->left_experts++;
  counted->left_groups += groups - SCHEDULE_GROUPS;
  return SCHEDULE_NEVER;
}

// Counts the experts first, first + step, ... by groups, and notes their ranks.
static void count_groups(const uint16_t *counts, uint32_t first, uint32_t step, uint32_t experts,
                         struct schedule_counted *counted, uint8_t *ranks) {
  uint32_t *histogram = counted->histogram;
  counted->hot_experts = counted->left_experts = counted->left_groups = 0;
  for (uint32_t *bin = histogram; bin <= histogram + SCHEDULE_GROUPS; bin++) *bin = 0;
  for (uint32_t e = first; e < experts; e += step) {
    const uint32_t groups = schedule_groups(counts[e]);
    uint32_t rank = groups - 1;  // of an expert without tokens SCHEDULE_NEVER, as a byte
    if (groups <= SCHEDULE_GROUPS) {
      histogram[groups]++;
    } else {
      rank = hot_rank(groups, counted);
    }
    ranks[e] = (uint8_t)rank;
  }
}

// Goes through the bins of a population, cold ones first.
struct cursor {
  const struct schedule_times *times;
  const struct schedule_counted *counted;
  uint32_t piece, cuts, population;
  uint32_t rank;  // of the next bin
};

// The next bin, and what its experts take if all are on the xPU. False if there is none.
static bool next_bin(struct cursor *cursor, struct schedule_bin *bin, uint32_t *xpu) {
  const struct schedule_times *times = cursor->times;
  const uint32_t *histogram = cursor->counted->histogram + 1;
  const uint32_t q = cursor->piece, cuts = cursor->cuts;
  uint32_t rank = cursor->rank, experts = 1;
  while (rank < SCHEDULE_GROUPS && histogram[rank] == 0) rank++;
  cursor->rank = rank + 1;
  uint32_t pim, least, groups = rank + 1;
  if (rank < SCHEDULE_GROUPS) {
    const struct schedule_row *row = &times->rows[groups];
    experts = histogram[rank];
    pim = row->pim[q][cuts], *xpu = row->xpu[q][0], least = row->xpu[q][cuts];
  } else {
    if (rank - SCHEDULE_GROUPS == cursor->counted->hot_experts) return false;
    groups = cursor->counted->hot[rank - SCHEDULE_GROUPS];
    pim = SCHEDULE_TIME(times, groups, pim[q][cuts]);
    *xpu = SCHEDULE_TIME(times, groups, xpu[q][0]);
    least = SCHEDULE_TIME(times, groups, xpu[q][cuts]);
  }
  *bin = (struct schedule_bin){(uint16_t)groups,           (uint16_t)experts, (uint8_t)rank,
                               (uint8_t)cursor->population, pim,               *xpu > least ? *xpu - least : 0};
  *xpu *= experts;
  return true;
}

// True if the first bin takes more off the xPU for each unit of Logic-PIM.
static bool before(const struct schedule_bin *a, const struct schedule_bin *b) {
  return (uint64_t)a->pim * b->relief <= (uint64_t)b->pim * a->relief;
}

static void append(struct schedule_class *class, struct schedule_bin *bins, const struct schedule_bin *bin,
                   uint32_t xpu) {
  bins[class->count++] = *bin;
  class->pim += bin->experts * bin->pim;
  class->xpu += xpu;
}

// The bins of one population, or those of two in order.
static void fill_bins(struct cursor cursors[2], struct schedule_bin *bins, struct schedule_class *class) {
  struct schedule_bin a, b;
  uint32_t a_xpu, b_xpu;
  bool has_a = next_bin(&cursors[0], &a, &a_xpu);
  bool has_b = class->populations == 2 && next_bin(&cursors[1], &b, &b_xpu);
  while (has_a || has_b) {
    if (has_a && (!has_b || before(&a, &b))) {
      append(class, bins, &a, a_xpu);
      has_a = next_bin(&cursors[0], &a, &a_xpu);
    } else {
      append(class, bins, &b, b_xpu);
      has_b = next_bin(&cursors[1], &b, &b_xpu);
    }
  }
}

static void fill_class(const struct schedule_times *times, struct schedule_work *work, uint32_t index,
                       struct schedule_class *class) {
  struct cursor cursors[2];
  for (uint32_t i = 0; i < class->populations; i++) {
    struct schedule_population *population = &class->population[i];
    const struct schedule_counted *counted = &work->counted[population->first];
    population->cuts = times->placement.parts[population->piece];
    population->knee = times->knee[population->piece];
    cursors[i] = (struct cursor){times, counted, population->piece, population->cuts, i, 0};
    class->xpu += counted->left_experts * times->rows[SCHEDULE_GROUPS].xpu[population->piece][0] +
                  counted->left_groups * times->slope.xpu[population->piece][0];
  }
  class->bins = work->bins[index];
  fill_bins(cursors, work->bins[index], class);
}

void schedule_classes(const struct schedule_times *times, const uint16_t *counts, struct schedule_work *work,
                      struct schedule_class classes[2]) {
  const uint32_t layout = times->placement.layout, step = layout == SCHEDULE_HALVED ? 1 : 2;
  for (uint32_t first = 0; first < step; first++)
    count_groups(counts, first, step, times->shape.experts, &work->counted[first], work->rank);
  for (uint32_t q = 0; q < 2; q++) {
    classes[q] = (struct schedule_class){.populations = 1};
    classes[q].population[0] = (struct schedule_population){.first = q, .step = 2, .piece = 0};
    if (layout == SCHEDULE_HALVED)
      classes[q].population[0] = (struct schedule_population){.first = 0, .step = 1, .piece = q};
    if (layout == SCHEDULE_SPLIT) {
      classes[q].populations = 2;
      classes[q].population[1] = (struct schedule_population){.first = 1 - q, .step = 2, .piece = 1};
    }
    fill_class(times, work, q, &classes[q]);
  }
}
