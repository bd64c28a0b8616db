// SPDX-License-Identifier: Apache-2.0
// Pointers into the DRAM of a stack: what its memory socket grants, and takes back.
#ifndef DUPLEX_SYSTEMC_MEMORY_POINTERS_H
#define DUPLEX_SYSTEMC_MEMORY_POINTERS_H

#include "backend/systemc/memory_access.h"
#include "duplex/systemc.h"

namespace duplex {

// A row set of a bundle that is the xPU's. Where no pointer is given, `dmi` tells the bytes for which that
// holds: those of the bundle, or those beyond the channels. `in_reset`: nothing is given.
bool memory_direct(const tlm::tlm_generic_payload &payload, tlm::tlm_dmi &dmi,
                   const stack_parameters &parameters, bool in_reset, memory_cells &cells);

// Nobody has pointers any more into these bundles, one bit each, on any channel.
void memory_invalidate(tlm_utils::simple_target_socket<stack_module> &memory, unsigned channels,
                       unsigned bundles);

}  // namespace duplex
#endif
