// SPDX-License-Identifier: Apache-2.0
// SystemC and TLM-2.0 as the modules of Duplex need them: as of C++17, for which libsystemc is built, and
// with processes that are created while the simulation runs. A program may be compiled as of a later C++ if
// SC_CPLUSPLUS says 201703L, which the flags of `pkg-config --cflags duplex-systemc` do.
#ifndef DUPLEX_SYSTEMC_STANDARD_H
#define DUPLEX_SYSTEMC_STANDARD_H

#if !defined(__cplusplus) || __cplusplus < 201703L
#error "the SystemC headers of Duplex need C++17 or later (pkg-config --cflags duplex-systemc)"
#endif

#ifndef SC_INCLUDE_DYNAMIC_PROCESSES
#define SC_INCLUDE_DYNAMIC_PROCESSES
#endif
#include <systemc>
#include <tlm>

#if SC_CPLUSPLUS != 201703L
#error "libsystemc links as of C++17: expected -DSC_CPLUSPLUS=201703L (pkg-config --cflags duplex-systemc)"
#endif

#endif
