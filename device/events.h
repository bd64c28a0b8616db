// SPDX-License-Identifier: Apache-2.0
// What happened in a layer, as a list that grows.
#ifndef DEVICE_EVENTS_H
#define DEVICE_EVENTS_H

#include <stdbool.h>

#include "duplex/device.h"

struct events {
  struct duplex_event *list;
  size_t count, room;
  bool lost;  // too little memory: events are missing
};

void events_clear(struct events *events);  // the memory stays
void events_free(struct events *events);

// Notes what a track does from `begin` on; nothing of no length.
void events_add(struct events *events, const char *name, unsigned track, uint64_t begin, uint64_t end,
                int expert);

// In order of begin, those of one begin by track.
void events_sort(struct events *events);

#endif
