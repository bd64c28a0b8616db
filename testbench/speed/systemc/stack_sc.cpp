// SPDX-License-Identifier: Apache-2.0
// The class duplex::verilated_stack over a model of `verilator --sc`, in place of the project's own, for the
// measurement of speed.cpp: pins as SystemC ports of 64 bits at most, with signals between them and the
// bundles. Its reset comes in the first clocks of the simulation.
#include "Vstack_narrow.h"
#include "backend/systemc/verilated_stack.h"

namespace {

constexpr unsigned BEATS = 32;  // words of 64 bits of two channels

template <class T>
using signal = sc_core::sc_signal<T>;

}  // namespace

// What lies between the ports of the module and those of the model.
struct rtl_stack {
  Vstack_narrow model{"model"};
  signal<bool> rst, strict;
  signal<uint32_t> wstrb, awaddr, araddr, bresp, rresp, request, ref, owner, grant;
  signal<uint32_t> row_valid, row_command, row_bundle, row_mask, row_address;
  signal<uint32_t> column_valid, column_write, column_bundle, column_mask, column_address;
  signal<uint64_t> write_data[BEATS], read_data[BEATS];
  unsigned falls = 0;
};

// Ports of more than one bit, and those of the DRAM: the module translates between them and its own.
static void bind_signals(rtl_stack &s) {
  Vstack_narrow &m = s.model;
  m.axi_wstrb_i(s.wstrb);
  m.axi_awaddr_i(s.awaddr);
  m.axi_araddr_i(s.araddr);
  m.axi_bresp_o(s.bresp);
  m.axi_rresp_o(s.rresp);
  m.bundle_owner_o(s.owner);
  m.strict_o(s.strict);
  m.xpu_row_request_i(s.request);
  m.xpu_row_grant_o(s.grant);
  m.xpu_ref_i(s.ref);
  m.dram_row_valid_o(s.row_valid);
  m.dram_row_command_o(s.row_command);
  m.dram_row_bundle_o(s.row_bundle);
  m.dram_row_mask_o(s.row_mask);
  m.dram_row_address_o(s.row_address);
  m.dram_column_valid_o(s.column_valid);
  m.dram_column_write_o(s.column_write);
  m.dram_column_bundle_o(s.column_bundle);
  m.dram_column_mask_o(s.column_mask);
  m.dram_column_address_o(s.column_address);
  for (unsigned i = 0; i < BEATS; i++) {
    m.dram_write_data_o[i](s.write_data[i]);
    m.dram_read_data_i[i](s.read_data[i]);
  }
}

namespace duplex {

verilated_stack::verilated_stack(const sc_core::sc_module_name &name, const duplex_backend_options &)
    : sc_module(name),
      clk_i("clk_i"),
      rst_ni("rst_ni"),
      interrupt_o("interrupt_o"),
      dram_i("dram_i"),
      dram_o("dram_o"),
      stack_(new rtl_stack) {
  rtl_stack &s = *stack_;
  Vstack_narrow &m = s.model;
  m.clk_i(clk_i);
  m.rst_ni(s.rst);
  m.axi_awvalid_i(axi_awvalid_i);
  m.axi_awready_o(axi_awready_o);
  m.axi_wvalid_i(axi_wvalid_i);
  m.axi_wready_o(axi_wready_o);
  m.axi_wdata_i(axi_wdata_i);
  m.axi_bvalid_o(axi_bvalid_o);
  m.axi_bready_i(axi_bready_i);
  m.axi_arvalid_i(axi_arvalid_i);
  m.axi_arready_o(axi_arready_o);
  m.axi_rvalid_o(axi_rvalid_o);
  m.axi_rready_i(axi_rready_i);
  m.axi_rdata_o(axi_rdata_o);
  m.interrupt_o(interrupt_o);
  bind_signals(s);
  SC_HAS_PROCESS(verilated_stack);
  SC_METHOD(clock);
  sensitive << clk_i;
}

verilated_stack::~verilated_stack() { delete stack_; }

void verilated_stack::start_of_simulation() {}
void verilated_stack::end_of_simulation() {}

// Inputs in the middle of a clock, as the project's own module takes them.
void verilated_stack::settle(bool) {
  rtl_stack &s = *stack_;
  s.rst = rst_ni && s.falls++ >= RTL_RESET_CLOCKS;
  s.wstrb = axi_wstrb_i;
  s.awaddr = axi_awaddr_i;
  s.araddr = axi_araddr_i;
  const dram_inputs &dram = dram_i.read();
  s.request = dram.xpu_row_request_i[0];
  s.ref = dram.xpu_ref_i[0];
  for (unsigned i = 0; i < BEATS; i++)
    s.read_data[i] = dram.dram_read_data_i[2 * i] | uint64_t(dram.dram_read_data_i[2 * i + 1]) << 32;
}

// Outputs as they are before an edge: they have settled since the middle of the clock.
void verilated_stack::show() {
  rtl_stack &s = *stack_;
  axi_bresp_o = uint8_t(s.bresp);
  axi_rresp_o = uint8_t(s.rresp);
  dram_out_.bundle_owner_o = s.owner;
  dram_out_.strict_o = s.strict;
  dram_out_.xpu_row_grant_o[0] = s.grant;
  dram_out_.dram_row_valid_o[0] = s.row_valid;
  dram_out_.dram_row_command_o[0] = s.row_command;
  dram_out_.dram_row_bundle_o[0] = s.row_bundle;
  dram_out_.dram_row_mask_o[0] = s.row_mask;
  dram_out_.dram_row_address_o[0] = s.row_address;
  dram_out_.dram_column_valid_o[0] = s.column_valid;
  dram_out_.dram_column_write_o[0] = s.column_write;
  dram_out_.dram_column_bundle_o[0] = s.column_bundle;
  dram_out_.dram_column_mask_o[0] = s.column_mask;
  dram_out_.dram_column_address_o[0] = s.column_address;
  for (unsigned i = 0; i < BEATS; i++) {
    const uint64_t word = s.write_data[i];
    dram_out_.dram_write_data_o[2 * i] = uint32_t(word);
    dram_out_.dram_write_data_o[2 * i + 1] = uint32_t(word >> 32);
  }
  dram_o.write(dram_out_);
}

// Outputs are copied behind both edges, when the model has put them on its ports.
void verilated_stack::clock() {
  if (clk_i.event()) {
    if (!clk_i) settle(true);
    next_trigger(sc_core::sc_time(10, sc_core::SC_PS));
    return;
  }
  show();
}

}  // namespace duplex
