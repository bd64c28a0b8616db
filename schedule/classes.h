// SPDX-License-Identifier: Apache-2.0
// The two classes that `best` divides: what Logic-PIM can work on in phase 0 and in phase 1. They are the
// pieces 0 and 1 of all experts, or the even and the odd experts.
#ifndef DUPLEX_SCHEDULE_CLASSES_H
#define DUPLEX_SCHEDULE_CLASSES_H

#include "schedule/schedule.h"

#define SCHEDULE_NEVER 255u  // rank of an expert without tokens, and of hot ones beyond SCHEDULE_HOT

// Bins are in the order of their ratio pim / relief: those that Logic-PIM should take come first.
struct schedule_class {
  const struct schedule_bin *bins;
  uint32_t count;
  uint32_t piece, cuts, knee;  // of the table
  uint32_t pim, xpu;           // times if all is on Logic-PIM, if all is on the xPU
};

void schedule_classes(const struct schedule_times *times, const uint16_t *counts, struct schedule_work *work,
                      struct schedule_class classes[2]);

#endif
