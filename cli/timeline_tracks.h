// SPDX-License-Identifier: Apache-2.0
// Events of a device, or of all steps of a model on it, and the tracks on which they are.
#ifndef DUPLEX_CLI_TIMELINE_TRACKS_H
#define DUPLEX_CLI_TIMELINE_TRACKS_H

#include <stddef.h>

#include "duplex/device.h"

// Of which step and layer of a model an event is. layer: -1 if of none.
struct timeline_place {
  size_t step;
  int layer;
};

// Tracks are the xPU and the stacks; with places also the blocks of layers and the steps.
struct timeline {
  const struct duplex_event *events;    // [count]
  const struct timeline_place *places;  // [count]; NULL: all of one layer alone
  size_t count;
  unsigned stacks;
  double clock_mhz;  // of the stacks
};

unsigned timeline_tracks(const struct timeline *timeline);
// "xPU", "stack 0", ...
void timeline_track_name(const struct timeline *timeline, unsigned track, char *name, size_t size);

#endif
