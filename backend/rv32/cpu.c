// SPDX-License-Identifier: Apache-2.0
// Registers and traps of the RV32 processor.
#include "backend/rv32/cpu.h"

#define MSTATUS_MPIE 0x80u
#define MSTATUS_MPP 0x1800u

uint32_t cpu_register(const struct platform *p, int id) {
  uint64_t value = 0;
  uc_reg_read(p->engine, id, &value);
  return (uint32_t)value;
}

void cpu_set_register(struct platform *p, int id, uint32_t value) {
  uint64_t wide = value;
  uc_reg_write(p->engine, id, &wide);
}

void cpu_trap(struct platform *p, uint32_t cause, uint32_t pc, uint32_t value) {
  const uint32_t status = cpu_register(p, UC_RISCV_REG_MSTATUS);
  const uint32_t previous = status & MSTATUS_MIE ? MSTATUS_MPIE : 0;
  cpu_set_register(p, UC_RISCV_REG_MEPC, pc);
  cpu_set_register(p, UC_RISCV_REG_MCAUSE, cause);
  cpu_set_register(p, UC_RISCV_REG_MTVAL, value);
  cpu_set_register(p, UC_RISCV_REG_MSTATUS,
                   (status & ~(MSTATUS_MIE | MSTATUS_MPIE)) | previous | MSTATUS_MPP);
  p->pc = cpu_register(p, UC_RISCV_REG_MTVEC) & ~3u;
}
