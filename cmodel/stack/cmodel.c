// SPDX-License-Identifier: Apache-2.0
// The C model's own functions, for who simulates by events or looks without a clock.
#include "duplex/cmodel.h"

#include "cmodel/stack/register_access.h"
#include "cmodel/stack/stack_clock.h"
#include "duplex/error.h"

static struct stack_model *self(struct duplex_backend *backend) { return (struct stack_model *)backend; }

int duplex_cmodel_reset(struct duplex_backend *backend) { return stack_reset(self(backend)); }

void duplex_cmodel_see_interrupt(struct duplex_backend *backend, struct duplex_cmodel_interrupt *line) {
  const struct stack_model *stack = self(backend);
  line->high = stack->interrupt;
  line->may_rise = !stack->interrupt && stack_working(stack);
  line->rose_at = stack->rose_at;
  line->fell_at = stack->fell_at;
}

int duplex_cmodel_peek(struct duplex_backend *backend, uint32_t address, uint32_t *value) {
  return stack_reg_peek(self(backend), address, value);
}

int duplex_cmodel_poke(struct duplex_backend *backend, uint32_t address, uint32_t value) {
  return stack_reg_poke(self(backend), address, value);
}

int duplex_cmodel_row_set(struct duplex_backend *backend, unsigned channel, uint64_t address,
                          uint8_t **bytes) {
  const struct duplex_backend_ops *ops = backend->ops;
  uint8_t first;
  *bytes = NULL;
  int error = ops->mem_read(backend, channel, address, &first, sizeof first);
  if (!error) error = ops->mem_write(backend, channel, address, &first, sizeof first);  // so that it is there
  if (error) return error;
  const uint64_t row_set = address / DUPLEX_ROW_SET_BYTES;
  *bytes = (uint8_t *)duplex_hbm_row_set(self(backend)->hbm, channel, (unsigned)(row_set / DUPLEX_BANK_ROWS),
                                         (unsigned)(row_set % DUPLEX_BANK_ROWS));
  return DUPLEX_OK;
}

void duplex_cmodel_xpu_state(struct duplex_backend *backend, unsigned channel,
                             struct duplex_xpu_state *state) {
  const struct stack_model *stack = self(backend);
  *state = (struct duplex_xpu_state){0};
  duplex_xpu_add_state(&stack->xpu[stack->twins.leader[channel]], stack->clocks, state);
}
