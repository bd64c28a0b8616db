// SPDX-License-Identifier: Apache-2.0
// Decides a run of an MoE layer: by the policy of the device, which asks whether a decision pays, or by one
// of the schedule's.
#ifndef DEVICE_DECIDE_H
#define DEVICE_DECIDE_H

#include "device/run.h"

void run_decide(struct moe_run *run);
void run_decide_by(struct moe_run *run, enum schedule_policy policy);

#endif
