// SPDX-License-Identifier: Apache-2.0
// A register access runs the stack for the clocks of the AXI port (rtl/control/axi_lite.v).
#include "cmodel/stack/register_access.h"

#include "cmodel/stack/stack_clock.h"
#include "duplex/error.h"

// Clocks of an access, and the one in which a write has its effect, in which a read looks.
enum { WRITE_CLOCKS = 6, WRITE_EFFECT = 2, READ_CLOCKS = 7, READ_LOOK = 3 };

// That many clocks of the stack, or fewer if one of them fails: then its error.
static int run(struct stack_model *stack, unsigned clocks) {
  int error = DUPLEX_OK;
  for (unsigned i = 0; i < clocks && !error; i++) error = stack_clock(stack);
  return error;
}

// The counter that PERFORMANCE_SELECT names, 0 if there is none.
static uint64_t selected_counter(const struct stack_model *stack) {
  const uint32_t channel = stack->registers.performance_select & 0xff;
  const uint32_t counter = stack->registers.performance_select >> 8;
  if (channel >= stack->channels) return 0;
  const struct channel_counters *n = &stack->channel[stack->twins.leader[channel]].counters;
  const uint64_t values[] = {n->rows,    n->columns_read, n->columns_written, n->beats,
                             n->starved, n->no_tile,      n->no_room};
  return counter < sizeof values / sizeof *values ? values[counter] : 0;
}

// What a read sees besides the registers.
static struct registers_view view_of(const struct stack_model *stack) {
  return (struct registers_view){.busy = operation_controller_busy(&stack->controller),
                                 .channels = stack->channels,
                                 .open = stack->open,
                                 .counter = selected_counter(stack)};
}

int stack_reg_write(struct stack_model *stack, uint32_t address, uint32_t value) {
  int error = run(stack, WRITE_EFFECT);
  registers_write(&stack->registers, address, value);
  if (!error) error = run(stack, WRITE_CLOCKS - WRITE_EFFECT);
  if (error) return error;
  return registers_listed(address) ? DUPLEX_OK : DUPLEX_ERROR_BUS;
}

int stack_reg_read(struct stack_model *stack, uint32_t address, uint32_t *value) {
  int error = run(stack, READ_LOOK);
  const struct registers_view view = view_of(stack);
  *value = registers_look(&stack->registers, address, &view);
  if (!error) error = run(stack, READ_CLOCKS - READ_LOOK);
  if (error) return error;
  return registers_listed(address) ? DUPLEX_OK : DUPLEX_ERROR_BUS;
}

int stack_reg_peek(const struct stack_model *stack, uint32_t address, uint32_t *value) {
  struct stack_registers looked_at = stack->registers;  // a look may latch something
  const struct registers_view view = view_of(stack);
  *value = registers_look(&looked_at, address, &view);
  return registers_listed(address) ? DUPLEX_OK : DUPLEX_ERROR_BUS;
}

int stack_reg_poke(struct stack_model *stack, uint32_t address, uint32_t value) {
  if (!registers_listed(address)) return DUPLEX_ERROR_BUS;
  registers_write(&stack->registers, address, value);
  return stack_clock(stack);
}
