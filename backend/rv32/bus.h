// SPDX-License-Identifier: Apache-2.0
// The registers that the firmware sees: those of the stack and those of the platform.
#ifndef DUPLEX_RV32_BUS_H
#define DUPLEX_RV32_BUS_H

#include "backend/rv32/platform.h"

// Maps both into the memory of the engine; false: Unicorn cannot.
bool bus_map(struct platform *p);

// RV32_PENDING now, once the stack has had its clocks.
uint32_t bus_pending(struct platform *p);

#endif
