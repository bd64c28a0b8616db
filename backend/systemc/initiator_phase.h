// SPDX-License-Identifier: Apache-2.0
// What an initiator may not do: phases out of turn at a memory socket, delays without a sensible end.
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

// Whether a payload of a non-blocking call has a memory manager, as TLM-2.0 demands. Otherwise an
// SC_REPORT_ERROR tells that at `socket`.
bool initiator_manager_check(const std::string &socket, const tlm::tlm_generic_payload &payload);

// A delay of a call, which the model is run for: one of more than 10 s, or behind sc_max_time(), is an
// SC_REPORT_ERROR.
void initiator_delay_check(const std::string &module, const sc_core::sc_time &delay);

}  // namespace duplex
#endif
