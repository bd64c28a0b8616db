// SPDX-License-Identifier: Apache-2.0
// Between an initiator and a target: passes everything on, and writes a line for each access.
#include "backend/systemc/platform/socket_trace.h"

#include <cinttypes>

namespace platform {
namespace {

uint64_t picoseconds(const sc_core::sc_time &time) { return time / sc_core::sc_time(1, sc_core::SC_PS); }

char letter_of(const tlm::tlm_generic_payload &payload) {
  if (payload.is_read()) return 'R';
  return payload.is_write() ? 'W' : '-';
}

}  // namespace

socket_trace::socket_trace(const sc_core::sc_module_name &name, std::FILE *file)
    : sc_core::sc_module(name), target("target"), initiator("initiator"), file_(file) {
  target.bind(static_cast<tlm::tlm_fw_transport_if<> &>(*this));
  initiator.bind(static_cast<tlm::tlm_bw_transport_if<> &>(*this));
}

void socket_trace::line(const char *what, const tlm::tlm_generic_payload &payload,
                        const sc_core::sc_time &begin, const sc_core::sc_time &delay) {
  std::fprintf(file_, "%" PRIu64 " %s %c 0x%" PRIx64 " %u %" PRIu64 " %s\n",
               picoseconds(sc_core::sc_time_stamp() + begin), what, letter_of(payload),
               uint64_t(payload.get_address()), payload.get_data_length(), picoseconds(delay),
               payload.get_response_string().c_str());
}

void socket_trace::b_transport(tlm::tlm_generic_payload &payload, sc_core::sc_time &delay) {
  const sc_core::sc_time before = delay;
  const sc_core::sc_time now = sc_core::sc_time_stamp();
  initiator->b_transport(payload, delay);
  line("b_transport", payload, before, sc_core::sc_time_stamp() + delay - now - before);
}

unsigned socket_trace::transport_dbg(tlm::tlm_generic_payload &payload) {
  const unsigned bytes = initiator->transport_dbg(payload);
  line("transport_dbg", payload, sc_core::SC_ZERO_TIME, sc_core::SC_ZERO_TIME);
  return bytes;
}

bool socket_trace::get_direct_mem_ptr(tlm::tlm_generic_payload &payload, tlm::tlm_dmi &dmi) {
  const bool granted = initiator->get_direct_mem_ptr(payload, dmi);
  line(granted ? "dmi" : "dmi-refused", payload, sc_core::SC_ZERO_TIME, sc_core::SC_ZERO_TIME);
  return granted;
}

tlm::tlm_sync_enum socket_trace::nb_transport_fw(tlm::tlm_generic_payload &payload, tlm::tlm_phase &phase,
                                                 sc_core::sc_time &delay) {
  line(phase.get_name(), payload, delay, sc_core::SC_ZERO_TIME);
  return initiator->nb_transport_fw(payload, phase, delay);
}

tlm::tlm_sync_enum socket_trace::nb_transport_bw(tlm::tlm_generic_payload &payload, tlm::tlm_phase &phase,
                                                 sc_core::sc_time &delay) {
  line(phase.get_name(), payload, delay, sc_core::SC_ZERO_TIME);
  return target->nb_transport_bw(payload, phase, delay);
}

void socket_trace::invalidate_direct_mem_ptr(sc_dt::uint64 start, sc_dt::uint64 end) {
  std::fprintf(file_, "%" PRIu64 " dmi-invalidated - 0x%" PRIx64 " 0x%" PRIx64 " 0 -\n",
               picoseconds(sc_core::sc_time_stamp()), uint64_t(start), uint64_t(end));
  target->invalidate_direct_mem_ptr(start, end);
}

}  // namespace platform
