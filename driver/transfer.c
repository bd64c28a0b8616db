// Bytes of a region, row set by row set.
#include "driver/stack.h"
#include "duplex/error.h"
#include "duplex/registers.h"

#define POLLS_MOST 1000u

const char *stack_cause(struct duplex_stack *stack, int error) {
  const char *text = stack->backend->ops->failure(stack->backend);
  return text[0] ? text : duplex_error_text(error);
}

// Logic-PIM closes its rows in bundles that it gives away.
static int wait_until_closed(struct duplex_stack *stack, unsigned bundles) {
  for (unsigned i = 0; i < POLLS_MOST; i++) {
    uint32_t value = 0;
    const int error = stack->backend->ops->reg_read(stack->backend, DUPLEX_REG_BUNDLE_OWNER, &value);
    if (error) return error;
    if (!(value >> DUPLEX_BUNDLE_OWNER_OPEN_LSB & bundles)) return DUPLEX_OK;
  }
  return DUPLEX_ERROR_WATCHDOG;
}

int stack_own(struct duplex_stack *stack, unsigned bundles) {
  const unsigned given = stack->machine->owner & ~bundles;
  if (stack->machine->owner == bundles) return DUPLEX_OK;
  const uint32_t value = bundles | (uint32_t)stack->strict << DUPLEX_BUNDLE_OWNER_STRICT_LSB;
  int error = stack->backend->ops->reg_write(stack->backend, DUPLEX_REG_BUNDLE_OWNER, value);
  if (!error && given) error = wait_until_closed(stack, given);
  if (error) return stack_fail(stack, error, "handing over bundles: %s", stack_cause(stack, error));
  stack->machine->owner = bundles;
  return DUPLEX_OK;
}

static size_t in_row_set(uint64_t offset, size_t left) {
  const size_t room = DUPLEX_ROW_SET_BYTES - offset % DUPLEX_ROW_SET_BYTES;
  return left < room ? left : room;
}

int region_write(struct duplex_stack *stack, unsigned channel, struct region region, uint64_t offset,
                 const void *bytes, size_t size) {
  const struct duplex_backend_ops *ops = stack->backend->ops;
  int (*const write)(struct duplex_backend *, unsigned, uint64_t, const void *, size_t) =
      stack->timed_writes ? ops->xpu_write : ops->mem_write;
  const int owned = stack_own(stack, 0);
  if (owned) return owned;
  for (const uint8_t *from = bytes; size;) {
    const size_t part = in_row_set(offset, size);
    const int error = write(stack->backend, channel, space_address(region, offset), from, part);
    if (error)
      return stack_fail(stack, error, "writing DRAM of channel %u: %s", channel, stack_cause(stack, error));
    from += part, offset += part, size -= part;
  }
  return DUPLEX_OK;
}

int region_read(struct duplex_stack *stack, unsigned channel, struct region region, uint64_t offset,
                void *bytes, size_t size) {
  const int owned = stack_own(stack, 0);
  if (owned) return owned;
  for (uint8_t *to = bytes; size;) {
    const size_t part = in_row_set(offset, size);
    const int error =
        stack->backend->ops->mem_read(stack->backend, channel, space_address(region, offset), to, part);
    if (error)
      return stack_fail(stack, error, "reading DRAM of channel %u: %s", channel, stack_cause(stack, error));
    to += part, offset += part, size -= part;
  }
  return DUPLEX_OK;
}
