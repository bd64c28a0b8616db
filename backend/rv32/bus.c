// SPDX-License-Identifier: Apache-2.0
// The registers that the firmware sees: those of the stack and those of the platform.
#include "backend/rv32/bus.h"

#include "backend/rv32/cpu.h"
#include "backend/rv32/stack_link.h"
#include "backend/rv32/watch.h"
#include "duplex/error.h"
#include "firmware/port/rv32/platform.h"

uint32_t bus_pending(struct platform *p) {
  int line = 0;
  stack_catch_up(p);
  stack_note_error(p, p->base.backend->ops->advance(p->base.backend, 0, &line));
  return (line ? RV32_PENDING_STACK : 0) | (stack_clocks(p) >= p->compare ? RV32_PENDING_TIMER : 0) |
         (p->doorbell ? RV32_PENDING_DOORBELL : 0);
}

// Raises the exception of an access to a register that is not there.
static void bad_register(struct platform *p, uint32_t address, uint32_t cause) {
  p->exception = cause + 1;
  p->fault_address = address;
  p->stop = true;
}

// A load from the stack's registers.
static uint64_t read_stack(uc_engine *engine, uint64_t offset, unsigned size, void *context) {
  struct platform *p = context;
  uint32_t value = 0;
  (void)engine;
  stack_wait_for_write(p);
  const uint64_t before = stack_clocks(p);
  const int error = size == 4 ? p->base.backend->ops->reg_read(p->base.backend, (uint32_t)offset, &value)
                              : DUPLEX_ERROR_BUS;
  if (error == DUPLEX_ERROR_BUS) {
    bad_register(p, RV32_STACK_REGISTERS + (uint32_t)offset, CAUSE_LOAD);
  } else {
    stack_note_error(p, error);
  }
  if (!p->watch) return value;
  watch_access(p->watch, stack_clocks(p), false, (uint32_t)offset, value);
  watch_clocks(p->watch, p->last_pc, (double)(stack_clocks(p) - before));
  return value;
}

// A store to the stack's registers. The instructions behind it go on meanwhile: the stack is ahead of them.
static void write_stack(uc_engine *engine, uint64_t offset, unsigned size, uint64_t value, void *context) {
  struct platform *p = context;
  (void)engine;
  stack_wait_for_write(p);
  const uint64_t before = stack_clocks(p);
  const int error = size == 4
                        ? p->base.backend->ops->reg_write(p->base.backend, (uint32_t)offset, (uint32_t)value)
                        : DUPLEX_ERROR_BUS;
  if (error == DUPLEX_ERROR_BUS) {
    bad_register(p, RV32_STACK_REGISTERS + (uint32_t)offset, CAUSE_STORE);
  } else {
    stack_note_error(p, error);
  }
  p->owed -= (double)(stack_clocks(p) - before);
  if (p->watch) watch_access(p->watch, stack_clocks(p), true, (uint32_t)offset, (uint32_t)value);
}

// A load from the platform's registers.
static uint64_t read_platform(uc_engine *engine, uint64_t offset, unsigned size, void *context) {
  struct platform *p = context;
  (void)engine, (void)size;
  stack_wait_for_write(p);
  switch (offset) {
    case RV32_PENDING:
      return bus_pending(p);
    case RV32_TIME_LOW:
      p->time_high = (uint32_t)(stack_clocks(p) >> 32);
      return (uint32_t)stack_clocks(p);
    case RV32_TIME_HIGH:
      return p->time_high;
    case RV32_COMPARE_LOW:
      return (uint32_t)p->compare;
    case RV32_COMPARE_HIGH:
      return (uint32_t)(p->compare >> 32);
    default:
      return 0;
  }
}

// A store to the platform's registers.
static void write_platform(uc_engine *engine, uint64_t offset, unsigned size, uint64_t value, void *context) {
  struct platform *p = context;
  (void)engine, (void)size;
  stack_wait_for_write(p);
  switch (offset) {
    case RV32_COMPARE_LOW:
      p->compare = (p->compare & ~(uint64_t)UINT32_MAX) | (uint32_t)value;
      break;
    case RV32_COMPARE_HIGH:
      p->compare = (uint32_t)p->compare | value << 32;
      break;
    case RV32_DOORBELL:
      p->doorbell = false;
      break;
    case RV32_COMPLETE:
      p->complete = p->stop = true;
      break;
    case RV32_HALT:
      p->state = HALTED;
      p->stop = true;
      break;
    default:
      break;
  }
}

bool bus_map(struct platform *p) {
  return !uc_mmio_map(p->engine, RV32_STACK_REGISTERS, 0x2000, read_stack, p, write_stack, p) &&
         !uc_mmio_map(p->engine, RV32_PLATFORM, 0x1000, read_platform, p, write_platform, p);
}
