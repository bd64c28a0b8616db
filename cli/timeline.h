// SPDX-License-Identifier: Apache-2.0
// What a device did and when: as JSON for Perfetto, and as a picture.
#ifndef DUPLEX_CLI_TIMELINE_H
#define DUPLEX_CLI_TIMELINE_H

#include "cli/options.h"
#include "cli/output.h"
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
};

unsigned timeline_tracks(const struct timeline *timeline);
// "xPU", "stack 0", ...
void timeline_track_name(const struct timeline *timeline, unsigned track, char *name, size_t size);

// Names the files of --timeline and --timeline-picture. Returns 0 or an exit status.
int add_timeline(const struct option *options, struct outputs *outputs);
// Writes them, if there are any. Returns 0 or an exit status.
int write_timeline(const struct option *options, struct outputs *outputs, const struct timeline *timeline);

#endif
