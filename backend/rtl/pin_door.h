// SPDX-License-Identifier: Apache-2.0
// A Verilated stack whose pins are driven from outside the library (backend/rtl/stack_pins.h).
#ifndef DUPLEX_RTL_PIN_DOOR_H
#define DUPLEX_RTL_PIN_DOOR_H

#include <cstdio>
#include <memory>
#include <new>
#include <string>

#include "backend/rtl/pins.h"
#include "backend/rtl/register_peek.h"
#include "backend/rtl/stack_pins.h"
#include "backend/rtl/verilated_stack.h"
#include "duplex/error.h"

struct rtl_stack {
  rtl::VerilatedStack verilated;
  unsigned channels = 0;
  std::string failure = {};
};

namespace rtl {

inline int pin_open(const duplex_backend_options *options, rtl_stack **stack, char *failure,
                    size_t failure_size) {
  *stack = nullptr;
  std::unique_ptr<rtl_stack> opened(new (std::nothrow) rtl_stack);
  if (!opened) return DUPLEX_ERROR_NO_MEMORY;
  if (options->trace_file) opened->failure = opened->verilated.open_wave(options->trace_file);
  if (!opened->failure.empty()) {
    std::snprintf(failure, failure_size, "%s", opened->failure.c_str());
    return DUPLEX_ERROR_IO;
  }
  opened->channels = options->channels;
  *stack = opened.release();
  return DUPLEX_OK;
}

inline void set_axi(Vstack &model, const rtl_axi_inputs &axi) {
  model.axi_awvalid_i = axi.axi_awvalid_i;
  model.axi_awaddr_i = axi.axi_awaddr_i;
  model.axi_wvalid_i = axi.axi_wvalid_i;
  model.axi_wdata_i = axi.axi_wdata_i;
  model.axi_wstrb_i = axi.axi_wstrb_i;
  model.axi_bready_i = axi.axi_bready_i;
  model.axi_arvalid_i = axi.axi_arvalid_i;
  model.axi_araddr_i = axi.axi_araddr_i;
  model.axi_rready_i = axi.axi_rready_i;
}

inline int pin_settle(rtl_stack *stack, uint64_t ps, unsigned rst_n, const rtl_axi_inputs *axi,
                      const rtl_dram_inputs *dram) {
  Vstack &model = stack->verilated.pins();
  stack->verilated.enter();
  model.clk_i = 0;
  model.rst_ni = rst_n;
  set_axi(model, *axi);
  set_words(model.xpu_row_request_i, dram->xpu_row_request_i);
  set_words(model.xpu_ref_i, dram->xpu_ref_i);
  set_words(model.dram_read_data_i, dram->dram_read_data_i);
  stack->verilated.settle(ps, true);
  return DUPLEX_OK;
}

inline int pin_rise(rtl_stack *stack, uint64_t ps) {
  stack->verilated.enter();
  stack->verilated.pins().clk_i = 1;
  stack->verilated.settle(ps, true);
  if (!stack->verilated.assertion_failed()) return DUPLEX_OK;
  stack->failure = "an assertion of the RTL failed (its file and line are on standard output)";
  return DUPLEX_ERROR_DEVICE;
}

inline void pin_outputs(rtl_stack *stack, rtl_axi_outputs *axi, rtl_dram_outputs *dram) {
  const Vstack &model = stack->verilated.pins();
  axi->axi_awready_o = model.axi_awready_o;
  axi->axi_wready_o = model.axi_wready_o;
  axi->axi_bvalid_o = model.axi_bvalid_o;
  axi->axi_bresp_o = model.axi_bresp_o;
  axi->axi_arready_o = model.axi_arready_o;
  axi->axi_rvalid_o = model.axi_rvalid_o;
  axi->axi_rdata_o = model.axi_rdata_o;
  axi->axi_rresp_o = model.axi_rresp_o;
  axi->interrupt_o = model.interrupt_o;
  dram->bundle_owner_o = model.bundle_owner_o;
  dram->strict_o = model.strict_o;
  get_words(model.xpu_row_grant_o, dram->xpu_row_grant_o);
  get_words(model.dram_row_valid_o, dram->dram_row_valid_o);
  get_words(model.dram_row_command_o, dram->dram_row_command_o);
  get_words(model.dram_row_bundle_o, dram->dram_row_bundle_o);
  get_words(model.dram_row_mask_o, dram->dram_row_mask_o);
  get_words(model.dram_row_address_o, dram->dram_row_address_o);
  get_words(model.dram_column_valid_o, dram->dram_column_valid_o);
  get_words(model.dram_column_write_o, dram->dram_column_write_o);
  get_words(model.dram_column_bundle_o, dram->dram_column_bundle_o);
  get_words(model.dram_column_mask_o, dram->dram_column_mask_o);
  get_words(model.dram_column_address_o, dram->dram_column_address_o);
  get_words(model.dram_write_data_o, dram->dram_write_data_o);
}

inline int pin_end_wave(rtl_stack *stack) {
  stack->verilated.enter();
  stack->failure = stack->verilated.close_wave();
  return stack->failure.empty() ? DUPLEX_OK : DUPLEX_ERROR_IO;
}

constexpr rtl_stack_ops pin_ops() {
  return {pin_open,
          [](rtl_stack *stack) { delete stack; },
          pin_settle,
          pin_rise,
          pin_outputs,
          [](const rtl_stack *stack, uint32_t address, uint32_t *value) {
            return peek_register(stack->verilated.pins(), stack->channels, address, value);
          },
          pin_end_wave,
          [](rtl_stack *stack) { return stack->failure.c_str(); }};
}

}  // namespace rtl
#endif
