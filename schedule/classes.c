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

// The ranks that there are, in order, until all `experts` are found; two bins of the histogram are looked at
// together.
static void list_ranks(struct schedule_counted *counted, uint32_t experts) {
  uint8_t *to = counted->rank;
  const uint32_t *pair = counted->histogram.pairs;
  uint32_t left = experts - counted->hot_experts - counted->left_experts - counted->histogram.groups[0];
  counted->histogram.groups[0] = 0;
  for (uint32_t rank = 0; left; rank += 2, pair++) {
    const uint32_t both = *pair, low = both % 65536, high = both >> 16;
    if (both == 0) continue;
    if (low) *to++ = (uint8_t)(rank - 1);
    if (high) *to++ = (uint8_t)rank;
    left -= low + high;
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

static void close_bins(struct schedule_bin *end, const struct schedule_bin *bins,
                       struct schedule_class *class) {
  end->pim = end->relief = end->rank = UINT32_MAX;
  class->bins = bins;
  class->count = (uint32_t)(end - bins);
}

// The bins of a class of one or two populations in order: the table tells what the pieces 1 overtake.
static void add_pieces(const struct schedule_times *times, const struct schedule_work *work,
                       struct schedule_bin *bins, struct schedule_class *class) {
  const struct schedule_counted *first = &work->counted[class->population[0].first];
  const struct schedule_counted *second = &work->counted[class->population[1].first];
  const uint8_t *a = first->rank, *b = second->rank;
  const uint8_t *const a_end = a + first->ranks, *const b_end =
                                                     class->populations == 2 ? b + second->ranks : b;
  struct schedule_bin *bin = bins;
  for (; a != a_end || b != b_end; bin++)
    if (b == b_end || (a != a_end && (*b >= SCHEDULE_GROUPS || times->overtaken[*b + 1] > *a))) {
      add_bin(times, first, 0, class->population[0].cuts, *a, bin, class);
      bin->rank = *a++;
    } else {
      add_bin(times, second, 1, class->population[1].cuts, *b, bin, class);
      bin->rank = *b++ | 1u << SCHEDULE_POPULATION;
    }
  close_bins(bin, bins, class);
}

// What the experts take the xPU for a piece that are left to it whatever is decided.
static uint32_t left_time(const struct schedule_times *times, const struct schedule_counted *counted,
                          uint32_t piece) {
  if (counted->left_experts == 0) return 0;
  return counted->left_experts * times->rows[SCHEDULE_GROUPS].xpu[piece][0] +
         counted->left_groups * times->slope.xpu[piece][0];
}

// Adds a population to a class.
static void add_population(const struct schedule_times *times, const struct schedule_work *work,
                           uint32_t first, uint32_t piece, struct schedule_class *class) {
  class->population[class->populations++] =
      (struct schedule_population){first, piece, times->placement.parts[piece], times->knee[piece]};
  class->xpu += left_time(times, &work->counted[first], piece);
}

void schedule_pairs(const struct schedule_times *times, const uint16_t *counts, struct schedule_work *work,
                    struct schedule_class classes[2]) {
  const uint32_t experts = times->shape.experts;
  for (uint32_t i = 0; i < 2; i++) clear(&work->counted[i]);
  count_groups(counts, experts, &work->counted[0], &work->counted[1], work->rank);
  for (uint32_t i = 0; i < 2; i++) list_ranks(&work->counted[i], (experts + 1 - i) / 2);
  for (uint32_t q = 0; q < 2; q++) {
    classes[q].populations = classes[q].pim = classes[q].xpu = 0;
    add_population(times, work, q, 0, &classes[q]);
    classes[q].population[1].first = 1 - q;
    if (times->placement.layout == SCHEDULE_SPLIT) add_population(times, work, 1 - q, 1, &classes[q]);
    add_pieces(times, work, work->bins[q], &classes[q]);
  }
}

void schedule_halves(const struct schedule_times *times, const uint16_t *counts, struct schedule_work *work,
                     struct schedule_class classes[2]) {
  struct schedule_counted *counted = &work->counted[0];
  const uint32_t first_cuts = times->placement.parts[0], second_cuts = times->placement.parts[1];
  clear(counted);
  count_groups(counts, times->shape.experts, counted, counted, work->rank);
  list_ranks(counted, times->shape.experts);
  classes[0].xpu = left_time(times, counted, 0);
  classes[1].xpu = left_time(times, counted, 1);
  struct schedule_bin *first = work->bins[0], *second = work->bins[1];
  const uint8_t *const end = counted->rank + counted->ranks;
  uint32_t first_xpu = 0, second_xpu = 0;
  for (const uint8_t *rank = counted->rank; rank != end; rank++, first++, second++) {
    first->rank = second->rank = *rank;
    if (*rank >= SCHEDULE_GROUPS) {
      add_bin(times, counted, 0, first_cuts, *rank, first, &classes[0]);
      add_bin(times, counted, 1, second_cuts, *rank, second, &classes[1]);
      continue;
    }
    const struct schedule_row *row = &times->rows[*rank + 1];
    const uint32_t experts = counted->histogram.groups[*rank + 1];
    const uint32_t first_all = row->xpu[0][0], second_all = row->xpu[1][0];
    first->experts = second->experts = experts;
    first->pim = row->pim[0][first_cuts];
    second->pim = row->pim[1][second_cuts];
    first->relief = first_all - row->xpu[0][first_cuts];
    second->relief = second_all - row->xpu[1][second_cuts];
    first_xpu += experts * first_all;
    second_xpu += experts * second_all;
  }
  classes[0].xpu += first_xpu;
  classes[1].xpu += second_xpu;
  close_bins(first, work->bins[0], &classes[0]);
  close_bins(second, work->bins[1], &classes[1]);
}
