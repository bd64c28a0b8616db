// SPDX-License-Identifier: Apache-2.0
// The two classes that `best` divides: the pieces that Logic-PIM can work on in phase 0 and in phase 1.
#ifndef DUPLEX_SCHEDULE_CLASSES_H
#define DUPLEX_SCHEDULE_CLASSES_H

#include "schedule/schedule.h"

#define SCHEDULE_NEVER 255u  // rank of an expert without tokens, and of hot ones beyond SCHEDULE_HOT

#define SCHEDULE_POPULATION 8u  // bit of a bin's rank that tells the population

// Pieces of the same form: piece `piece` of the even experts (first = 0) or the odd ones.
struct schedule_population {
  uint32_t first, piece;
  uint32_t cuts, knee;  // of the table
};

// Bins are in the order of their ratio pim / relief, those that Logic-PIM should take first, and of each
// population in the order of ranks. Behind the last one stands one of nothing but UINT32_MAX.
struct schedule_class {
  const struct schedule_bin *bins;
  uint32_t count;
  uint32_t xpu;  // time if all is on the xPU
  // Not of halves, which have one population of all experts:
  uint32_t pim;  // time if all is on Logic-PIM
  uint32_t populations;
  struct schedule_population population[2];
};

// Fill in both classes and the ranks of all experts: of halves, whose bins are of the same experts, and of
// pieces in pairs of bundles.
void schedule_halves(const struct schedule_times *times, const uint16_t *counts, struct schedule_work *work,
                     struct schedule_class classes[2]);
void schedule_pairs(const struct schedule_times *times, const uint16_t *counts, struct schedule_work *work,
                    struct schedule_class classes[2]);

#endif
