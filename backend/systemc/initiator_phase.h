// SPDX-License-Identifier: Apache-2.0
// Phases that an initiator sends to a memory socket out of turn.
#ifndef DUPLEX_SYSTEMC_INITIATOR_PHASE_H
#define DUPLEX_SYSTEMC_INITIATOR_PHASE_H

#include <string>
#include <systemc>
#include <tlm>

namespace duplex {

// Whether a phase may come for a payload: BEGIN_REQ if it is not under way, END_RESP if its BEGIN_RESP is the
// one that has not ended. Otherwise an SC_REPORT_ERROR tells that at `socket`. Phases that others add may
// come.
bool initiator_phase_check(const std::string &socket, const tlm::tlm_phase &phase, bool under_way,
                           bool responding);

}  // namespace duplex
#endif
