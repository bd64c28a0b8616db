// SPDX-License-Identifier: Apache-2.0
// The events of all steps of `duplex run`.
#ifndef DUPLEX_CLI_RUN_TIMELINE_H
#define DUPLEX_CLI_RUN_TIMELINE_H

#include "cli/timeline.h"

struct run_timeline {
  struct duplex_event *events;
  struct timeline_place *places;
  size_t count, room;
  unsigned stacks;
  bool lost;  // too little memory: events are missing
};

// One event, as `happened` of struct network_options tells it.
void run_timeline_note(struct run_timeline *timeline, size_t step, int layer,
                       const struct duplex_event *event);
// Writes the files of --timeline and --timeline-picture, if there are any. Returns 0 or an exit status.
int run_timeline_write(const struct run_timeline *timeline, const struct option *options,
                       struct outputs *outputs);
void run_timeline_free(struct run_timeline *timeline);

#endif
