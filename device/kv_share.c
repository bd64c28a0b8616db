// SPDX-License-Identifier: Apache-2.0
// Sequences of a device that begin with the positions of another.
#include <stdlib.h>

#include "device/kv.h"
#include "duplex/arithmetic.h"

// One part, on the stack of the other sequence's.
static int share_part(const struct duplex_device_sequence *from, size_t positions, unsigned number,
                      struct duplex_device_sequence *to) {
  struct duplex_device_kv *kv = from->kv;
  const unsigned stack = from->part[number].stack;
  const int error = duplex_kv_share(from->part[number].sequence, positions, &to->part[number].sequence);
  if (error)
    return device_fail(kv->device, error, "stack %u: %s", stack,
                       duplex_stack_last_error(kv->device->stack[stack]));
  to->part[number].stack = stack;
  kv->load[to->space][stack] += to->weight;
  return DUPLEX_OK;
}

int duplex_device_share_sequence(const struct duplex_device_sequence *sequence, size_t positions,
                                 size_t expected, struct duplex_device_sequence **shared) {
  if (shared) *shared = NULL;
  int error = need_device_sequence(sequence);
  if (error) return error;
  struct duplex_device_kv *kv = sequence->kv;
  struct duplex_device *device = kv->device;
  device->error_text[0] = 0;
  if (!shared) return device_fail(device, DUPLEX_ERROR_ARGUMENT, "shared is NULL: expected a pointer");
  struct duplex_device_sequence *self = handle_take(&device->sequences, sizeof *self);
  if (!self) return device_no_memory(device);
  self->kv = kv;
  self->space = sequence->space;
  self->weight = duplex_larger(duplex_larger(expected, positions), 1);
  self->part = calloc(kv->parts, sizeof *self->part);
  if (!self->part) {
    handle_retire(&device->sequences, self);
    return device_no_memory(device);
  }
  for (unsigned number = 0; number < kv->parts && !error; number++)
    error = share_part(sequence, positions, number, self);
  if (error)
    duplex_device_free_sequence(self);
  else
    *shared = self;
  return error;
}
