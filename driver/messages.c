// SPDX-License-Identifier: Apache-2.0
// Messages to the firmware: their words, and running one to its end.
#include "driver/messages.h"

#include "driver/bundle_owner.h"
#include "driver/job.h"
#include "driver/queue.h"

struct matrix_words message_matrix(const struct duplex_weights *w) {
  const uint32_t flags = (w->layout.gated ? MATRIX_GATED : 0u) |
                         (w->layout.exponents ? MATRIX_EXPONENTS : 0u) |
                         (w->layout.two_streams ? MATRIX_PAIR : 0u);
  return (struct matrix_words){w->layout.rows, (uint32_t)w->k, flags, w->region.base, w->region.stripe};
}

struct region_words message_region(struct region region) {
  return (struct region_words){region.base, region.stripe};
}

int message_run(struct duplex_stack *stack, uint32_t kind, const void *payload, size_t bytes) {
  const int error = jobs_agree(stack, stack->bundles);
  return error ? error : message_run_beside(stack, kind, payload, bytes);
}

int message_run_beside(struct duplex_stack *stack, uint32_t kind, const void *payload, size_t bytes) {
  uint32_t number = 0;
  struct completion completion;
  int error = bundle_owner_set(stack, stack->bundles);
  if (!error) error = queue_submit(stack, kind, payload, bytes, &number);
  return error ? error : queue_wait(stack, number, UINT64_MAX, &completion);
}
