// SPDX-License-Identifier: Apache-2.0
// Does one work of duplex/xpu.h on the host's processor.
#ifndef XPU_WORK_H
#define XPU_WORK_H

#include "duplex/xpu.h"

// Errors: those of the functions that do it.
int xpu_work_run(const struct duplex_xpu_work *work, unsigned threads);

#endif
