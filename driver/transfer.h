// SPDX-License-Identifier: Apache-2.0
// Bytes of a region in one channel. All bundles become the xPU's first.
#ifndef DUPLEX_DRIVER_TRANSFER_H
#define DUPLEX_DRIVER_TRANSFER_H

#include "driver/stack.h"

// `size` bytes of the region from byte `offset` on, which may span row sets. With stack->timed_writes a write
// takes the xPU's time.
int region_write(struct duplex_stack *stack, unsigned channel, struct region region, uint64_t offset,
                 const void *bytes, size_t size);
int region_read(struct duplex_stack *stack, unsigned channel, struct region region, uint64_t offset,
                void *bytes, size_t size);

#endif
