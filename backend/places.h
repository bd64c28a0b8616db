// SPDX-License-Identifier: Apache-2.0
// Where the library finds what belongs to it: Verilated stacks, the controller, the firmware.
#ifndef DUPLEX_PLACES_H
#define DUPLEX_PLACES_H

#include <limits.h>

enum { PLACE_SIZE = PATH_MAX };

// The place number `index` (from 0) to look into, for things that a build keeps in the folder `in_build` (""
// or "rtl") of the build folder; 0 after the last. The places, of the file that this code lies in, the shared
// library or else the program: its folder and up to three above it, as in a build; then `duplex` beside it
// and
// `../lib/duplex`, as in an installation, wherever that was moved.
int place_of(unsigned index, const char *in_build, char path[PLACE_SIZE]);

#endif
