// SPDX-License-Identifier: Apache-2.0
// What the xPU tells of its works.
#ifndef DEVICE_XPU_ESTIMATE_H
#define DEVICE_XPU_ESTIMATE_H

#include "duplex/xpu.h"

// Clocks of 650 MHz of a work without launch; 0 if the xPU does not tell.
uint64_t xpu_estimate(struct duplex_xpu *xpu, const struct duplex_xpu_work *work);

// Of a part of an expert with so many inner columns, whose results are binary16.
uint64_t xpu_estimate_expert(struct duplex_xpu *xpu, unsigned tokens, unsigned hidden, unsigned inner,
                             bool gated);

#endif
