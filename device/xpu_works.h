// SPDX-License-Identifier: Apache-2.0
// Works of the device on its xPU, whatever stands behind it, and what is told of those that fail.
#ifndef DEVICE_XPU_WORKS_H
#define DEVICE_XPU_WORKS_H

#include "device/device.h"
#include "device/stage.h"

// Does a work with what lies on this stack, and returns when it has ended: 0 or its error, of which
// device_each_stack tells.
int device_xpu_run(struct duplex_device *device, unsigned stack, const struct duplex_xpu_work *work);

// What the xPU tells of a work, without launch; 0 with an error. *clocks: of stacks with this clock.
int device_xpu_picoseconds(struct duplex_xpu *xpu, const struct duplex_xpu_work *work, uint64_t *picoseconds);
int device_xpu_clocks(struct duplex_xpu *xpu, unsigned clock_khz, const struct duplex_xpu_work *work,
                      uint64_t *clocks);

// Of a part of an expert with so many inner columns, whose reads and writes are DRAM commands of their own.
int device_xpu_expert_clocks(struct duplex_xpu *xpu, unsigned clock_khz, unsigned tokens, unsigned hidden,
                             unsigned inner, bool gated, uint64_t *clocks);

// The same of a stage with so many inner columns of UP, or rows of DOWN: the share that its products are of
// those of an expert.
int device_xpu_stage_clocks(struct duplex_xpu *xpu, unsigned clock_khz, enum stage_kind kind,
                            const struct schedule_shape *shape, unsigned tokens, unsigned rows,
                            uint64_t *clocks);

// One line: which call of which xPU returned this code.
void device_xpu_text(const struct duplex_xpu *xpu, const char *call, int error, char *text, size_t size);
// Notes it as the device's last error, and returns the code; of 0 nothing.
int device_xpu_note(struct duplex_device *device, const char *call, int error);

#endif
