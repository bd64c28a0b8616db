// SPDX-License-Identifier: Apache-2.0
// Numbers and names of the tracks of a timeline.
#include "cli/timeline_tracks.h"

#include <stdio.h>

unsigned timeline_tracks(const struct timeline *timeline) {
  return timeline->stacks + 1 + (timeline->places ? 2 : 0);
}

void timeline_track_name(const struct timeline *timeline, unsigned track, char *name, size_t size) {
  if (track == 0)
    snprintf(name, size, "xPU");
  else if (track <= timeline->stacks)
    snprintf(name, size, "stack %u", track - 1);
  else
    snprintf(name, size, "%s", track == timeline->stacks + 1 ? "layers" : "steps");
}
