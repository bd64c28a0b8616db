// SPDX-License-Identifier: Apache-2.0
// Options of every command that runs on a stack, and opening it.
#ifndef DUPLEX_CLI_STACK_OPTIONS_H
#define DUPLEX_CLI_STACK_OPTIONS_H

#include "cli/options.h"
#include "cli/output.h"
#include "duplex/duplex.h"

extern const struct option stack_options[];

// Opens the files that the options name, and the stack. Returns 0 or an exit status.
int open_stack(const struct option *options, struct outputs *outputs, struct duplex_stack **stack);
// Prints the last error of the stack and returns the exit status of the code.
int stack_error(const struct duplex_stack *stack, int error);

#endif
