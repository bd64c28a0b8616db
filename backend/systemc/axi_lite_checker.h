// SPDX-License-Identifier: Apache-2.0
// A checker of AXI4-Lite pins: it looks at them at each edge of the clock, and says which rule is broken.
#ifndef DUPLEX_SYSTEMC_AXI_LITE_CHECKER_H
#define DUPLEX_SYSTEMC_AXI_LITE_CHECKER_H

#include <functional>
#include <string>

#include "backend/systemc/axi_lite_pins.h"

namespace duplex {

// In the order of the table of docs/systemc.md.
enum class axi_rule : unsigned {
  valid_kept,
  payload_kept,
  ready_late,
  response_late,
  response_first,
  response_code,
  reset_value
};
constexpr unsigned AXI_RULES = unsigned(axi_rule::reset_value) + 1;
const char *name_of(axi_rule rule);
const char *text_of(axi_rule rule);

class axi_lite_checker : public sc_core::sc_module, public axi_lite_watcher_ports {
 public:
  sc_core::sc_in<bool> clk_i, rst_ni;

  // A handshake or a response is late after so many clocks.
  explicit axi_lite_checker(const sc_core::sc_module_name &name, unsigned clocks_most = 1000);

  // In place of SC_REPORT_ERROR.
  using handler = std::function<void(axi_rule, const std::string &text)>;
  void on_violation(handler handler) { handler_ = std::move(handler); }
  uint64_t violations() const { return violations_; }

 private:
  // One of the five channels, as it was at the last edge.
  struct channel {
    const char *name;
    bool valid = false;
    bool ready = false;
    uint64_t payload = 0;
    unsigned waited = 0;  // clocks with valid and without ready
  };
  // Transfers that wait for their response.
  struct pending {
    unsigned count = 0;
    unsigned waited = 0;
  };

  void look();
  void watch(channel &last, bool valid, bool ready, uint64_t payload);
  void answer(const char *name, pending &pending, bool responded, unsigned code);
  void look_at_reset();
  void report(axi_rule rule, const std::string &what);

  const unsigned clocks_most_;
  handler handler_;
  uint64_t violations_ = 0;
  channel aw_{"AW"}, w_{"W"}, b_{"B"}, ar_{"AR"}, r_{"R"};
  pending addresses_, writes_, reads_;  // writes: addresses, and data
  bool was_reset_ = false;
};

}  // namespace duplex
#endif
