#include "backend/rv32/platform.h"

#include <stdlib.h>
#include <string.h>

#include "duplex/error.h"
#include "firmware/port/rv32/platform.h"

#define WFI 0x10500073u
#define MSTATUS_MIE 0x8u
#define MSTATUS_MPIE 0x80u
#define MSTATUS_MPP 0x1800u
#define EXTERNAL (1u << 11)
#define TIMER (1u << 7)
#define INTERRUPT 0x80000000u

enum { CAUSE_FETCH = 1, CAUSE_LOAD = 5, CAUSE_STORE = 7, CAUSE_ECALL_U = 8, CAUSE_ECALL_M = 11 };

uint64_t platform_clocks(struct platform *p) { return p->base.backend->ops->clocks(p->base.backend); }

static void note(struct platform *p, int error) {
  if (!error) return;
  if (!p->base.backend_error) p->base.backend_error = error;
  p->stop = true;
}

void platform_sync(struct platform *p) {
  const uint64_t whole = (uint64_t)p->owed;
  if (!whole) return;
  p->owed -= (double)whole;
  note(p, p->base.backend->ops->advance(p->base.backend, whole, NULL));
}

uint32_t platform_pending(struct platform *p) {
  int line = 0;
  platform_sync(p);
  note(p, p->base.backend->ops->advance(p->base.backend, 0, &line));
  return (line ? RV32_PENDING_STACK : 0) | (platform_clocks(p) >= p->compare ? RV32_PENDING_TIMER : 0) |
         (p->doorbell ? RV32_PENDING_DOORBELL : 0);
}

uint32_t platform_register(struct platform *p, int id) {
  uint64_t value = 0;
  uc_reg_read(p->engine, id, &value);
  return (uint32_t)value;
}

void platform_set_register(struct platform *p, int id, uint32_t value) {
  uint64_t wide = value;
  uc_reg_write(p->engine, id, &wide);
}

// Hooks of Unicorn
// -------------------------------------------------------------------------------------------------------------------

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
    watch_instruction(p->watch, p->last_pc, platform_clocks(p) + (uint64_t)p->owed);
    watch_clocks(p->watch, p->last_pc, p->clocks_per_instruction);
  }
  if (p->gdb && gdb_wants_stop(p->gdb)) p->stop = true;
}

static void on_exception(uc_engine *engine, uint32_t number, void *context) {
  struct platform *p = context;
  p->exception = (number == CAUSE_ECALL_U ? CAUSE_ECALL_M : number) + 1;
  uc_emu_stop(engine);
}

static bool on_bad_access(uc_engine *engine, uc_mem_type type, uint64_t address, int size, int64_t value,
                          void *context) {
  struct platform *p = context;
  (void)engine, (void)size, (void)value;
  const bool store = type == UC_MEM_WRITE_UNMAPPED || type == UC_MEM_WRITE_PROT;
  const bool fetch = type == UC_MEM_FETCH_UNMAPPED || type == UC_MEM_FETCH_PROT;
  p->exception = (fetch ? CAUSE_FETCH : store ? CAUSE_STORE : CAUSE_LOAD) + 1;
  p->fault_address = (uint32_t)address;
  return false;
}

// Registers of the stack
// -------------------------------------------------------------------------------------------------------------------

static void bad_register(struct platform *p, uint32_t address, uint32_t cause) {
  p->exception = cause + 1;
  p->fault_address = address;
  p->stop = true;
}

static void note_access(struct platform *p, uint64_t before, bool write, uint32_t offset, uint32_t value) {
  if (!p->watch) return;
  watch_access(p->watch, platform_clocks(p), write, offset, value);
  watch_clocks(p->watch, p->last_pc, (double)(platform_clocks(p) - before));
}

static uint64_t read_stack(uc_engine *engine, uint64_t offset, unsigned size, void *context) {
  struct platform *p = context;
  uint32_t value = 0;
  (void)engine;
  platform_sync(p);
  const uint64_t before = platform_clocks(p);
  const int error = size == 4 ? p->base.backend->ops->reg_read(p->base.backend, (uint32_t)offset, &value)
                              : DUPLEX_ERROR_BUS;
  if (error == DUPLEX_ERROR_BUS) {
    bad_register(p, RV32_STACK_REGISTERS + (uint32_t)offset, CAUSE_LOAD);
  } else {
    note(p, error);
  }
  note_access(p, before, false, (uint32_t)offset, value);
  return value;
}

static void write_stack(uc_engine *engine, uint64_t offset, unsigned size, uint64_t value, void *context) {
  struct platform *p = context;
  (void)engine;
  platform_sync(p);
  const uint64_t before = platform_clocks(p);
  const int error = size == 4
                        ? p->base.backend->ops->reg_write(p->base.backend, (uint32_t)offset, (uint32_t)value)
                        : DUPLEX_ERROR_BUS;
  if (error == DUPLEX_ERROR_BUS) {
    bad_register(p, RV32_STACK_REGISTERS + (uint32_t)offset, CAUSE_STORE);
  } else {
    note(p, error);
  }
  note_access(p, before, true, (uint32_t)offset, (uint32_t)value);
}

// Registers of the platform
// ----------------------------------------------------------------------------------------------------------------

static uint64_t read_platform(uc_engine *engine, uint64_t offset, unsigned size, void *context) {
  struct platform *p = context;
  (void)engine, (void)size;
  switch (offset) {
    case RV32_PENDING:
      return platform_pending(p);
    case RV32_TIME_LOW:
      platform_sync(p);
      p->time_high = (uint32_t)(platform_clocks(p) >> 32);
      return (uint32_t)platform_clocks(p);
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

static void write_platform(uc_engine *engine, uint64_t offset, unsigned size, uint64_t value, void *context) {
  struct platform *p = context;
  (void)engine, (void)size;
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

// Traps and interrupts
// ---------------------------------------------------------------------------------------------------------------------

static void trap(struct platform *p, uint32_t cause, uint32_t pc, uint32_t value) {
  const uint32_t status = platform_register(p, UC_RISCV_REG_MSTATUS);
  const uint32_t previous = status & MSTATUS_MIE ? MSTATUS_MPIE : 0;
  platform_set_register(p, UC_RISCV_REG_MEPC, pc);
  platform_set_register(p, UC_RISCV_REG_MCAUSE, cause);
  platform_set_register(p, UC_RISCV_REG_MTVAL, value);
  platform_set_register(p, UC_RISCV_REG_MSTATUS,
                        (status & ~(MSTATUS_MIE | MSTATUS_MPIE)) | previous | MSTATUS_MPP);
  p->pc = platform_register(p, UC_RISCV_REG_MTVEC) & ~3u;
}

// A firmware that cannot take a trap is stopped; so is one that traps in its handler.
static void raise_exception(struct platform *p, uint32_t pc) {
  const uint32_t cause = p->exception - 1,
                 value = cause == 2 || cause >= CAUSE_ECALL_U ? 0 : p->fault_address;
  const uint32_t vector = platform_register(p, UC_RISCV_REG_MTVEC) & ~3u;
  const struct function *handler = image_function(&p->image, vector);
  p->exception = 0;
  if (vector == 0 || (handler && handler == image_function(&p->image, pc)) || pc == vector) {
    struct mailbox *box = p->base.mailbox;
    box->crash_cause = cause, box->crash_pc = pc, box->crash_value = value, box->crashed = 1;
    p->state = HALTED;
    return;
  }
  if (p->gdb) gdb_trap(p->gdb, p);
  trap(p, cause, pc, value);
}

static void deliver_interrupt(struct platform *p) {
  if (!(platform_register(p, UC_RISCV_REG_MSTATUS) & MSTATUS_MIE)) return;
  const uint32_t pending = platform_pending(p), enabled = platform_register(p, UC_RISCV_REG_MIE);
  if ((enabled & EXTERNAL) && (pending & (RV32_PENDING_STACK | RV32_PENDING_DOORBELL))) {
    trap(p, INTERRUPT | 11, p->pc, 0);
  } else if ((enabled & TIMER) && (pending & RV32_PENDING_TIMER)) {
    trap(p, INTERRUPT | 7, p->pc, 0);
  }
}

void platform_slice(struct platform *p) {
  deliver_interrupt(p);
  if (p->gdb) gdb_serve(p->gdb, p);
  p->stop = p->cut = false;
  p->slice = SLICE_INSTRUCTIONS;
  p->last_pc = p->pc;
  const uc_err error = uc_emu_start(p->engine, p->pc, UINT64_MAX, 0, 0);
  p->pc = platform_register(p, UC_RISCV_REG_PC);
  uint32_t word = 0;
  uc_mem_read(p->engine, p->last_pc, &word, sizeof word);
  if (error && !p->exception) p->exception = CAUSE_FETCH + 1, p->fault_address = p->pc;
  if (p->exception) {
    // Unicorn stands 4 bytes behind an instruction that raised an exception, and on one with a bad access.
    const bool access = p->exception == CAUSE_LOAD + 1 || p->exception == CAUSE_STORE + 1;
    raise_exception(p, access ? p->last_pc : p->exception == CAUSE_FETCH + 1 ? p->fault_address : p->pc - 4);
  } else if (word == WFI && !p->cut) {
    p->pc = p->last_pc + 4;
    if (p->state == RUNNING) p->state = SLEEPING;
  }
  platform_sync(p);
}

// Machine
// ----------------------------------------------------------------------------------------------------------------------------

int platform_open(struct platform *p) {
  uc_hook hook[3];
  p->base.mailbox = aligned_alloc(4096, RV32_MAILBOX_BYTES);
  if (!p->base.mailbox) return DUPLEX_ERROR_NO_MEMORY;
  memset(p->base.mailbox, 0, RV32_MAILBOX_BYTES);
  const bool good = !uc_open(UC_ARCH_RISCV, UC_MODE_RISCV32, &p->engine) &&
                    !uc_mem_map(p->engine, RV32_CODE, RV32_CODE_BYTES, UC_PROT_READ | UC_PROT_EXEC) &&
                    !uc_mem_map(p->engine, RV32_DATA, RV32_DATA_BYTES, UC_PROT_READ | UC_PROT_WRITE) &&
                    !uc_mem_map(p->engine, RV32_STACK, RV32_STACK_BYTES, UC_PROT_READ | UC_PROT_WRITE) &&
                    !uc_mem_map_ptr(p->engine, RV32_MAILBOX, RV32_MAILBOX_BYTES, UC_PROT_READ | UC_PROT_WRITE,
                                    p->base.mailbox) &&
                    !uc_mmio_map(p->engine, RV32_STACK_REGISTERS, 0x2000, read_stack, p, write_stack, p) &&
                    !uc_mmio_map(p->engine, RV32_PLATFORM, 0x1000, read_platform, p, write_platform, p) &&
                    !uc_hook_add(p->engine, &hook[0], UC_HOOK_CODE, (void *)on_instruction, p, 1, 0) &&
                    !uc_hook_add(p->engine, &hook[1], UC_HOOK_INTR, (void *)on_exception, p, 1, 0) &&
                    !uc_hook_add(p->engine, &hook[2], UC_HOOK_MEM_INVALID, (void *)on_bad_access, p, 1, 0);
  return good ? DUPLEX_OK : DUPLEX_ERROR_NOT_AVAILABLE;
}

static void fill(struct platform *p, uint32_t address, uint32_t bytes) {
  static const uint8_t zeros[4096];
  for (uint32_t at = 0; at < bytes; at += sizeof zeros) {
    const uint32_t left = bytes - at;
    uc_mem_write(p->engine, address + at, zeros, left < sizeof zeros ? left : sizeof zeros);
  }
}

void platform_load(struct platform *p) {
  fill(p, RV32_CODE, RV32_CODE_BYTES);
  fill(p, RV32_DATA, RV32_DATA_BYTES);
  fill(p, RV32_STACK, RV32_STACK_BYTES);
  for (unsigned i = 0; i < p->image.segments; i++)
    if (p->image.segment[i].bytes)
      uc_mem_write(p->engine, p->image.segment[i].address, p->image.segment[i].contents,
                   p->image.segment[i].bytes);
  for (int id = UC_RISCV_REG_X1; id <= UC_RISCV_REG_X31; id++) platform_set_register(p, id, 0);
  platform_set_register(p, UC_RISCV_REG_MTVEC, 0);
  platform_set_register(p, UC_RISCV_REG_MIE, 0);
  platform_set_register(p, UC_RISCV_REG_MSTATUS, 0);
  p->pc = p->image.entry;
  p->state = RUNNING;
  p->doorbell = p->complete = p->stop = false;
  p->exception = 0;
  p->compare = UINT64_MAX;
  p->quiet = 0;
}
