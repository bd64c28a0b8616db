// SPDX-License-Identifier: Apache-2.0
// HBM3 alone in SystemC and TLM-2.0: the cells of a stack behind a conventional memory controller, for
// platforms without Logic-PIM (docs/memory_controller.md). Time is that of duplex/memory_controller.h; every
// command goes through the timing judge.
#ifndef DUPLEX_SYSTEMC_MEMORY_H
#define DUPLEX_SYSTEMC_MEMORY_H

#include <cstdint>
#include <memory>
#include <string>

#include "duplex/memory_controller.h"
#include "duplex/systemc_standard.h"
#include "tlm_utils/multi_passthrough_target_socket.h"

namespace duplex {

struct hbm3_parameters {
  // As duplex_memory_defaults gives them; another preset by the same function.
  duplex_memory_parameters controller = defaults();
  bool direct_access = true;  // whether the direct memory interface is granted
  // Receives a line for each range of bytes that a payload reads or writes, 1 MB at most: tCK address R|W
  // bytes, address in hexadecimal with 0x; "" = none. Times go back where initiators run ahead of the
  // simulation.
  std::string request_file;
  // Receives the DRAM commands for build/timing_judge; "" = none. With it a channel may rest for 10 ms at
  // most between accesses: each refresh is written.
  std::string command_file;

  static duplex_memory_parameters defaults();
};

// A target of any number of initiators.
//
// Addresses are 0 to bytes() - 1 as the mapping of the controller places them. A payload of any length,
// streaming width and byte enables is divided into accesses of 32 bytes, of which those with no enabled byte
// are not done; an access begins with the first tCK at or after its time.
//
// Blocking transport: the accesses are offered one after the other as the queues take them; the delay ends
// with the last data. A payload from the past of a channel, as temporal decoupling makes them, begins with
// the first tCK that the channel has not decided yet. Non-blocking transport: four phases. END_REQ comes when
// the queues have taken all accesses of the payload, BEGIN_RESP when the last data have come. Payloads of
// different addresses may overtake each other. Debug transport: at once, without time. It does not see writes
// that still wait. Direct memory interface: 64 KB at a time, latencies of an access of 32 bytes to a closed
// bank of a memory at rest; such accesses load nothing, and are not refused when the queues are full.
class hbm3_memory : public sc_core::sc_module {
 public:
  tlm_utils::multi_passthrough_target_socket<hbm3_memory> socket;

  // Parameters that do not fit, and files that cannot be written or that something else writes, are reported
  // by SC_REPORT_ERROR.
  explicit hbm3_memory(const sc_core::sc_module_name &name,
                       const hbm3_parameters &parameters = hbm3_parameters());
  ~hbm3_memory() override;

  // The files of the parameters get their names, and record nothing more. Until then there is what was there
  // before, and a signal or an error that ends the program leaves it so. A file that could not be written
  // whole is an SC_REPORT_ERROR, and then neither is there. The end of the simulation by sc_stop and the
  // destructor do the same; an error that is thrown in the destructor ends the program.
  void close_files();

  uint64_t bytes() const;
  duplex_memory_statistics statistics() const;

  // The time of tCK n, sc_max_time() at most, and the first tCK at `time` or later.
  sc_core::sc_time time_of_tck(uint64_t n) const;
  uint64_t tck_from(const sc_core::sc_time &time) const;

 private:
  class model;
  void before_end_of_elaboration() override;
  void end_of_simulation() override;
  void b_transport(int port, tlm::tlm_generic_payload &payload, sc_core::sc_time &delay);
  tlm::tlm_sync_enum nb_transport_fw(int port, tlm::tlm_generic_payload &payload, tlm::tlm_phase &phase,
                                     sc_core::sc_time &delay);
  unsigned transport_dbg(int port, tlm::tlm_generic_payload &payload);
  bool get_direct_mem_ptr(int port, tlm::tlm_generic_payload &payload, tlm::tlm_dmi &dmi);

  std::unique_ptr<model> model_;
};

}  // namespace duplex
#endif
