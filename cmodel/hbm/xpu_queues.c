// SPDX-License-Identifier: Apache-2.0
// What the xPU has queued, as a whole: whether it is busy, whether two queues are the same, and their end.
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "cmodel/hbm/xpu_rows.h"
#include "duplex/arithmetic.h"

#define STATE_BYTES offsetof(struct duplex_xpu_traffic, memory)

bool duplex_xpu_busy(const struct duplex_xpu_traffic *x) {
  return x->writes_left || x->reads_left || x->now < x->data_at || x->now < x->taken_until;
}

void duplex_xpu_add_state(const struct duplex_xpu_traffic *x, uint64_t clocks,
                          struct duplex_xpu_state *state) {
  const uint64_t data_at = x->data_at ? clocks - x->now + x->data_at : 0;
  const uint64_t written_at = x->written_at ? clocks - x->now + x->written_at : 0;
  state->reads_left += x->reads_left;
  state->writes_left += x->writes_left;
  state->read_at = duplex_larger_u64(state->read_at, data_at);
  state->written_at = duplex_larger_u64(state->written_at, written_at);
}

void duplex_xpu_stop(struct duplex_xpu_traffic *x) {
  for (unsigned bundle = 0; bundle < DUPLEX_BUNDLES; bundle++) {
    free(x->memory.rows[bundle]);
    for (unsigned bank = 0; bank < XPU_BANKS; bank++) free(x->memory.writes[bundle][bank]);
  }
  memset(x->queue, 0, sizeof x->queue);
  memset(x->read, 0, sizeof x->read);
  memset(&x->memory, 0, sizeof x->memory);
}

// The first entry of a bundle that some pair has still to read.
static size_t first_rows(const struct duplex_xpu_read_queue *q) {
  size_t first = q->count;
  for (unsigned pair = 0; pair < XPU_BANKS / 2; pair++)
    if (q->pair[pair].left && q->pair[pair].at < first) first = q->pair[pair].at;
  return first;
}

// Same bytes of queues whose counts are the same.
static bool same_rows(const struct duplex_xpu_traffic *x, const struct duplex_xpu_traffic *y,
                      unsigned bundle) {
  const size_t first = first_rows(&x->read[bundle]);
  const size_t count = x->read[bundle].count - first;
  return count == 0 || memcmp(&x->memory.rows[bundle][first], &y->memory.rows[bundle][first],
                              count * sizeof(struct duplex_xpu_rows)) == 0;
}
static bool same_writes(const struct duplex_xpu_traffic *x, const struct duplex_xpu_traffic *y,
                        unsigned bundle, unsigned bank) {
  const struct duplex_xpu_queue *q = &x->queue[bundle][bank];
  for (size_t i = q->first; i < q->count; i++) {
    const struct duplex_xpu_write *a = &x->memory.writes[bundle][bank][i];
    const struct duplex_xpu_write *b = &y->memory.writes[bundle][bank][i];
    if (a->row != b->row || a->column != b->column) return false;
  }
  return true;
}

bool duplex_xpu_same(const struct duplex_xpu_traffic *x, const struct duplex_xpu_traffic *y) {
  bool same = memcmp(x, y, STATE_BYTES) == 0;
  for (unsigned bundle = 0; bundle < DUPLEX_BUNDLES && same; bundle++) {
    same = same_rows(x, y, bundle);
    for (unsigned bank = 0; bank < XPU_BANKS && same; bank++) same = same_writes(x, y, bundle, bank);
  }
  return same;
}

void duplex_xpu_follow(struct duplex_xpu_traffic *x, const struct duplex_xpu_traffic *leader) {
  memcpy(x, leader, STATE_BYTES);
}
