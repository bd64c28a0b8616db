// SPDX-License-Identifier: Apache-2.0
// DRAM commands of all stacks of a device.
#include "device/device.h"
#include "driver/stack.h"

static void add(struct duplex_dram_commands *sum, const struct duplex_dram_commands *of, int sign) {
  const uint64_t *from = (const uint64_t *)of;
  uint64_t *to = (uint64_t *)sum;
  for (size_t i = 0; i < sizeof *sum / sizeof *to; i++) to[i] += sign < 0 ? 0 - from[i] : from[i];
}

void device_count_commands(const struct duplex_device *device, struct duplex_dram_commands *sum, int sign) {
  for (unsigned stack = 0; stack < device->stacks; stack++) {
    struct duplex_backend *backend = device->stack[stack]->backend;
    struct duplex_dram_commands commands;
    backend->ops->commands(backend, &commands);
    add(sum, &commands, sign);
  }
}
