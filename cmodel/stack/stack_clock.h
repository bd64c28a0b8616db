// SPDX-License-Identifier: Apache-2.0
// One clock of the whole stack, as rtl/stack/stack.v.
#ifndef DUPLEX_CMODEL_STACK_CLOCK_H
#define DUPLEX_CMODEL_STACK_CLOCK_H

#include "cmodel/stack/stack.h"

// An error if a job could not be computed. stack_idle: nothing will happen any more. stack_skip: so many
// clocks in which nothing does.
int stack_clock(struct stack_model *stack);
bool stack_xpu_busy(const struct stack_model *stack);  // on any channel: writes, or a hand-over
bool stack_idle(const struct stack_model *stack);
void stack_skip(struct stack_model *stack, uint64_t clocks);

#endif
