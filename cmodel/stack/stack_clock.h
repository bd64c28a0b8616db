// SPDX-License-Identifier: Apache-2.0
// One clock of the whole stack, as rtl/stack/stack.v.
#ifndef DUPLEX_CMODEL_STACK_CLOCK_H
#define DUPLEX_CMODEL_STACK_CLOCK_H

#include "cmodel/stack/stack.h"

// An error if a job could not be computed.
int stack_clock(struct stack_model *stack);
// A job, or a register, is not at rest: the interrupt line may change by itself.
bool stack_working(const struct stack_model *stack);
bool stack_xpu_busy(const struct stack_model *stack);  // on any channel: writes, or a hand-over
// Passes over clocks in which nothing happens, `most` of them; returns how many there were, maybe none.
uint64_t stack_skip(struct stack_model *stack, uint64_t most);

#endif
