// SPDX-License-Identifier: Apache-2.0
// The machine of the controller on Unicorn: memory, slices of instructions, exceptions and interrupts.
#include "backend/rv32/platform.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "backend/rv32/bus.h"
#include "backend/rv32/cpu.h"
#include "backend/rv32/gdb.h"
#include "backend/rv32/stack_link.h"
#include "backend/rv32/watch.h"
#include "duplex/arithmetic.h"
#include "duplex/error.h"
#include "firmware/port/rv32/platform.h"

#define TRANSLATOR_BYTES ((size_t)1 << 30)  // what Unicorn 2.0 maps for each engine
#define WFI 0x10500073u
#define EXTERNAL (1u << 11)
#define TIMER (1u << 7)
#define INTERRUPT 0x80000000u

// Before each instruction: time, profile, and the end of the slice.
static void on_instruction(uc_engine *engine, uint64_t address, uint32_t size, void *context) {
  struct platform *p = context;
  (void)size;
  if (p->stop || p->slice == 0) {
    p->cut = true;
    uc_emu_stop(engine);  // before this instruction
    return;
  }
  p->slice--;
  p->base.instructions++;
  p->quiet++;
  p->owed += p->clocks_per_instruction;
  p->last_pc = (uint32_t)address;
  if (p->watch) {
    watch_instruction(p->watch, p->last_pc, stack_clocks(p) + (p->owed > 0 ? (uint64_t)p->owed : 0));
    watch_clocks(p->watch, p->last_pc, p->clocks_per_instruction);
  }
  if (p->gdb && gdb_wants_stop(p->gdb)) p->stop = true;
}

// Notes the cause for the platform and ends the emulation. The firmware runs in machine mode, whatever the
// emulator says of an ecall.
static void on_exception(uc_engine *engine, uint32_t number, void *context) {
  struct platform *p = context;
  p->exception = (number == CAUSE_ECALL_U ? CAUSE_ECALL_M : number) + 1;
  uc_emu_stop(engine);
}

// A load, store or fetch where there is no memory, or none of that kind.
static bool on_bad_access(uc_engine *engine, uc_mem_type type, uint64_t address, int size, int64_t value,
                          void *context) {
  struct platform *p = context;
  (void)engine, (void)size, (void)value;
  const bool store = type == UC_MEM_WRITE_UNMAPPED || type == UC_MEM_WRITE_PROT;
  const bool fetch = type == UC_MEM_FETCH_UNMAPPED || type == UC_MEM_FETCH_PROT;
  uint32_t cause = CAUSE_LOAD;
  if (store) cause = CAUSE_STORE;
  if (fetch) cause = CAUSE_FETCH;
  p->exception = cause + 1;
  p->fault_address = (uint32_t)address;
  return false;
}

// A firmware that cannot take a trap is stopped; so is one that traps in its handler.
static void raise_exception(struct platform *p, uint32_t pc) {
  const uint32_t cause = p->exception - 1;
  const uint32_t value = cause == CAUSE_ILLEGAL || cause >= CAUSE_ECALL_U ? 0 : p->fault_address;
  const uint32_t vector = cpu_register(p, UC_RISCV_REG_MTVEC) & ~3u;
  const struct function *handler = image_function(&p->image, vector);
  p->exception = 0;
  if (vector == 0 || (handler && handler == image_function(&p->image, pc)) || pc == vector) {
    struct mailbox *box = p->base.mailbox;
    box->crash_cause = cause, box->crash_pc = pc, box->crash_value = value;
    box->crash_stack = cpu_register(p, UC_RISCV_REG_SP), box->crashed = 1;
    p->state = HALTED;
    return;
  }
  if (p->gdb) gdb_trap(p->gdb, p, cause);
  cpu_trap(p, cause, pc, value);
}

// Between slices: the firmware takes an interrupt that is pending and enabled.
static void deliver_interrupt(struct platform *p) {
  if (!(cpu_register(p, UC_RISCV_REG_MSTATUS) & MSTATUS_MIE)) return;
  const uint32_t pending = bus_pending(p);
  const uint32_t enabled = cpu_register(p, UC_RISCV_REG_MIE);
  if ((enabled & EXTERNAL) && (pending & (RV32_PENDING_STACK | RV32_PENDING_DOORBELL))) {
    cpu_trap(p, INTERRUPT | 11, p->pc, 0);
  } else if ((enabled & TIMER) && (pending & RV32_PENDING_TIMER)) {
    cpu_trap(p, INTERRUPT | 7, p->pc, 0);
  }
}

// An emulation that ended without a hook: Unicorn calls ebreak and c.ebreak invalid, and stands on them.
static void note_error(struct platform *p, uc_err error) {
  p->exception = (error == UC_ERR_INSN_INVALID ? CAUSE_BREAKPOINT : CAUSE_FETCH) + 1;
  p->fault_address = p->pc;
}

// The instruction that raised the exception. Unicorn stands 4 bytes behind it, and on one with a bad access
// or a breakpoint.
static uint32_t excepted_pc(const struct platform *p) {
  switch (p->exception - 1) {
    case CAUSE_LOAD:
    case CAUSE_STORE:
      return p->last_pc;
    case CAUSE_FETCH:
    case CAUSE_BREAKPOINT:
      return p->fault_address;
    default:
      return p->pc - 4;
  }
}

void platform_slice(struct platform *p) {
  deliver_interrupt(p);
  if (p->gdb) gdb_serve(p->gdb, p);
  p->stop = p->cut = false;
  p->slice = SLICE_INSTRUCTIONS;
  p->last_pc = p->pc;
  const uc_err error = uc_emu_start(p->engine, p->pc, UINT64_MAX, 0, 0);
  p->pc = cpu_register(p, UC_RISCV_REG_PC);
  uint32_t word = 0;
  uc_mem_read(p->engine, p->last_pc, &word, sizeof word);
  if (error && !p->exception) note_error(p, error);
  if (p->exception) {
    raise_exception(p, excepted_pc(p));
  } else if (word == WFI && !p->cut) {
    p->pc = p->last_pc + 4;
    stack_wait_for_write(p);
    if (p->state == RUNNING) p->state = SLEEPING;
  }
  stack_catch_up(p);
}

// Unicorn ends the process if it does not get the buffer of its translator: so it is tried before.
static int translator_room(void) {
  errno = 0;
  void *room =
      mmap(NULL, TRANSLATOR_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (room != MAP_FAILED) return munmap(room, TRANSLATOR_BYTES) ? DUPLEX_ERROR_NOT_AVAILABLE : DUPLEX_OK;
  return errno == ENOMEM ? DUPLEX_ERROR_NO_MEMORY : DUPLEX_ERROR_NOT_AVAILABLE;
}

int platform_open(struct platform *p) {
  uc_hook hook[3];
  const int error = translator_room();
  if (error) return error;
  p->base.mailbox = aligned_alloc(4096, RV32_MAILBOX_BYTES);
  if (!p->base.mailbox) return DUPLEX_ERROR_NO_MEMORY;
  memset(p->base.mailbox, 0, RV32_MAILBOX_BYTES);
  const bool good = !uc_open(UC_ARCH_RISCV, UC_MODE_RISCV32, &p->engine) &&
                    !uc_mem_map(p->engine, RV32_CODE, RV32_CODE_BYTES, UC_PROT_READ | UC_PROT_EXEC) &&
                    !uc_mem_map(p->engine, RV32_DATA, RV32_DATA_BYTES, UC_PROT_READ | UC_PROT_WRITE) &&
                    !uc_mem_map(p->engine, RV32_TABLES, RV32_TABLES_BYTES, UC_PROT_READ | UC_PROT_WRITE) &&
                    !uc_mem_map(p->engine, RV32_STACK, RV32_STACK_BYTES, UC_PROT_READ | UC_PROT_WRITE) &&
                    !uc_mem_map_ptr(p->engine, RV32_MAILBOX, RV32_MAILBOX_BYTES, UC_PROT_READ | UC_PROT_WRITE,
                                    p->base.mailbox) &&
                    bus_map(p) &&
                    !uc_hook_add(p->engine, &hook[0], UC_HOOK_CODE, (void *)on_instruction, p, 1, 0) &&
                    !uc_hook_add(p->engine, &hook[1], UC_HOOK_INTR, (void *)on_exception, p, 1, 0) &&
                    !uc_hook_add(p->engine, &hook[2], UC_HOOK_MEM_INVALID, (void *)on_bad_access, p, 1, 0);
  return good ? DUPLEX_OK : DUPLEX_ERROR_NOT_AVAILABLE;
}

// Clears memory of the controller.
static void fill(struct platform *p, uint32_t address, uint32_t bytes) {
  static const uint8_t zeros[4096];
  for (uint32_t at = 0; at < bytes; at += sizeof zeros) {
    const uint32_t left = bytes - at;
    uc_mem_write(p->engine, address + at, zeros, duplex_smaller(left, sizeof zeros));
  }
}

void platform_load(struct platform *p) {
  fill(p, RV32_CODE, RV32_CODE_BYTES);
  fill(p, RV32_DATA, RV32_DATA_BYTES);
  fill(p, RV32_STACK, RV32_STACK_BYTES);
  fill(p, RV32_TABLES, RV32_TABLES_BYTES);
  for (unsigned i = 0; i < p->image.segments; i++)
    if (p->image.segment[i].bytes)
      uc_mem_write(p->engine, p->image.segment[i].address, p->image.segment[i].contents,
                   p->image.segment[i].bytes);
  for (int id = UC_RISCV_REG_X1; id <= UC_RISCV_REG_X31; id++) cpu_set_register(p, id, 0);
  cpu_set_register(p, UC_RISCV_REG_MTVEC, 0);
  cpu_set_register(p, UC_RISCV_REG_MIE, 0);
  cpu_set_register(p, UC_RISCV_REG_MSTATUS, 0);
  p->pc = p->image.entry;
  p->state = RUNNING;
  p->doorbell = p->complete = p->stop = false;
  p->exception = 0;
  p->compare = UINT64_MAX;
  p->quiet = 0;
}
