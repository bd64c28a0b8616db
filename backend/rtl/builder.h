// SPDX-License-Identifier: Apache-2.0
// Builds libraries with Verilated stacks where their sources are at hand.
#ifndef DUPLEX_RTL_BUILDER_H
#define DUPLEX_RTL_BUILDER_H

#include <stddef.h>

// True if `folder`, the folder `rtl` of a build, knows its sources, and they are there.
int rtl_can_build(const char *folder);

// Brings <folder>[-<timing>]/<library> up to date with make, for as long as it takes; content decides, so
// that it matches the sources wherever the folder came from. If something has to be built, a line on the
// standard error says so, with the time so far on a terminal. What was started ends with this process. 0, or
// DUPLEX_ERROR_NOT_AVAILABLE with a line of text.
int rtl_build(const char *folder, const char *timing, const char *library, char *text, size_t size);

#endif
