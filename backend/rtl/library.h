// SPDX-License-Identifier: Apache-2.0
// What the loader (C, in libduplex) and a library stack_<N>.so (C++, with the Verilated stack inside) have to
// agree on.
#ifndef DUPLEX_RTL_LIBRARY_H
#define DUPLEX_RTL_LIBRARY_H

#include "backend/rtl/stack_pins.h"
#include "duplex/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

// Changes with any change of duplex/backend.h or of this file that an old library would not survive.
#define DUPLEX_RTL_INTERFACE 9u

#define DUPLEX_RTL_EXPORT __attribute__((visibility("default")))

// DUPLEX_RTL_INTERFACE at the time when the library was built.
DUPLEX_RTL_EXPORT extern const unsigned duplex_rtl_stack_interface;

// DUPLEX_POINT of the parameters that the stack was built with.
DUPLEX_RTL_EXPORT extern const unsigned duplex_rtl_stack_point;

// Hash of all sources that the library was built from: RTL, parameters, harness, DRAM model.
DUPLEX_RTL_EXPORT extern const char duplex_rtl_stack_hash[];

// As duplex_rtl_open, for this library's own number of channels. A failure writes one line of text to
// `failure`.
DUPLEX_RTL_EXPORT int duplex_rtl_stack_open(const struct duplex_backend_options *options,
                                            struct duplex_backend **backend, char *failure,
                                            size_t failure_size);

// The same stack without its harness, for who drives its pins.
DUPLEX_RTL_EXPORT extern const struct rtl_stack_ops duplex_rtl_stack_pins;

#ifdef __cplusplus
}
#endif
#endif
