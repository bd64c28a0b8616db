// SPDX-License-Identifier: Apache-2.0
// The adapter from register accesses to AXI4-Lite pins.
#include "backend/systemc/axi_lite_master.h"

#include "duplex/error.h"

namespace duplex {

axi_lite_master::axi_lite_master(const sc_core::sc_module_name &name, clock_source &clock)
    : sc_module(name), clk_i("clk_i"), rst_ni("rst_ni"), clock_(clock), axi_(*this) {
  SC_HAS_PROCESS(axi_lite_master);
  SC_METHOD(step);
  sensitive << clk_i.pos() << started_;
  dont_initialize();
}

// Behind an edge: what was transferred with it, and the inputs of the clock that begins. A new access sets
// them in the clock that has begun.
void axi_lite_master::step() {
  if (clk_i.posedge()) axi_.sample();
  if (pending_ == pending::read) axi_.start_read(address_);
  if (pending_ == pending::write) axi_.start_write(address_, value_);
  pending_ = pending::none;
  if (!rst_ni && axi_.busy()) {
    axi_.give_up();
    given_up_ = true;
  }
  axi_.drive();
}

// An access whose thread was ended comes to its end first.
void axi_lite_master::finish_old() {
  if (!is_busy()) return;
  while (is_busy()) wait(clock_.passed());
  wait(clock_.passed());
}

int axi_lite_master::access(pending kind, uint32_t address, uint32_t value) {
  finish_old();
  pending_ = kind;
  address_ = address;
  value_ = value;
  given_up_ = false;
  started_.notify(sc_core::SC_ZERO_TIME);
  for (unsigned i = 0; is_busy(); i++) {
    if (i == rtl::AXI_CLOCKS_MAX) return DUPLEX_ERROR_WATCHDOG;
    wait(clock_.passed());
  }
  if (given_up_) return DUPLEX_ERROR_DEVICE;
  wait(clock_.passed());  // the interrupt line shows what the access did
  return axi_.response() == rtl::AXI_OKAY ? DUPLEX_OK : DUPLEX_ERROR_BUS;
}

int axi_lite_master::read(uint32_t address, uint32_t *value) {
  const int error = access(pending::read, address, 0);
  *value = error ? 0 : axi_.data();
  return error;
}

int axi_lite_master::write(uint32_t address, uint32_t value) {
  return access(pending::write, address, value);
}

}  // namespace duplex
