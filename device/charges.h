// SPDX-License-Identifier: Apache-2.0
// What a layer costs beside its phases, by formulas (docs/device.md, "What the times are").
#ifndef DEVICE_CHARGES_H
#define DEVICE_CHARGES_H

#include "device/run.h"

// What the xPU tells of its works while Logic-PIM owns these bundles: all parts of an expert are one; of
// router and top-k; and of the output. Errors: the xPU's, with a text of the device.
int charges_estimate(struct moe_run *run, unsigned owned, uint64_t *clocks);
int charges_route(const struct moe_run *run, uint64_t *clocks);
int charges_combine(const struct moe_run *run, uint64_t *clocks);

// What it takes with reads of so many clocks, after its estimate: it does one expert after the other, of
// which the longer of the expert's part of the reads and its estimate counts.
uint64_t charges_in_turn(const struct moe_run *run, unsigned owned, uint64_t reads);

// What was decided, if it was; a launch of a kernel.
uint64_t charges_decide(const struct moe_run *run);
// Firmware on an RV32 controller decides within its first job, whose clocks have it then. The xPU decides,
// too, and its commands begin as many clocks behind the job's begin as the decision in it takes.
bool charges_decides_in_job(const struct moe_run *run);
uint64_t charges_decision_in_job(const struct moe_run *run);
// Clocks of the decision on the RV32 controller about experts with so many tokens each that lie so.
uint64_t charges_decision(const uint16_t *counts, size_t experts, const struct schedule_placement *placement);
uint64_t charges_decision_of(const struct moe_run *run);
// What a decision in a job takes besides: checks, and the counts that come with the message.
uint64_t charges_counts(size_t experts);
// Clocks in which the controller passes so many experts without work before the first ones of jobs, whose
// cuts it has decided, or are told by a list.
uint64_t charges_search(size_t skipped, bool decided);
// Clocks of so many instructions of it.
uint64_t charges_instructions(uint64_t instructions);
uint64_t charges_launch(const struct moe_run *run);
// The kernel of the first phase is launched while the controller decides.
uint64_t charges_first_launch(const struct moe_run *run);

// Charges something of the xPU's that begins at clock `begin`: to *sum of the statistics, and as an event.
// Returns its end.
uint64_t charges_note(struct moe_run *run, const char *name, uint64_t *sum, uint64_t begin, uint64_t clocks);

#endif
