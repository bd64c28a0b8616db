// SPDX-License-Identifier: Apache-2.0
// Queues of the memory controller: requests in the order of age, and which of them wait for older ones.
#include <string.h>

#include "cmodel/hbm/memory_channel.h"

// Whether two accesses have to keep their order: the same 32 bytes, and one of them changes these.
static bool in_order(const struct memory_entry *a, const struct memory_entry *b) {
  return a->request.address == b->request.address && (a->request.write || b->request.write);
}

// The requests of a channel that have to go before a new one.
static unsigned older_ones(const struct memory_channel *c, const struct memory_entry *entry) {
  unsigned count = 0;
  for (unsigned write = 0; write < 2; write++)
    for (unsigned i = 0; i < c->queue[write].count; i++) count += in_order(&c->queue[write].entry[i], entry);
  return count;
}

void memory_enter(struct memory_channel *c, const struct duplex_memory_request *request,
                  const struct duplex_memory_place *place, uint64_t tck) {
  struct memory_queue *queue = &c->queue[request->write];
  struct memory_entry entry = {.request = *request,
                               .submitted = tck,
                               .order = c->order++,
                               .row = (uint16_t)place->row,
                               .bank = (uint8_t)(place->bundle * MEMORY_BUNDLE_BANKS + place->bank),
                               .column = (uint8_t)place->column};
  entry.blocked = older_ones(c, &entry);
  queue->blocked += entry.blocked != 0;
  queue->entry[queue->count++] = entry;
  c->bank[entry.bank].waiting++;
  c->busy |= 1u << entry.bank;
}

// The younger ones that waited for this one have one less to wait for.
static void release(struct memory_queue *queue, const struct memory_entry *gone) {
  for (unsigned i = 0; i < queue->count; i++) {
    struct memory_entry *entry = &queue->entry[i];
    if (entry->order < gone->order || !in_order(entry, gone)) continue;
    if (--entry->blocked == 0) queue->blocked--;
  }
}

void memory_leave(struct memory_channel *c, bool write, unsigned index) {
  struct memory_queue *queue = &c->queue[write];
  const struct memory_entry gone = queue->entry[index];
  queue->count--;
  memmove(&queue->entry[index], &queue->entry[index + 1], (queue->count - index) * sizeof gone);
  if (--c->bank[gone.bank].waiting == 0) c->busy &= ~(1u << gone.bank);
  release(&c->queue[0], &gone);
  release(&c->queue[1], &gone);
}

const struct memory_entry *memory_oldest(const struct memory_channel *c) {
  const struct memory_entry *read = c->queue[0].count ? &c->queue[0].entry[0] : NULL;
  const struct memory_entry *write = c->queue[1].count ? &c->queue[1].entry[0] : NULL;
  if (read == NULL || write == NULL) return read == NULL ? write : read;
  return read->order < write->order ? read : write;
}
