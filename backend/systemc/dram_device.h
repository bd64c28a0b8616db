// SPDX-License-Identifier: Apache-2.0
// The DRAM at the pins of a stack, with the xPU's side of each channel: cells, timing and judge are those of
// the back end `rtl` (backend/rtl/dram_pins.h).
#ifndef DUPLEX_SYSTEMC_DRAM_DEVICE_H
#define DUPLEX_SYSTEMC_DRAM_DEVICE_H

#include <functional>
#include <string>

#include "backend/rtl/dram_pins.h"
#include "backend/systemc/pin_bundles.h"

namespace duplex {

class dram_device : public sc_core::sc_module {
 public:
  sc_core::sc_in<bool> clk_i, rst_ni;
  sc_core::sc_in<dram_outputs> stack_o;
  sc_core::sc_out<dram_inputs> stack_i;

  // What went wrong: an elaboration error.
  dram_device(const sc_core::sc_module_name &name, const duplex_backend_options &options);

  // `taken` is called with the bundles that have become Logic-PIM's, one bit each.
  void on_taken(std::function<void(unsigned)> taken) { taken_ = std::move(taken); }

  // Bytes and commands of the xPU; clocks are those that it has seen.
  DramPins &pins() { return pins_; }
  const DramPins &pins() const { return pins_; }
  bool xpu_busy() const { return pins_.xpu_busy(stack_o.read()); }

 private:
  void end_of_simulation() override;
  void clock();
  void drive();
  void fail(const std::string &why) const;

  DramPins pins_;
  std::function<void(unsigned)> taken_;
  dram_inputs driven_;
  uint64_t clock_ = 0;
  bool in_reset_ = false;
  bool failed_ = false;
};

}  // namespace duplex
#endif
