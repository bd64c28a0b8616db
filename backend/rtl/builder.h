// SPDX-License-Identifier: Apache-2.0
// Builds libraries with Verilated stacks where their sources are at hand.
#ifndef DUPLEX_RTL_BUILDER_H
#define DUPLEX_RTL_BUILDER_H

#include <stddef.h>

#define RTL_NO_SOURCES "there are no sources to build it"

// Why nothing can be built in `folder`, the folder `rtl` of a build, as half a sentence; NULL if it can: the
// folder knows its sources, they and the tools are there, and it can be written.
const char *rtl_cannot_build(const char *folder);

// Brings <folder>[-<timing>]/<library> up to date with make, for as long as it takes; content decides, so
// that it matches the sources wherever the folder came from. If something has to be built, a line on the
// standard error says so, with the time so far on a terminal. Nothing is built if the sources are not those
// of this code. What was started ends with this process. 0, or DUPLEX_ERROR_NOT_AVAILABLE with a line of
// text.
int rtl_build(const char *folder, const char *timing, const char *library, char *text, size_t size);

#endif
