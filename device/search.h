// SPDX-License-Identifier: Apache-2.0
// What an RV32 controller takes to find the experts of jobs in its lists.
#ifndef DEVICE_SEARCH_H
#define DEVICE_SEARCH_H

#include "device/run.h"

// Clocks by which the jobs of phase `number` of the run's stage take longer for that, which `phase` tells
// without them; by the pieces of one stack.
uint64_t search_clocks(const struct moe_run *run, unsigned stack, unsigned number,
                       const struct schedule_phase *phase);

#endif
