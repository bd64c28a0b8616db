// SPDX-License-Identifier: Apache-2.0
// The Verilated RTL of a stack as a module with its pins.
#include "backend/systemc/verilated_stack.h"

namespace duplex {

namespace {

uint64_t now_ps() { return sc_core::sc_time_stamp().value() / sc_core::sc_time(1, sc_core::SC_PS).value(); }

}  // namespace

verilated_stack::verilated_stack(const sc_core::sc_module_name &name, const duplex_backend_options &options)
    : sc_module(name),
      clk_i("clk_i"),
      rst_ni("rst_ni"),
      interrupt_o("interrupt_o"),
      dram_i("dram_i"),
      dram_o("dram_o") {
  char why[512] = "";
  if (duplex_rtl_pins(&options, &ops_))
    fail(duplex_rtl_failure());
  else if (ops_->open(&options, &stack_, why, sizeof why))
    fail(why);
  SC_HAS_PROCESS(verilated_stack);
  SC_METHOD(clock);
  sensitive << clk_i;
  dont_initialize();
}

verilated_stack::~verilated_stack() {
  if (stack_) ops_->close(stack_);
}

void verilated_stack::fail(const std::string &why) const {
  SC_REPORT_ERROR("/duplex/rtl", (std::string(name()) + ": " + why).c_str());
}

// As after open of the back end rtl: clocks of reset come before the first one of the simulation.
void verilated_stack::start_of_simulation() {
  for (unsigned i = 0; i < RTL_RESET_CLOCKS; i++) {
    settle(false);
    ops_->rise(stack_, 0);
  }
  show();
}

void verilated_stack::end_of_simulation() {
  if (ops_->end_wave(stack_)) fail(ops_->failure(stack_));
}

void verilated_stack::settle(bool reset_n) {
  rtl_axi_inputs axi = {};
  axi.axi_awvalid_i = axi_awvalid_i;
  axi.axi_awaddr_i = axi_awaddr_i;
  axi.axi_wvalid_i = axi_wvalid_i;
  axi.axi_wdata_i = axi_wdata_i;
  axi.axi_wstrb_i = axi_wstrb_i;
  axi.axi_bready_i = axi_bready_i;
  axi.axi_arvalid_i = axi_arvalid_i;
  axi.axi_araddr_i = axi_araddr_i;
  axi.axi_rready_i = axi_rready_i;
  ops_->settle(stack_, now_ps(), reset_n, &axi, &dram_i.read());
}

void verilated_stack::show() {
  ops_->outputs(stack_, &axi_out_, &dram_out_);
  axi_awready_o = axi_out_.axi_awready_o;
  axi_wready_o = axi_out_.axi_wready_o;
  axi_bvalid_o = axi_out_.axi_bvalid_o;
  axi_bresp_o = axi_out_.axi_bresp_o;
  axi_arready_o = axi_out_.axi_arready_o;
  axi_rvalid_o = axi_out_.axi_rvalid_o;
  axi_rresp_o = axi_out_.axi_rresp_o;
  axi_rdata_o = axi_out_.axi_rdata_o;
  interrupt_o = axi_out_.interrupt_o;
  dram_o.write(dram_out_);
}

void verilated_stack::clock() {
  if (!clk_i)
    settle(rst_ni);
  else if (ops_->rise(stack_, now_ps()))
    fail(ops_->failure(stack_));
  show();
}

}  // namespace duplex
