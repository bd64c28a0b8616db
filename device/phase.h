// SPDX-License-Identifier: Apache-2.0
// One phase of a layer: bundles are divided between the sides, and each side works on the pieces in its own.
#ifndef DEVICE_PHASE_H
#define DEVICE_PHASE_H

#include "device/run.h"

// What a phase took on a stack, in clocks. Both sides begin at the first doorbell. Registers that the host
// reads for statistics take clocks too, which count for nobody.
struct phase_times {
  uint64_t tokens;     // x of its jobs, written by the xPU before it; 0 if the phase before had room for that
  uint64_t hand_over;  // of the bundles, before the sides begin
  uint64_t logic_pim;  // of its jobs, from doorbell to completion
  uint64_t decision;   // of the first job, which the xPU waits for; 0 if the decision was made before
  // Of the xPU, to the last data: that decision, its weights, and beside them, in bundles that are its own, x
  // of jobs to come and sums of jobs before.
  uint64_t xpu;
};

// All of it is about the run's stage.
//
// Plans Logic-PIM's jobs of a phase on all stacks; of all phases of a stage, in their order, before the first
// one runs.
int phase_plan(struct moe_run *run, unsigned owned);

// Runs the phase on all stacks. Logic-PIM owns the bundles `owned`, the xPU the others; pieces whose bundles
// no side owns as a whole are left out. times[stacks].
int phase_run(struct moe_run *run, unsigned owned, struct phase_times *times);

// Behind the last phase: all bundles become the xPU's, and it reads the sums that are left. times[stacks]:
// hand_over, and xpu of the reads.
int phase_reduce(struct moe_run *run, struct phase_times *times);

// Gives back jobs that are left after an error.
void phase_drop(struct moe_run *run);

// All of these, of one stage after the other; their times go into the statistics and the events of the
// device. *clock: of the layer, where they begin and end.
int phases_run(struct moe_run *run, uint64_t *clock);

#endif
