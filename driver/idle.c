// SPDX-License-Identifier: Apache-2.0
// A stack that has nothing to do for a while.
#include "driver/idle.h"

#include "driver/arguments.h"

#define INTERVALS 4u  // of refresh, in which all that are owed are done

int stack_idle(struct duplex_stack *stack, unsigned place, unsigned places) {
  const int error = need_process(stack);
  if (error) return error;
  struct duplex_backend *backend = stack->backend;
  const uint64_t interval = stack->shared->refresh_interval;
  const uint64_t now = backend->ops->clocks(backend) % interval;
  return backend->ops->advance(backend, INTERVALS * interval + interval * place / places - now, NULL);
}
