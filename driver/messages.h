// SPDX-License-Identifier: Apache-2.0
// Messages to the firmware: their words, and running one to its end.
#ifndef DUPLEX_DRIVER_MESSAGES_H
#define DUPLEX_DRIVER_MESSAGES_H

#include "driver/stack.h"

struct matrix_words message_matrix(const struct duplex_weights *w);
struct region_words message_region(struct region region);

// Gives the stack's bundles to Logic-PIM, submits the message and waits for its completion. Errors: as
// jobs_agree, queue_submit and queue_wait.
int message_run(struct duplex_stack *stack, uint32_t kind, const void *payload, size_t bytes);
// The same for a job that is being done again: it is in flight itself.
int message_run_beside(struct duplex_stack *stack, uint32_t kind, const void *payload, size_t bytes);

#endif
