// SPDX-License-Identifier: Apache-2.0
// Register accesses with the clocks that they take on the AXI port of the RTL.
#ifndef DUPLEX_CMODEL_REGISTER_ACCESS_H
#define DUPLEX_CMODEL_REGISTER_ACCESS_H

#include "cmodel/stack/stack.h"

// DUPLEX_ERROR_BUS where there is no register.
int stack_reg_read(struct stack_model *stack, uint32_t address, uint32_t *value);
int stack_reg_write(struct stack_model *stack, uint32_t address, uint32_t value);

// The same for a debugger: a read takes no clock and changes nothing, a write takes the one of its effect.
int stack_reg_peek(const struct stack_model *stack, uint32_t address, uint32_t *value);
int stack_reg_poke(struct stack_model *stack, uint32_t address, uint32_t value);

#endif
