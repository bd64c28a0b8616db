// SPDX-License-Identifier: Apache-2.0
// Bytes of a region in one channel, by the xPU.
#ifndef DUPLEX_DRIVER_TRANSFER_H
#define DUPLEX_DRIVER_TRANSFER_H

#include "driver/stack.h"

// `size` bytes of the region from byte `offset` on, which may span row sets. All bundles become the xPU's
// first. With stack->timed_writes a write takes the xPU's time and no bundle changes hands
// (DUPLEX_ERROR_OWNER if one is Logic-PIM's; offset and size are multiples of 32); with stack->timed_reads a
// read is a region_fetch.
int region_write(struct duplex_stack *stack, unsigned channel, struct region region, uint64_t offset,
                 const void *bytes, size_t size);
int region_read(struct duplex_stack *stack, unsigned channel, struct region region, uint64_t offset,
                void *bytes, size_t size);

// Reads them in the xPU's time, which passes as the clock runs on (xpu_wait of the back end). No bundle
// changes hands: DUPLEX_ERROR_OWNER if one is Logic-PIM's. offset and size: multiples of 32.
int region_fetch(struct duplex_stack *stack, unsigned channel, struct region region, uint64_t offset,
                 void *bytes, size_t size);

#endif
