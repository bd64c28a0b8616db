// SPDX-License-Identifier: Apache-2.0
// What an initiator may not do: phases out of turn at a memory socket, delays without a sensible end.
#include "backend/systemc/initiator_phase.h"

namespace duplex {
namespace {

constexpr double DELAY_SECONDS_MOST = 10;

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

bool initiator_manager_check(const std::string &socket, const tlm::tlm_generic_payload &payload) {
  if (payload.has_mm()) return true;
  const std::string text = ": nb_transport_fw: a payload without a memory manager: expected one (TLM-2.0)";
  SC_REPORT_ERROR("/duplex/memory", (socket + text).c_str());
  return false;
}

void initiator_delay_check(const std::string &module, const sc_core::sc_time &delay) {
  static const sc_core::sc_time most(DELAY_SECONDS_MOST, sc_core::SC_SEC);
  const std::string text = module + ": a delay of " + delay.to_string();
  if (delay > most) SC_REPORT_ERROR("/duplex/delay", (text + ": expected 10 s at most").c_str());
  if (delay > sc_core::sc_max_time() - sc_core::sc_time_stamp())
    SC_REPORT_ERROR("/duplex/delay", (text + ": expected one that ends with the time of SystemC").c_str());
}

}  // namespace duplex
