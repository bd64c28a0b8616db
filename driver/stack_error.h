// SPDX-License-Identifier: Apache-2.0
// The text of a stack's last error.
#ifndef DUPLEX_DRIVER_STACK_ERROR_H
#define DUPLEX_DRIVER_STACK_ERROR_H

#include "driver/stack.h"

// Notes the text (at most 255 bytes) and returns the code.
int stack_fail(struct duplex_stack *stack, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// DUPLEX_ERROR_NO_MEMORY.
int stack_no_memory(struct duplex_stack *stack);
// What the back end says about its error, or the text of the code.
const char *stack_cause(const struct duplex_stack *stack, int error);

#endif
