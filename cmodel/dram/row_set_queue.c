// SPDX-License-Identifier: Apache-2.0
// Streams cut into row sets, as rtl/dram/row_set_queue.v.
#include "cmodel/dram/row_set_queue.h"

#include "cmodel/dram/stripe_map.h"
#include "duplex/params.h"

// The next row set of the stream enters a slot.
static void push(struct row_set_queue *q, struct row_set *slot) {
  const bool last = q->left <= DUPLEX_COLUMNS;
  *slot = (struct row_set){true,      last,
                           q->bundle, (uint8_t)((last ? q->left - 1 : DUPLEX_COLUMNS - 1) % DUPLEX_COLUMNS),
                           q->row,    q->runs};
  if (last) q->stream = false;
  q->left -= DUPLEX_COLUMNS;
  const unsigned above = q->stripe & ~((2u << q->bundle) - 1);
  q->row = (uint16_t)(q->row + !above);
  const unsigned next = above ? above : q->stripe;
  q->bundle = (uint8_t)(next ? __builtin_ctz(next) : DUPLEX_BUNDLES - 1);
}

// The first slot without a row set; the last one has none.
static struct row_set *free_slot(struct row_set_queue *q) {
  struct row_set *slot = q->slot;
  while (slot != &q->slot[2] && slot->valid) slot++;
  return slot;
}

void row_set_queue_clock(struct row_set_queue *q, const struct row_set_request *request, bool pop) {
  const bool ready = !q->map && !q->stream;
  const bool enters = q->stream && !q->slot[2].valid;
  const bool mapped = q->map;
  if (pop) {
    q->slot[0] = q->slot[1];
    q->slot[1] = q->slot[2];
    q->slot[2].valid = false;
  }
  if (enters) push(q, free_slot(q));
  if (mapped) {
    q->bundle = q->base_bundle;
    q->row = q->base_row;
    q->stream = true;
  }
  q->map = ready && request->valid;
  if (!q->map) return;
  q->left = request->columns;
  q->stripe = request->stripe;
  q->runs = request->runs;
  stripe_map(request->base, request->stripe, &q->base_bundle, &q->base_row);
}
