// SPDX-License-Identifier: Apache-2.0
// The list of events of a layer.
#include "device/events.h"

#include <stdlib.h>

void events_clear(struct events *events) {
  events->count = 0;
  events->lost = false;
}

void events_free(struct events *events) {
  free(events->list);
  *events = (struct events){0};
}

// Room for one more.
static bool grow(struct events *events) {
  if (events->count < events->room) return true;
  const size_t room = events->room ? 2 * events->room : 64;
  struct duplex_event *list = realloc(events->list, room * sizeof *list);
  if (!list) return false;
  events->list = list;
  events->room = room;
  return true;
}

void events_add(struct events *events, const char *name, unsigned track, uint64_t begin, uint64_t end,
                int expert) {
  if (begin == end) return;
  if (grow(events)) {
    events->list[events->count++] = (struct duplex_event){name, track, begin, end, expert};
  } else {
    events->lost = true;
  }
}

static int compare(const void *left, const void *right) {
  const struct duplex_event *a = left;
  const struct duplex_event *b = right;
  if (a->begin != b->begin) return a->begin < b->begin ? -1 : 1;
  return (a->track > b->track) - (a->track < b->track);
}

void events_sort(struct events *events) {
  if (events->count) qsort(events->list, events->count, sizeof *events->list, compare);
}
