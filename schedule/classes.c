// SPDX-License-Identifier: Apache-2.0
// From counts to two classes of bins: a histogram of groups, not a sort of experts.
#include "schedule/classes.h"

#define ROW_WORDS (sizeof(struct schedule_row) / sizeof(uint32_t))

// An expert of more groups than the table has rows gets a rank of its own.
static uint32_t hot_rank(uint32_t groups, struct schedule_counted *counted) {
  counted->more_groups += groups - SCHEDULE_GROUPS;
  if (counted->hot_experts < SCHEDULE_HOT) {
    counted->hot[counted->hot_experts] = (uint16_t)groups;
    return SCHEDULE_GROUPS + counted->hot_experts++;
  }
  counted->left_experts++;
  return SCHEDULE_NEVER;
}

static void clear(struct schedule_counted *counted) {
  uint32_t *four = counted->histogram.fours;
  for (; four < counted->histogram.fours + SCHEDULE_GROUPS / 4; four += 8)
    four[0] = four[1] = four[2] = four[3] = four[4] = four[5] = four[6] = four[7] = 0;
  *four = 0;
  counted->hot_experts = counted->left_experts = counted->more_groups = 0;
}

// Counts experts by groups, and notes their ranks.
static inline uint32_t count_expert(uint32_t tokens, struct schedule_counted *counted) {
  const uint32_t groups = schedule_groups(tokens);
  if (groups > SCHEDULE_GROUPS) return hot_rank(groups, counted);
  counted->histogram.groups[groups]++;
  return groups - 1;  // of an expert without tokens SCHEDULE_NEVER, as a byte
}

// Even experts to the one, odd ones to the other, which may be the same. Ranks are written up to whole words.
static void count_groups(const uint16_t *counts, uint32_t experts, struct schedule_counted *even,
                         struct schedule_counted *odd, uint8_t *ranks) {
  const uint16_t *const end = counts + experts / 4 * 4;
  for (; counts < end; counts += 4, ranks += 4) {
    ranks[0] = (uint8_t)count_expert(counts[0], even);
    ranks[1] = (uint8_t)count_expert(counts[1], odd);
    ranks[2] = (uint8_t)count_expert(counts[2], even);
    ranks[3] = (uint8_t)count_expert(counts[3], odd);
  }
  if (experts % 4 == 0) return;
  for (uint32_t i = 0; i < 4; i++)
    ranks[i] = i < experts % 4 ? (uint8_t)count_expert(counts[i], i % 2 ? odd : even) : SCHEDULE_NEVER;
}

// The ranks that there are, in order, until all `experts` are found, and what their pieces take the xPU; four
// bins of the histogram are looked at together.
static void list_ranks(const struct schedule_times *times, struct schedule_counted *counted,
                       uint32_t experts) {
  const uint32_t hot = counted->hot_experts + counted->left_experts;
  uint8_t *to = counted->rank;
  uint32_t left = experts - hot - counted->histogram.groups[0];
  uint32_t first = 0;
  uint32_t second = 0;
  if (hot) {
    const struct schedule_row *row = &times->rows[SCHEDULE_GROUPS];
    first = hot * row->xpu[0][0] + counted->more_groups * times->slope.xpu[0][0];
    second = hot * row->xpu[1][0] + counted->more_groups * times->slope.xpu[1][0];
  }
  counted->histogram.groups[0] = 0;
  const uint32_t *fours = counted->histogram.fours;
  for (uint32_t groups = 0; left; groups += 4) {
    uint32_t four = *fours++;
    if (four == 0) continue;
    const struct schedule_row *row = &times->rows[groups];
    for (uint32_t rank = groups - 1; four; four >>= 8, row++, rank++) {
      const uint32_t bin = four % 256;
      if (bin == 0) continue;
      *to++ = (uint8_t)rank;
      left -= bin;
      first += bin * row->xpu[0][0];
      second += bin * row->xpu[1][0];
    }
  }
  for (uint32_t i = 0; i < counted->hot_experts; i++) *to++ = (uint8_t)(SCHEDULE_GROUPS + i);
  counted->ranks = (uint32_t)(to - counted->rank);
  counted->xpu[0] = first;
  counted->xpu[1] = second;
}

struct schedule_cut_times schedule_hot_cut_times(const struct schedule_times *times, uint32_t groups,
                                                 uint32_t q, uint32_t hot[2][SCHEDULE_CUTS]) {
  const struct schedule_row *row = &times->rows[SCHEDULE_GROUPS];
  const uint32_t more = groups - SCHEDULE_GROUPS;
  for (uint32_t cut = 0; cut <= times->placement.parts[q]; cut++) {
    hot[0][cut] = row->pim[q][cut] + more * times->slope.pim[q][cut];
    hot[1][cut] = row->xpu[q][cut] + more * times->slope.xpu[q][cut];
  }
  return (struct schedule_cut_times){hot[0], hot[1]};
}

// What the pieces of a hot expert take, `more` groups beyond the last row, if a bin has those of that row.
static void add_slope(const struct schedule_times *times, const struct schedule_population *population,
                      uint32_t more, struct schedule_bin *bin) {
  const uint32_t *xpu = times->slope.xpu[population->piece];
  bin->pim += more * times->slope.pim[population->piece][population->cuts];
  bin->relief += more * (xpu[0] - xpu[population->cuts]);
}

// True if the next bin is of the population of pieces 1: the table tells what they overtake.
static inline bool second_is_next(const struct schedule_times *times,
                                  const struct schedule_population population[2]) {
  const uint8_t *a = population[0].next;
  const uint8_t *b = population[1].next;
  if (b == population[1].end) return false;
  return a == population[0].end || (*b < SCHEDULE_GROUPS && times->overtaken[*b + 1] <= *a);
}

bool schedule_grow(const struct schedule_times *times, struct schedule_class *class) {
  struct schedule_population *population = class->population;
  struct schedule_bin *bin = &class->bins[class->count];
  if (class->populations == 2 && second_is_next(times, population)) population++;
  if (population->next == population->end) {
    *bin = (struct schedule_bin){0, UINT32_MAX, UINT32_MAX, UINT32_MAX};
    return false;
  }
  const uint32_t rank = *population->next++;
  const uint32_t row = (rank < SCHEDULE_GROUPS ? rank : SCHEDULE_GROUPS - 1) * ROW_WORDS;
  const uint32_t *xpu = &population->xpu[row];
  class->count++;
  bin->rank = rank | population->mark;
  bin->experts = rank < SCHEDULE_GROUPS ? population->counted->histogram.groups[rank + 1] : 1;
  bin->pim = population->pim[row];
  bin->relief = xpu[0] - xpu[population->cuts];
  if (rank >= SCHEDULE_GROUPS)
    add_slope(times, population, population->counted->hot[rank - SCHEDULE_GROUPS] - SCHEDULE_GROUPS, bin);
  return true;
}

// Adds a population to a class: the pieces of the experts that are counted there.
static inline void add_population(const struct schedule_times *times, const struct schedule_counted *counted,
                                  uint32_t whose, uint32_t piece, struct schedule_class *class) {
  const uint32_t index = class->populations++;
  const uint32_t cuts = times->placement.parts[piece];
  struct schedule_population *population = &class->population[index];
  population->whose = whose;
  population->piece = piece;
  population->mark = index << SCHEDULE_POPULATION;
  population->cuts = cuts;
  population->pim = &times->rows[1].pim[piece][cuts];
  population->xpu = times->rows[1].xpu[piece];
  population->counted = counted;
  population->next = counted->rank;
  population->end = counted->rank + counted->ranks;
  class->all += counted->ranks;
  class->xpu += counted->xpu[piece];
}

void schedule_pairs(const struct schedule_times *times, const uint16_t *counts, struct schedule_work *work,
                    struct schedule_class classes[2]) {
  const uint32_t experts = times->shape.experts;
  for (uint32_t i = 0; i < 2; i++) clear(&work->counted[i]);
  count_groups(counts, experts, &work->counted[0], &work->counted[1], work->rank);
  for (uint32_t i = 0; i < 2; i++) list_ranks(times, &work->counted[i], (experts + 1 - i) / 2);
  for (uint32_t q = 0; q < 2; q++) {
    classes[q].bins = work->bins[q];
    classes[q].count = classes[q].all = classes[q].populations = classes[q].xpu = 0;
    add_population(times, &work->counted[q], q, 0, &classes[q]);
    if (times->placement.layout == SCHEDULE_SPLIT)
      add_population(times, &work->counted[1 - q], 1 - q, 1, &classes[q]);
  }
}

// Of 256 experts that all have as many groups, which a byte does not count, their rank. False if they have
// not.
SCHEDULE_RARELY static bool list_one_rank(const struct schedule_times *times, uint32_t tokens,
                                          struct schedule_counted *counted) {
  const uint32_t groups = schedule_groups(tokens);
  if (groups > SCHEDULE_GROUPS || counted->histogram.groups[groups]) return false;
  counted->ranks = groups != 0;
  counted->rank[0] = (uint8_t)(groups - 1);
  for (uint32_t q = 0; q < SCHEDULE_PIECES; q++)
    counted->xpu[q] = SCHEDULE_EXPERTS * times->rows[groups].xpu[q][0];
  return true;
}

void schedule_count_all(const struct schedule_times *times, const uint16_t *counts,
                        struct schedule_work *work) {
  struct schedule_counted *counted = &work->counted[0];
  const uint32_t experts = times->shape.experts;
  clear(counted);
  count_groups(counts, experts, counted, counted, work->rank);
  if (experts == SCHEDULE_EXPERTS && list_one_rank(times, counts[0], counted)) return;
  list_ranks(times, counted, experts);
}
