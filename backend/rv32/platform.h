// SPDX-License-Identifier: Apache-2.0
// The RV32 controller of a stack on Unicorn: memory, registers, time, interrupts, traps.
//
// Time: an instruction takes 1 / instructions_per_clock clocks of the stack, a load from a register what the
// back end takes besides. A store is posted: the next access to a register waits for it, other instructions
// do not. Clocks that instructions have used up are given to the stack before the firmware looks at it.
// Unicorn delivers neither traps nor interrupts: slices of instructions end, and the platform does it between
// them.
#ifndef DUPLEX_RV32_BACKEND_PLATFORM_H
#define DUPLEX_RV32_BACKEND_PLATFORM_H

#include <stdio.h>
#include <unicorn/unicorn.h>

#include "backend/controller.h"
#include "backend/rv32/image.h"

#define SLICE_INSTRUCTIONS 64u  // between two looks at interrupts

struct watch;
struct gdb;

// What the controller is doing.
enum state { RUNNING, SLEEPING, HALTED };

struct platform {
  struct controller base;
  uc_engine *engine;
  struct image image;
  char *elf;
  double clocks_per_instruction;
  double owed;  // clocks that the stack has not had yet; below 0: of a store that is still under way
  enum state state;
  uint32_t pc;       // of the next instruction
  uint32_t last_pc;  // of the last one
  unsigned slice;    // instructions left in this slice
  bool stop;         // the slice ends before the next instruction
  bool cut;          // it ended so
  bool doorbell, complete;
  uint64_t compare;
  uint32_t time_high;
  uint32_t exception;  // number + 1, 0: none
  uint32_t fault_address;
  uint64_t quiet, quiet_most;  // instructions since something happened
  struct watch *watch;         // trace and profile, or NULL
  struct gdb *gdb;             // or NULL
};

// The machine with its memory; the firmware is loaded by platform_load. DUPLEX_ERROR_NO_MEMORY,
// _NOT_AVAILABLE.
int platform_open(struct platform *p);

// The firmware's image into memory, everything else zero; registers get their values of reset.
void platform_load(struct platform *p);

// Runs instructions until the slice ends; a trap has been delivered then.
void platform_slice(struct platform *p);

#endif
