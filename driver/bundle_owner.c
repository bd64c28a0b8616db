// SPDX-License-Identifier: Apache-2.0
// Hands bundles over between Logic-PIM and the xPU.
#include "driver/bundle_owner.h"

#include "driver/stack_error.h"
#include "duplex/error.h"
#include "duplex/registers.h"

#define POLLS_MOST 1000u

// Polls until no bank of these bundles has an open row: Logic-PIM closes its rows in bundles that it gives
// away.
static int wait_until_closed(struct duplex_stack *stack, unsigned bundles) {
  for (unsigned i = 0; i < POLLS_MOST; i++) {
    uint32_t value = 0;
    const int error = stack->backend->ops->reg_read(stack->backend, DUPLEX_REG_BUNDLE_OWNER, &value);
    if (error) return error;
    if (!(value >> DUPLEX_BUNDLE_OWNER_OPEN_LSB & bundles)) return DUPLEX_OK;
  }
  return DUPLEX_ERROR_WATCHDOG;
}

int bundle_owner_set(struct duplex_stack *stack, unsigned logic_pim_bundles) {
  struct shared_stack *shared = stack->shared;
  const unsigned given = shared->logic_pim_bundles & ~logic_pim_bundles;
  if (shared->logic_pim_bundles == logic_pim_bundles) return DUPLEX_OK;
  const uint32_t value = logic_pim_bundles | (uint32_t)stack->strict << DUPLEX_BUNDLE_OWNER_STRICT_LSB;
  int error = stack->backend->ops->reg_write(stack->backend, DUPLEX_REG_BUNDLE_OWNER, value);
  if (!error && given) error = wait_until_closed(stack, given);
  if (error) return stack_fail(stack, error, "handing over bundles: %s", stack_cause(stack, error));
  shared->logic_pim_bundles = logic_pim_bundles;
  return DUPLEX_OK;
}
