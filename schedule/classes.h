// SPDX-License-Identifier: Apache-2.0
// The two classes that `best` divides: the pieces that Logic-PIM can work on in phase 0 and in phase 1.
#ifndef DUPLEX_SCHEDULE_CLASSES_H
#define DUPLEX_SCHEDULE_CLASSES_H

#include "schedule/schedule.h"

#define SCHEDULE_NEVER 255u  // rank of an expert without tokens, and of hot ones beyond SCHEDULE_HOT

#define SCHEDULE_POPULATION 8u  // bit of a bin's rank that tells the population

// Pieces of the same form: piece `piece` of the even experts (whose = 0) or the odd ones.
struct schedule_population {
  uint32_t whose;
  uint32_t piece, cuts;
  uint32_t mark;              // of the ranks of its bins
  const uint32_t *pim, *xpu;  // times of one group: of the last cut, of cut 0
  const struct schedule_counted *counted;
  const uint8_t *next, *end;  // ranks that are in no bin yet
};

// Bins are in the order of their ratio pim / relief, those that Logic-PIM should take first, and of each
// population in the order of ranks. They are made as far as a front comes: most decisions need half of them.
// Behind the last one of all stands one of no experts and UINT32_MAX.
struct schedule_class {
  struct schedule_bin *bins;
  uint32_t count;  // bins made
  uint32_t all;    // bins that there are
  uint32_t xpu;    // time if all is on the xPU
  uint32_t populations;
  struct schedule_population population[2];
};

// Rare paths stay calls, so that they do not make the firmware longer.
#define SCHEDULE_RARELY __attribute__((cold, noinline))

// Experts of a rank that there is.
static inline uint32_t schedule_rank_experts(const struct schedule_counted *counted, uint32_t rank) {
  return rank < SCHEDULE_GROUPS ? counted->histogram.groups[rank + 1] : 1;
}

// Groups of an expert of a rank.
static inline uint32_t schedule_rank_groups(const struct schedule_counted *counted, uint32_t rank) {
  return rank < SCHEDULE_GROUPS ? rank + 1 : counted->hot[rank - SCHEDULE_GROUPS];
}

// The times of the cuts of a piece.
struct schedule_cut_times {
  const uint32_t *pim, *xpu;
};

// Those of piece q of a hot expert, which are put together in `hot`.
SCHEDULE_RARELY struct schedule_cut_times schedule_hot_cut_times(const struct schedule_times *times,
                                                                 uint32_t groups, uint32_t q,
                                                                 uint32_t hot[2][SCHEDULE_CUTS]);

// Those of piece q of the experts of a rank.
static inline struct schedule_cut_times schedule_cut_times(const struct schedule_times *times,
                                                           const struct schedule_counted *counted,
                                                           uint32_t rank, uint32_t q,
                                                           uint32_t hot[2][SCHEDULE_CUTS]) {
  if (rank >= SCHEDULE_GROUPS)
    return schedule_hot_cut_times(times, counted->hot[rank - SCHEDULE_GROUPS], q, hot);
  return (struct schedule_cut_times){times->rows[rank + 1].pim[q], times->rows[rank + 1].xpu[q]};
}

// Fills in both classes of pieces in pairs of bundles, without bins, and the ranks of all experts.
void schedule_pairs(const struct schedule_times *times, const uint16_t *counts, struct schedule_work *work,
                    struct schedule_class classes[2]);

// Halves and copies, which need no bins: fills in work->counted[0] and the ranks of all experts.
void schedule_count_all(const struct schedule_times *times, const uint16_t *counts,
                        struct schedule_work *work);

// Makes the next bin of a class. False if there is none.
bool schedule_grow(const struct schedule_times *times, struct schedule_class *class);

// True if there is a bin with that index, which is at most the number of those made.
static inline bool schedule_has_bin(const struct schedule_times *times, struct schedule_class *class,
                                    uint32_t bin) {
  return bin < class->count || schedule_grow(times, class);
}

#endif
