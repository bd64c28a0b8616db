// SPDX-License-Identifier: Apache-2.0
// The events of a device as an SVG picture: a row for each processor, time from left to right.
#ifndef DUPLEX_CLI_TIMELINE_PICTURE_H
#define DUPLEX_CLI_TIMELINE_PICTURE_H

#include <stddef.h>

#include "cli/timeline_tracks.h"

// The text of the picture, to be freed; NULL: too little memory.
char *timeline_picture(const struct timeline *timeline);

#endif
