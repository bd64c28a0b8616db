// SPDX-License-Identifier: Apache-2.0
// Decides a run of an MoE layer: by the policy of the device, which asks whether a decision pays, or by one
// of the schedule's. And what such a run is predicted to take.
#ifndef DEVICE_DECIDE_H
#define DEVICE_DECIDE_H

#include "device/run.h"

void run_decide(struct moe_run *run);
void run_decide_by(struct moe_run *run, enum schedule_policy policy);

// The run of a layer with so many tokens of each expert: it has as many as its largest expert at least.
struct moe_run run_expected(const struct duplex_moe *moe, uint16_t *counts);
// Clocks of a run as it is decided, without the decision and the launches, of which there are *phases.
uint64_t run_predict(struct moe_run *run, unsigned *phases);

// Weighs the decisions of `best` about a layer that has its tables.
void run_weigh(struct duplex_moe *moe);

#endif
