// The RV32 controller of a stack on Unicorn: memory, registers, time, interrupts, traps.
//
// Time: an instruction takes 1 / instructions_per_clock clocks of the stack, a register access what the back
// end takes besides. Clocks that instructions have used up are given to the stack before the firmware looks
// at it. Unicorn delivers neither traps nor interrupts: slices of instructions end, and the platform does it
// between them.
#ifndef DUPLEX_CONTROLLER_PLATFORM_H
#define DUPLEX_CONTROLLER_PLATFORM_H

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
  double clocks_per_instruction, owed;  // clocks that the stack has not had yet
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

uint64_t platform_clocks(struct platform *p);
// The stack gets the clocks that it is owed.
void platform_sync(struct platform *p);
uint32_t platform_pending(struct platform *p);
uint32_t platform_register(struct platform *p, int id);
void platform_set_register(struct platform *p, int id, uint32_t value);

// platform.c: the machine with its memory; the firmware is loaded by platform_load. Registers get their
// values of reset.
int platform_open(struct platform *p);
void platform_load(struct platform *p);
// Runs instructions until the slice ends; a trap has been delivered then.
void platform_slice(struct platform *p);

// crash.c: "load access fault at 0x..., firmware_gemm, gemm.c:17" and so on.
void crash_text(const struct platform *p, uint32_t cause, uint32_t pc, uint32_t value, char *text,
                size_t size);
void place_text(const struct platform *p, uint32_t pc, char *text, size_t size);

// watch.c: trace of calls and register accesses, profile by function.
struct watch *watch_open(const struct image *image, const char *trace_file, const char *profile_file,
                         char *text, size_t size);
void watch_instruction(struct watch *watch, uint32_t pc, uint64_t clocks);
void watch_access(struct watch *watch, uint64_t clocks, bool write, uint32_t offset, uint32_t value);
// Clocks that passed while the controller was at pc.
void watch_clocks(struct watch *watch, uint32_t pc, double clocks);
int watch_close(struct watch *watch);

// gdb.c: remote stub on a port of the loopback interface.
struct gdb *gdb_open(unsigned port, char *text, size_t size);
bool gdb_wants_stop(const struct gdb *gdb);  // after every instruction
// Called between instructions: serves the debugger if it wants to be served.
void gdb_serve(struct gdb *gdb, struct platform *p);
// Tells the debugger that a trap was delivered, and serves it.
void gdb_trap(struct gdb *gdb, struct platform *p);
void gdb_close(struct gdb *gdb);

#endif
