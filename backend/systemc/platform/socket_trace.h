// SPDX-License-Identifier: Apache-2.0
// Between an initiator and a target: passes everything on, and writes a line for each access.
//
// A line: time in ps with what the initiator is ahead, interface or phase, R or W, address, bytes, delay of
// the target in ps, response.
#ifndef DUPLEX_PLATFORM_SOCKET_TRACE_H
#define DUPLEX_PLATFORM_SOCKET_TRACE_H

#include <cstdio>

#include "duplex/systemc.h"

namespace platform {

class socket_trace : public sc_core::sc_module,
                     private tlm::tlm_fw_transport_if<>,
                     private tlm::tlm_bw_transport_if<> {
 public:
  tlm::tlm_target_socket<> target;
  tlm::tlm_initiator_socket<> initiator;

  // The file is the caller's, open until the simulation has ended.
  socket_trace(const sc_core::sc_module_name &name, std::FILE *file);

 private:
  void b_transport(tlm::tlm_generic_payload &payload, sc_core::sc_time &delay) override;
  unsigned transport_dbg(tlm::tlm_generic_payload &payload) override;
  bool get_direct_mem_ptr(tlm::tlm_generic_payload &payload, tlm::tlm_dmi &dmi) override;
  tlm::tlm_sync_enum nb_transport_fw(tlm::tlm_generic_payload &payload, tlm::tlm_phase &phase,
                                     sc_core::sc_time &delay) override;
  tlm::tlm_sync_enum nb_transport_bw(tlm::tlm_generic_payload &payload, tlm::tlm_phase &phase,
                                     sc_core::sc_time &delay) override;
  void invalidate_direct_mem_ptr(sc_dt::uint64 start, sc_dt::uint64 end) override;
  void line(const char *what, const tlm::tlm_generic_payload &payload, const sc_core::sc_time &begin,
            const sc_core::sc_time &delay);

  std::FILE *file_;
};

}  // namespace platform
#endif
