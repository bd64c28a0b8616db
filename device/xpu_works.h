// SPDX-License-Identifier: Apache-2.0
// Works of the device on its xPU, whatever stands behind it.
#ifndef DEVICE_XPU_WORKS_H
#define DEVICE_XPU_WORKS_H

#include "device/stage.h"
#include "duplex/xpu.h"

// Does a work and returns when it has ended: 0 or its error.
int device_xpu_run(struct duplex_xpu *xpu, const struct duplex_xpu_work *work);

// Clocks of stacks with this clock of a work without launch; 0 if the xPU does not tell.
uint64_t device_xpu_clocks(struct duplex_xpu *xpu, unsigned clock_khz, const struct duplex_xpu_work *work);

// Of a part of an expert with so many inner columns, whose reads and writes are DRAM commands of their own.
uint64_t device_xpu_expert_clocks(struct duplex_xpu *xpu, unsigned clock_khz, unsigned tokens,
                                  unsigned hidden, unsigned inner, bool gated);

// The same of a stage with so many inner columns of UP, or rows of DOWN: the share that its products are of
// those of an expert.
uint64_t device_xpu_stage_clocks(struct duplex_xpu *xpu, unsigned clock_khz, enum stage_kind kind,
                                 const struct schedule_shape *shape, unsigned tokens, unsigned rows);

#endif
