// SPDX-License-Identifier: Apache-2.0
// Bytes of a region, row set by row set.
#include "driver/transfer.h"

#include "driver/bundle_owner.h"
#include "driver/stack_error.h"
#include "duplex/arithmetic.h"
#include "duplex/error.h"

// How many of `left` bytes lie in the row set of `offset`.
static size_t in_row_set(uint64_t offset, size_t left) {
  const size_t room = DUPLEX_ROW_SET_BYTES - offset % DUPLEX_ROW_SET_BYTES;
  return duplex_smaller(left, room);
}

int region_write(struct duplex_stack *stack, unsigned channel, struct region region, uint64_t offset,
                 const void *bytes, size_t size) {
  const struct duplex_backend_ops *ops = stack->backend->ops;
  int (*const write)(struct duplex_backend *, unsigned, uint64_t, const void *, size_t) =
      stack->timed_writes ? ops->xpu_write : ops->mem_write;
  const int owned = stack->timed_writes ? DUPLEX_OK : bundle_owner_set(stack, 0);
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

// Row set by row set, with one of the back end's ways to read.
static int read_with(int (*read)(struct duplex_backend *, unsigned, uint64_t, void *, size_t),
                     struct duplex_stack *stack, unsigned channel, struct region region, uint64_t offset,
                     void *bytes, size_t size) {
  for (uint8_t *to = bytes; size;) {
    const size_t part = in_row_set(offset, size);
    const int error = read(stack->backend, channel, space_address(region, offset), to, part);
    if (error)
      return stack_fail(stack, error, "reading DRAM of channel %u: %s", channel, stack_cause(stack, error));
    to += part, offset += part, size -= part;
  }
  return DUPLEX_OK;
}

int region_fetch(struct duplex_stack *stack, unsigned channel, struct region region, uint64_t offset,
                 void *bytes, size_t size) {
  return read_with(stack->backend->ops->xpu_read, stack, channel, region, offset, bytes, size);
}

int region_read(struct duplex_stack *stack, unsigned channel, struct region region, uint64_t offset,
                void *bytes, size_t size) {
  if (stack->timed_reads) return region_fetch(stack, channel, region, offset, bytes, size);
  const int owned = bundle_owner_set(stack, 0);
  return owned ? owned
               : read_with(stack->backend->ops->mem_read, stack, channel, region, offset, bytes, size);
}
