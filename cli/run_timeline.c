// SPDX-License-Identifier: Apache-2.0
// A list of events that grows with the steps of a run.
#include "cli/run_timeline.h"

#include <stdlib.h>

#include "cli/stack_options.h"
#include "model/network.h"

#define ROOM_FIRST 1024u

static bool grow(struct run_timeline *timeline) {
  if (timeline->count < timeline->room) return true;
  const size_t room = timeline->room ? 2 * timeline->room : ROOM_FIRST;
  struct duplex_event *events = realloc(timeline->events, room * sizeof *events);
  if (events) timeline->events = events;
  struct timeline_place *places = realloc(timeline->places, room * sizeof *places);
  if (places) timeline->places = places;
  if (!events || !places) return false;
  timeline->room = room;
  return true;
}

// Tracks of the network behind those of the stacks that there are.
static unsigned track_of(const struct run_timeline *timeline, unsigned track) {
  return track < NETWORK_LAYERS ? track : timeline->stacks + 1 + (track - NETWORK_LAYERS);
}

void run_timeline_note(struct run_timeline *timeline, size_t step, int layer,
                       const struct duplex_event *event) {
  if (!grow(timeline)) {
    timeline->lost = true;
    return;
  }
  timeline->events[timeline->count] = *event;
  timeline->events[timeline->count].track = track_of(timeline, event->track);
  timeline->places[timeline->count++] = (struct timeline_place){step, layer};
}

int run_timeline_write(const struct run_timeline *timeline, const struct option *options,
                       struct outputs *outputs) {
  if (timeline->lost) return fail(EXIT_ERROR, "too little memory for the timeline");
  const struct timeline all = {timeline->events, timeline->places, timeline->count, timeline->stacks,
                               stack_clock_mhz(options)};
  return write_timeline(options, outputs, &all);
}

void run_timeline_free(struct run_timeline *timeline) {
  free(timeline->events);
  free(timeline->places);
}
