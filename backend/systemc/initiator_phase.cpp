// SPDX-License-Identifier: Apache-2.0
// Phases that an initiator sends to a memory socket out of turn.
#include "backend/systemc/initiator_phase.h"

namespace duplex {
namespace {

// What is wrong with a phase; NULL: nothing.
const char *wrong(const tlm::tlm_phase &phase, bool under_way, bool responding) {
  if (phase == tlm::BEGIN_REQ)
    return under_way ? "BEGIN_REQ of a payload that is under way: expected END_RESP first" : nullptr;
  if (phase == tlm::END_RESP)
    return responding ? nullptr : "END_RESP of a payload whose BEGIN_RESP has not come, or has ended";
  return phase <= tlm::END_RESP ? "expected BEGIN_REQ or END_RESP of an initiator" : nullptr;
}

}  // namespace

bool initiator_phase_check(const std::string &socket, const tlm::tlm_phase &phase, bool under_way,
                           bool responding) {
  const char *text = wrong(phase, under_way, responding);
  if (text) SC_REPORT_ERROR("/duplex/memory", (socket + ": nb_transport_fw: " + text).c_str());
  return !text;
}

}  // namespace duplex
