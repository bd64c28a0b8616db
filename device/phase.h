// SPDX-License-Identifier: Apache-2.0
// One phase of a layer: bundles are divided between the sides, and each side works on the pieces in its own.
#ifndef DEVICE_PHASE_H
#define DEVICE_PHASE_H

#include "device/run.h"

// What a phase took on a stack, in clocks. Both sides begin at the first doorbell. Registers that the host
// reads for statistics take clocks too, which count for nobody.
struct phase_times {
  uint64_t hand_over;  // of the bundles, before the sides begin
  uint64_t logic_pim;  // of its jobs, from doorbell to completion
  uint64_t xpu_reads;  // to the last data
};

// Runs the phase on all stacks. Logic-PIM owns the bundles `owned`, the xPU the others; pieces whose bundles
// no side owns as a whole are left out. times[stacks].
int phase_run(struct moe_run *run, unsigned owned, struct phase_times *times);

#endif
