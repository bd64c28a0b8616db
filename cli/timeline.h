// SPDX-License-Identifier: Apache-2.0
// What a device did and when: as JSON for Perfetto, and as a picture.
#ifndef DUPLEX_CLI_TIMELINE_H
#define DUPLEX_CLI_TIMELINE_H

#include "cli/options.h"
#include "cli/output.h"
#include "cli/timeline_tracks.h"

// Names the files of --timeline and --timeline-picture. Returns 0 or an exit status.
int add_timeline(const struct option *options, struct outputs *outputs);
// Writes them, if there are any. Returns 0 or an exit status.
int write_timeline(const struct option *options, struct outputs *outputs, const struct timeline *timeline);

#endif
