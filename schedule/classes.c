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

static void clear(struct schedule_counted *counted) {
  uint32_t *pair = counted->histogram.pairs;
  for (; pair < counted->histogram.pairs + SCHEDULE_GROUPS / 2; pair += 8)
    pair[0] = pair[1] = pair[2] = pair[3] = pair[4] = pair[5] = pair[6] = pair[7] = 0;
  *pair = 0;
  counted->hot_experts = counted->left_experts = counted->left_groups = 0;
}

// Counts experts by groups, and notes their ranks.
static inline uint32_t count_expert(uint32_t tokens, struct schedule_counted *counted) {
  const uint32_t groups = schedule_groups(tokens);
  if (groups > SCHEDULE_GROUPS) return hot_rank(groups, counted);
  counted->histogram.groups[groups]++;
  return groups - 1;  // of an expert without tokens SCHEDULE_NEVER, as a byte
}

// Even experts to the one, odd ones to the other, which may be the same.
static void count_groups(const uint16_t *counts, uint32_t experts, struct schedule_counted *even,
                         struct schedule_counted *odd, uint8_t *ranks) {
  const uint16_t *const end = counts + experts / 2 * 2;
  for (; counts < end; counts += 2, ranks += 2) {
    ranks[0] = (uint8_t)count_expert(counts[0], even);
    ranks[1] = (uint8_t)count_expert(counts[1], odd);
  }
  if (experts % 2) *ranks++ = (uint8_t)count_expert(*counts, even);
  for (uint32_t e = experts; e % 4; e++) *ranks++ = SCHEDULE_NEVER;
}

// The ranks that there are, in order; two bins of the histogram are looked at together.
static void list_ranks(struct schedule_counted *counted) {
  uint8_t *to = counted->rank;
  counted->histogram.groups[0] = 0;
  for (uint32_t i = 0; i <= SCHEDULE_GROUPS / 2; i++) {
    if (counted->histogram.pairs[i] == 0) continue;
    if (counted->histogram.groups[2 * i]) *to++ = (uint8_t)(2 * i - 1);
    if (counted->histogram.groups[2 * i + 1]) *to++ = (uint8_t)(2 * i);
  }
  for (uint32_t i = 0; i < counted->hot_experts; i++) *to++ = (uint8_t)(SCHEDULE_GROUPS + i);
  counted->ranks = (uint32_t)(to - counted->rank);
}

// Adds the bin of a rank to its class; `piece` and `cuts`: of its population.
static inline void add_bin(const struct schedule_times *times, const struct schedule_counted *counted,
                           uint32_t piece, uint32_t cuts, uint32_t rank, struct schedule_bin *bin,
                           struct schedule_class *class) {
  const struct schedule_row *row = &times->rows[SCHEDULE_GROUPS];
  uint32_t experts = 1, more = 0;
  if (rank < SCHEDULE_GROUPS) {
    row = &times->rows[rank + 1];
    experts = counted->histogram.groups[rank + 1];
  } else {
    more = counted->hot[rank - SCHEDULE_GROUPS] - SCHEDULE_GROUPS;
  }
  uint32_t pim = row->pim[piece][cuts], xpu = row->xpu[piece][0], least = row->xpu[piece][cuts];
  if (more) {
    pim += more * times->slope.pim[piece][cuts];
    xpu += more * times->slope.xpu[piece][0];
    least += more * times->slope.xpu[piece][cuts];
  }
  bin->experts = experts;
  bin->pim = pim;
  bin->relief = xpu - least;
  class->pim += experts * pim;
  class->xpu += experts * xpu;
}

// The bins of a class of one population.
static struct schedule_bin *add_one(const struct schedule_times *times,
                                    const struct schedule_counted *counted, struct schedule_bin *bin,
                                    struct schedule_class *class) {
  const uint32_t piece = class->population[0].piece, cuts = class->population[0].cuts;
  const uint8_t *const end = counted->rank + counted->ranks;
  uint32_t pim = 0, xpu = 0;
  const uint8_t *rank = counted->rank;
  for (; rank != end && *rank < SCHEDULE_GROUPS; rank++, bin++) {
    const struct schedule_row *row = &times->rows[*rank + 1];
    const uint32_t experts = counted->histogram.groups[*rank + 1], all = row->xpu[piece][0];
    bin->experts = experts;
    bin->pim = row->pim[piece][cuts];
    bin->relief = all - row->xpu[piece][cuts];
    bin->rank = *rank;
    pim += experts * bin->pim;
    xpu += experts * all;
  }
  class->pim += pim;
  class->xpu += xpu;
  for (; rank != end; rank++, bin++) {
    add_bin(times, counted, piece, cuts, *rank, bin, class);
    bin->rank = *rank;
  }
  return bin;
}

// The bins of a class of two populations in order: the table tells what the pieces 1 overtake.
static struct schedule_bin *add_two(const struct schedule_times *times, const struct schedule_counted *first,
                                    const struct schedule_counted *second, struct schedule_bin *bin,
                                    struct schedule_class *class) {
  const uint8_t *a = first->rank, *b = second->rank;
  const uint8_t *const a_end = a + first->ranks, *const b_end = b + second->ranks;
  for (; a != a_end || b != b_end; bin++)
    if (b == b_end || (a != a_end && (*b >= SCHEDULE_GROUPS || times->overtaken[*b + 1] > *a))) {
      add_bin(times, first, 0, class->population[0].cuts, *a, bin, class);
      bin->rank = *a++;
    } else {
      add_bin(times, second, 1, class->population[1].cuts, *b, bin, class);
      bin->rank = *b++ | 1u << SCHEDULE_POPULATION;
    }
  return bin;
}

// What stays on the xPU whatever is decided.
static uint32_t left_over(const struct schedule_times *times, const struct schedule_counted *counted,
                          uint32_t piece) {
  if (counted->left_experts == 0) return 0;
  return counted->left_experts * times->rows[SCHEDULE_GROUPS].xpu[piece][0] +
         counted->left_groups * times->slope.xpu[piece][0];
}

// The bins of a class whose populations are set.
static void fill_class(const struct schedule_times *times, struct schedule_work *work, uint32_t index,
                       struct schedule_class *class) {
  struct schedule_bin *const bins = work->bins[index], *end;
  const struct schedule_counted *counted[2] = {&work->counted[class->population[0].first],
                                               &work->counted[class->population[1].first]};
  for (uint32_t i = 0; i < class->populations; i++) {
    struct schedule_population *population = &class->population[i];
    population->cuts = times->placement.parts[population->piece];
    population->knee = times->knee[population->piece];
    class->xpu += left_over(times, counted[i], population->piece);
  }
  if (class->populations == 1) {
    end = add_one(times, counted[0], bins, class);
  } else {
    end = add_two(times, counted[0], counted[1], bins, class);
  }
  end->pim = end->relief = UINT32_MAX;
  class->bins = bins;
  class->count = (uint32_t)(end - bins);
}

void schedule_classes(const struct schedule_times *times, const uint16_t *counts, struct schedule_work *work,
                      struct schedule_class classes[2]) {
  const uint32_t layout = times->placement.layout, kinds = layout == SCHEDULE_HALVED ? 1 : 2;
  for (uint32_t i = 0; i < kinds; i++) clear(&work->counted[i]);
  count_groups(counts, times->shape.experts, &work->counted[0], &work->counted[kinds - 1], work->rank);
  for (uint32_t i = 0; i < kinds; i++) list_ranks(&work->counted[i]);
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
