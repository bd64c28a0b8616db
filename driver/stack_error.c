// SPDX-License-Identifier: Apache-2.0
// The text of a stack's last error.
#include "driver/stack_error.h"

#include <stdarg.h>
#include <stdio.h>

#include "duplex/error.h"

int stack_fail(struct duplex_stack *stack, int error, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(stack->error_text, sizeof stack->error_text, format, arguments);
  va_end(arguments);
  return error;
}

int stack_no_memory(struct duplex_stack *stack) {
  return stack_fail(stack, DUPLEX_ERROR_NO_MEMORY, "too little memory on the host");
}

const char *stack_cause(const struct duplex_stack *stack, int error) {
  const char *text = stack->backend->ops->failure(stack->backend);
  return text[0] ? text : duplex_error_text(error);
}
