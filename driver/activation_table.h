// SPDX-License-Identifier: Apache-2.0
// The table in the activation unit of a stack.
#ifndef DUPLEX_DRIVER_ACTIVATION_TABLE_H
#define DUPLEX_DRIVER_ACTIVATION_TABLE_H

#include "driver/stack.h"

// The part of an expert message that names the client's table.
struct expert_message activation_table_message(const struct duplex_stack *stack);

// Brings the table into the activation unit, as a job of its own; nothing to do if it is there already.
// DUPLEX_ERROR_BUSY: jobs are in flight that may need the table that is there.
int activation_table_load(struct duplex_stack *stack, const struct duplex_activation_table *table);

#endif
