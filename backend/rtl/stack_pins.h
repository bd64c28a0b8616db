// SPDX-License-Identifier: Apache-2.0
// The pins of a Verilated stack by name, for who drives them clock by clock, and the door to it.
//
// Fields have the names of the ports of rtl/stack/stack.v, so that backend/rtl/axi_master.h and dram_pins.h
// work on them as on a model. A flat vector of all channels is an array of 32-bit words, the least
// significant first, with room for DUPLEX_CHANNELS channels.
#ifndef DUPLEX_RTL_STACK_PINS_H
#define DUPLEX_RTL_STACK_PINS_H

#include <stddef.h>
#include <stdint.h>

#include "duplex/backend.h"
#include "duplex/params.h"

#ifdef __cplusplus
extern "C" {
#endif

// Words of a vector of so many bits a channel.
#define RTL_PIN_WORDS(bits) ((DUPLEX_CHANNELS * (bits) + 31) / 32)

#define RTL_RESET_CLOCKS 4u  // of reset, before a stack is used

struct rtl_axi_inputs {
  uint8_t axi_awvalid_i, axi_wvalid_i, axi_wstrb_i, axi_bready_i, axi_arvalid_i, axi_rready_i;
  uint16_t axi_awaddr_i, axi_araddr_i;
  uint32_t axi_wdata_i;
};

struct rtl_axi_outputs {
  uint8_t axi_awready_o, axi_wready_o, axi_bvalid_o, axi_bresp_o, axi_arready_o, axi_rvalid_o, axi_rresp_o;
  uint32_t axi_rdata_o;
  uint8_t interrupt_o;
};

// From the DRAM and the xPU's side of each channel.
struct rtl_dram_inputs {
  uint32_t xpu_row_request_i[RTL_PIN_WORDS(4)], xpu_ref_i[RTL_PIN_WORDS(4)];
  uint32_t dram_read_data_i[RTL_PIN_WORDS(8 * DUPLEX_BEAT_BYTES)];
};

struct rtl_dram_outputs {
  uint32_t bundle_owner_o, strict_o;
  uint32_t xpu_row_grant_o[RTL_PIN_WORDS(4)];
  uint32_t dram_row_valid_o[RTL_PIN_WORDS(1)], dram_row_command_o[RTL_PIN_WORDS(2)];
  uint32_t dram_row_bundle_o[RTL_PIN_WORDS(2)], dram_row_mask_o[RTL_PIN_WORDS(8)];
  uint32_t dram_row_address_o[RTL_PIN_WORDS(14)];
  uint32_t dram_column_valid_o[RTL_PIN_WORDS(1)], dram_column_write_o[RTL_PIN_WORDS(1)];
  uint32_t dram_column_bundle_o[RTL_PIN_WORDS(2)], dram_column_mask_o[RTL_PIN_WORDS(8)];
  uint32_t dram_column_address_o[RTL_PIN_WORDS(DUPLEX_COLUMN_BITS)];
  uint32_t dram_write_data_o[RTL_PIN_WORDS(8 * DUPLEX_BEAT_BYTES)];
};

struct rtl_stack;

struct rtl_stack_ops {
  // The model, with options->trace_file as its wave file. A failure writes one line of text to `failure`.
  int (*open)(const struct duplex_backend_options *options, struct rtl_stack **stack, char *failure,
              size_t failure_size);
  void (*close)(struct rtl_stack *stack);
  // The clock is low, the inputs are these: the outputs settle. `ps`: the time in the wave file.
  int (*settle)(struct rtl_stack *stack, uint64_t ps, unsigned rst_n, const struct rtl_axi_inputs *axi,
                const struct rtl_dram_inputs *dram);
  // The clock rises, the inputs are those of the last call of settle. DEVICE: an assertion of the RTL failed.
  int (*rise)(struct rtl_stack *stack, uint64_t ps);
  void (*outputs)(struct rtl_stack *stack, struct rtl_axi_outputs *axi, struct rtl_dram_outputs *dram);
  // A register as its flip-flops have it, without a clock. DUPLEX_ERROR_BUS: there is none.
  int (*peek)(const struct rtl_stack *stack, uint32_t address, uint32_t *value);
  // Ends the wave file; DUPLEX_ERROR_IO: it is not whole.
  int (*end_wave)(struct rtl_stack *stack);
  const char *(*failure)(struct rtl_stack *stack);
};

// The library for these options, built if needed (as duplex_rtl_open); errors are those of duplex_rtl_open,
// the text is that of duplex_rtl_failure.
int duplex_rtl_pins(const struct duplex_backend_options *options, const struct rtl_stack_ops **ops);

#ifdef __cplusplus
}
#endif
#endif
