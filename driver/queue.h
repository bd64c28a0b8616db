// SPDX-License-Identifier: Apache-2.0
// A client's job queue (docs/protocol.md).
#ifndef DUPLEX_DRIVER_QUEUE_H
#define DUPLEX_DRIVER_QUEUE_H

#include "driver/stack.h"

// Opens a free queue for an allotment (its generation is the queue's). DUPLEX_ERROR_QUEUE_FULL: none is free.
int queue_open(struct duplex_stack *stack, const struct allotment *own);
// Empties the queue of an open client: the firmware takes it as new when it sees another generation.
void queue_start(struct duplex_stack *stack);
struct allotment *queue_allotment(const struct duplex_stack *stack);
uint32_t *queue_list(const struct duplex_stack *stack);
// Ends the client: what waits is dropped, what runs is cancelled.
void queue_close(struct duplex_stack *stack);

// Puts a message into the queue: *number for queue_wait. DUPLEX_ERROR_QUEUE_FULL: as many are in flight as
// there are entries.
int queue_submit(struct duplex_stack *stack, uint32_t kind, const void *payload, size_t bytes,
                 uint32_t *number);
// Whether queue_wait may be called for this message: it is the oldest that nobody has collected, or is lost.
bool queue_is_next(const struct duplex_stack *stack, uint32_t number);
// Runs the firmware until the message is completed, or for so many clocks (DUPLEX_ERROR_BUSY: it is not).
// Error codes and the text of the stack tell what came of it. Messages are waited for in order, each until it
// is not busy. The caller has given the bundles to Logic-PIM.
int queue_wait(struct duplex_stack *stack, uint32_t number, uint64_t clocks, struct completion *completion);
void queue_cancel(struct duplex_stack *stack, uint32_t number);
// The firmware starts afresh; messages in flight, of all clients, are lost.
int queue_reset(struct shared_stack *shared);

#endif
