// SPDX-License-Identifier: Apache-2.0
// Registers and traps of the RV32 processor.
#ifndef DUPLEX_RV32_CPU_H
#define DUPLEX_RV32_CPU_H

#include "backend/rv32/platform.h"

// Exceptions, as mcause has them.
enum {
  CAUSE_FETCH = 1,
  CAUSE_ILLEGAL = 2,
  CAUSE_BREAKPOINT = 3,
  CAUSE_LOAD = 5,
  CAUSE_STORE = 7,
  CAUSE_ECALL_U = 8,
  CAUSE_ECALL_M = 11
};

// `id` of Unicorn: UC_RISCV_REG_...
uint32_t cpu_register(const struct platform *p, int id);
void cpu_set_register(struct platform *p, int id, uint32_t value);

// Enters the firmware's handler. value: mtval.
void cpu_trap(struct platform *p, uint32_t cause, uint32_t pc, uint32_t value);

#define MSTATUS_MIE 0x8u  // interrupts are enabled

#endif
