// SPDX-License-Identifier: Apache-2.0
// Options of every command that runs on a stack, and opening it.
#ifndef DUPLEX_CLI_STACK_OPTIONS_H
#define DUPLEX_CLI_STACK_OPTIONS_H

#include "cli/options.h"
#include "cli/output.h"
#include "duplex/duplex.h"

extern const struct option stack_options[];

// What the options ask for. The stack's options point into the structure.
struct wanted_stack {
  const char *backend;
  struct duplex_stack_options stack;
  struct duplex_riscv_options riscv;
  unsigned stripe;  // 0: not given
};

// Reads the options and opens the files that they name, with those that were added to the outputs. Returns 0
// or an exit status.
int read_stack_options(const struct option *options, struct outputs *outputs, struct wanted_stack *wanted);
// The clock of the stacks that the options ask for.
double stack_clock_mhz(const struct option *options);
// The exit status of an error of the library.
int exit_status_of(int error);

// Opens the files that the options name, and the stack. Returns 0 or an exit status.
int open_stack(const struct option *options, struct outputs *outputs, struct duplex_stack **stack);
// Closes the stack, and tells if one of the files that it writes is not whole. Returns `status`, or the exit
// status of that error.
int close_stack(struct duplex_stack *stack, const struct outputs *outputs, int status);
// Prints the last error of the stack and returns the exit status of the code.
int stack_error(const struct duplex_stack *stack, int error);

#endif
