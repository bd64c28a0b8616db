// SPDX-License-Identifier: Apache-2.0
// The events of a device as an SVG picture: a row for each processor, time from left to right.
#ifndef DUPLEX_CLI_TIMELINE_PICTURE_H
#define DUPLEX_CLI_TIMELINE_PICTURE_H

#include <stddef.h>

#include "duplex/device.h"

#define DUPLEX_CLOCKS_OF_MICROSECOND 650

// "xPU", "stack 0", ...
void timeline_track_name(unsigned track, char *name, size_t size);

// The text of the picture, to be freed; NULL: too little memory.
char *timeline_picture(const struct duplex_device *device);

#endif
