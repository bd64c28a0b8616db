// SPDX-License-Identifier: Apache-2.0
// What a layer costs beside the phases' streams, by formulas (docs/device.md, "What the times are").
#ifndef DEVICE_CHARGES_H
#define DEVICE_CHARGES_H

#include "device/run.h"

// Of the pieces that Logic-PIM works on while it owns these bundles, in clocks of the xPU's path to the
// slowest stack: x of its experts, written; its partial sums, read.
struct traffic {
  uint64_t x, sums;
};
struct traffic charges_traffic(const struct moe_run *run, unsigned owned);

// What the xPU tells of its works while Logic-PIM owns these bundles: all parts of an expert are one.
uint64_t charges_estimate(const struct moe_run *run, unsigned owned);

// Router and top-k; the decision of the policy; a launch of a kernel; the output.
uint64_t charges_route(const struct moe_run *run);
uint64_t charges_decide(const struct moe_run *run);
// Clocks of the decision of a layer on the RV32 controller.
uint64_t charges_decision(size_t tokens, size_t experts, bool halved);
uint64_t charges_launch(const struct moe_run *run);
uint64_t charges_combine(const struct moe_run *run);

#endif
