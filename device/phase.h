// SPDX-License-Identifier: Apache-2.0
// One phase of a layer: bundles are divided between the sides, and each side works on the pieces in its own.
#ifndef DEVICE_PHASE_H
#define DEVICE_PHASE_H

#include "device/run.h"

// What a phase took on a stack, in clocks from its beginning.
struct phase_times {
  uint64_t logic_pim;  // from the first doorbell to the last completion, without what lies between jobs
  uint64_t xpu_reads;  // to the last data
  uint64_t all;        // until both sides are at rest
};

// Runs the phase on all stacks. Logic-PIM owns the bundles `owned`, the xPU the others; pieces whose bundles
// no side owns as a whole are left out. times[stacks].
int phase_run(struct moe_run *run, unsigned owned, struct phase_times *times);

#endif
