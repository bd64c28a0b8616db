// SPDX-License-Identifier: Apache-2.0
// Remote stub for GDB on a port of the loopback interface. A debugger may go and another one come; the
// firmware runs on without one.
#ifndef DUPLEX_RV32_GDB_H
#define DUPLEX_RV32_GDB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gdb;
struct platform;

// Waits for a debugger. NULL: text says why.
struct gdb *gdb_open(unsigned port, char *text, size_t size);
void gdb_close(struct gdb *gdb);

// To be asked after every instruction: shall the slice end?
bool gdb_wants_stop(const struct gdb *gdb);
// Called between instructions: serves the debugger if it wants to be served.
void gdb_serve(struct gdb *gdb, struct platform *p);
// The same while the firmware sleeps: breakpoints and steps are for instructions.
void gdb_serve_asleep(struct gdb *gdb, struct platform *p);
// Tells the debugger that a trap will be delivered, and serves it.
void gdb_trap(struct gdb *gdb, struct platform *p, uint32_t cause);

#endif
