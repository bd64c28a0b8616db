// SPDX-License-Identifier: Apache-2.0
// Selection and split: the table of times that a client brings, and the decision by its policy and counts.
#include <stddef.h>

#include "firmware/protocol.h"

#define AT(member) (uint32_t) offsetof(struct layer_times_message, member)
#define TABLE_WORDS ((uint32_t)(sizeof(struct schedule_times) / 4))

_Static_assert((int)LAYER_BEST - LAYER_XPU == (int)SCHEDULE_BEST - SCHEDULE_XPU,
               "the policies of schedule.h");

// Takes words of a table. As serve_attention sets `detail`.
static enum completion_status serve_times(struct client *client, const void *payload,
                                          struct firmware_report *report, uint32_t *detail) {
  const struct layer_times_message *m = payload;
  struct protocol *p = client->protocol;
  struct layer_schedule *own = &p->tables->schedule[client->queue];
  volatile const uint32_t *list = p->box->queue[client->queue].list;
  uint32_t *to = (uint32_t *)&own->times;
  (void)report;
  own->times_generation = own->decision_generation = 0;
  if (m->first == 0) own->words = 0;
  if (*detail = AT(first), m->first != own->words) return COMPLETION_ARGUMENT;
  if (*detail = AT(count),
      m->count == 0 || m->count > PROTOCOL_LIST_WORDS || m->count > TABLE_WORDS - m->first)
    return COMPLETION_ARGUMENT;
  for (uint32_t i = 0; i < m->count; i++) to[m->first + i] = list[i];
  own->words += m->count;
  if (own->words == TABLE_WORDS) {
    own->words = 0;
    if (!schedule_valid(&own->times)) return COMPLETION_ARGUMENT;
    own->times_generation = client->allotment.generation;
  }
  *detail = 0;
  return COMPLETION_DONE;
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && SCHEDULE_EXPERTS % 2 == 0,
               "a word of the list is two counts in memory");

// Copies the counts of the list: the client may change it. Of an odd number the last word has one more.
static void take_counts(const struct client *client, uint32_t experts, uint16_t *counts) {
  volatile const uint32_t *list = client->protocol->box->queue[client->queue].list;
#pragma GCC unroll 4
  for (uint32_t i = 0; i < experts; i += 2) {
    const uint32_t word = list[i / 2];
    __builtin_memcpy(__builtin_assume_aligned(counts + i, sizeof word), &word, sizeof word);
  }
}

// Called, so that who runs what is decided has registers for it.
__attribute__((noinline)) const struct layer_schedule *layer_decide(struct client *client,
                                                                    const struct layer_message *shape,
                                                                    enum layer_policy policy) {
  struct layer_schedule *own = &client->protocol->tables->schedule[client->queue];
  KEEP_PLACE(own);
  const uint32_t generation = client->allotment.generation;
  if (own->times_generation != generation || own->times.shape.experts != shape->experts) return NULL;
  if (policy == LAYER_DECIDED) return own->decision_generation == generation ? own : NULL;
  take_counts(client, shape->experts, own->counts);
  schedule_decide((enum schedule_policy)(policy - LAYER_XPU), &own->times, own->counts,
                  &client->protocol->tables->schedule_work, &own->decision);
  if (own->decision.groups)  // of an expert that is divided by its tokens Logic-PIM has these
    own->counts[own->decision.divided] = (uint16_t)(SCHEDULE_LANES * own->decision.groups);
  own->decision_generation = generation;
  return own;
}

const struct kernel layer_times_kernel = {MESSAGE_LAYER_TIMES, sizeof(struct layer_times_message),
                                          serve_times};
