// SPDX-License-Identifier: Apache-2.0
// The adapter from register accesses to AXI4-Lite pins: one access at a time, by the master of the back end
// `rtl` (backend/rtl/axi_master.h), so that it takes the same clocks.
#ifndef DUPLEX_SYSTEMC_AXI_LITE_MASTER_H
#define DUPLEX_SYSTEMC_AXI_LITE_MASTER_H

#include "backend/rtl/axi_master.h"
#include "backend/systemc/axi_lite_pins.h"
#include "backend/systemc/clock_source.h"

namespace duplex {

class axi_lite_master : public sc_core::sc_module, public axi_lite_master_ports {
 public:
  sc_core::sc_in<bool> clk_i, rst_ni;

  axi_lite_master(const sc_core::sc_module_name &name, clock_source &clock);

  // One access, of a thread, that begins in the clock that has begun; returns with the clock behind the one
  // that ended it. 0, or BUS (no such register), WATCHDOG (no answer), DEVICE (reset came meanwhile).
  int read(uint32_t address, uint32_t *value);
  int write(uint32_t address, uint32_t value);

  // The master keeps the stack waiting at random, 0 to 3 clocks at each handshake.
  void random_delays(uint64_t seed) { axi_.random_delays(seed); }

 private:
  enum class pending { none, read, write };
  void step();
  bool is_busy() const { return pending_ != pending::none || axi_.busy(); }
  void finish_old();
  int access(pending kind, uint32_t address, uint32_t value);

  clock_source &clock_;
  rtl::AxiMaster<axi_lite_master_ports> axi_;
  sc_core::sc_event started_;
  pending pending_ = pending::none;  // an access that the process of the pins has still to begin
  uint32_t address_ = 0;
  uint32_t value_ = 0;
  bool given_up_ = false;
};

}  // namespace duplex
#endif
