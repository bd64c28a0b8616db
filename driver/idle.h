// SPDX-License-Identifier: Apache-2.0
// A stack that has nothing to do for a while.
#ifndef DUPLEX_DRIVER_IDLE_H
#define DUPLEX_DRIVER_IDLE_H

#include "driver/stack.h"

// Idles until no refresh is owed any more, and from there up to clock place / places of the time from one
// refresh to the next; place < places. A job begins there, as its clocks depend on the place. Errors: those
// of the back end.
int stack_idle(struct duplex_stack *stack, unsigned place, unsigned places);

#endif
