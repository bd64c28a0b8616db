// SPDX-License-Identifier: Apache-2.0
// Options of the RV32 controller that runs the firmware of a stack. All files are closed when the stack
// closes.
#ifndef DUPLEX_CONTROLLER_H
#define DUPLEX_CONTROLLER_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DUPLEX_INSTRUCTIONS_PER_CLOCK 0.7

struct duplex_riscv_options {
  const char *elf;                // the firmware; NULL: firmware.elf beside the program or in ../lib/duplex
  double instructions_per_clock;  // of the controller, in clocks of the stack; 0 = the above
  const char *trace_file;         // calls and register accesses, or NULL
  const char *profile_file;       // instructions and clocks by function, or NULL
  unsigned gdb_port;              // waits for GDB on this port of the loopback interface; 0: no
  // Watchdog: most instructions that the firmware executes without sleeping; 0 = 2^28.
  uint64_t quiet_instructions;
};

#ifdef __cplusplus
}
#endif
#endif
