// SPDX-License-Identifier: Apache-2.0
// The stack that the controller belongs to: its clocks, and its errors.
#ifndef DUPLEX_RV32_STACK_LINK_H
#define DUPLEX_RV32_STACK_LINK_H

#include "backend/rv32/platform.h"

uint64_t stack_clocks(const struct platform *p);

// The stack gets the clocks that instructions have used up.
void stack_catch_up(struct platform *p);

// The controller waits for its last store to the stack, if that is still under way; then the same.
void stack_wait_for_write(struct platform *p);

// Keeps the first error of the back end, and ends the slice; 0: nothing.
void stack_note_error(struct platform *p, int error);

#endif
