// SPDX-License-Identifier: Apache-2.0
// The rules of AXI4-Lite pins (AMBA AXI and ACE protocol specification, chapters A3 and B1).
#include "backend/systemc/axi_lite_checker.h"

#include <algorithm>

namespace duplex {

namespace {

struct rule_words {
  axi_rule rule;
  const char *name;
  const char *text;
};
#define RULE(name, text) \
  { axi_rule::name, #name, text }
constexpr rule_words WORDS[AXI_RULES] = {
    RULE(valid_kept, "A valid signal stays high until its ready signal is high at an edge."),
    RULE(payload_kept, "What goes with a valid signal stays as it is until then."),
    RULE(ready_late, "A ready signal follows its valid signal in the time allowed."),
    RULE(response_late, "A response follows its request in the time allowed."),
    RULE(response_first, "A response comes behind its request, and once."),
    RULE(response_code, "A response is OKAY or SLVERR."),
    RULE(reset_value, "All valid signals are low behind an edge with the reset line low."),
};
#undef RULE

constexpr unsigned OKAY = 0, SLVERR = 2;

}  // namespace

const char *name_of(axi_rule rule) { return WORDS[unsigned(rule)].name; }
const char *text_of(axi_rule rule) { return WORDS[unsigned(rule)].text; }

axi_lite_checker::axi_lite_checker(const sc_core::sc_module_name &name, unsigned clocks_most)
    : sc_module(name), clk_i("clk_i"), rst_ni("rst_ni"), clocks_most_(clocks_most) {
  SC_HAS_PROCESS(axi_lite_checker);
  SC_METHOD(look);
  sensitive << clk_i.pos();
  dont_initialize();
}

void axi_lite_checker::report(axi_rule rule, const std::string &what) {
  violations_++;
  const std::string text =
      std::string(name()) + ": " + name_of(rule) + ": " + what + "; expected: " + text_of(rule);
  if (handler_)
    handler_(rule, text);
  else
    SC_REPORT_ERROR("/duplex/axi_lite_checker", text.c_str());
}

// A channel at an edge, against what it was at the one before.
void axi_lite_checker::watch(channel &last, bool valid, bool ready, uint64_t payload) {
  if (last.valid && !last.ready) {
    if (!valid)
      report(axi_rule::valid_kept, std::string(last.name) + " fell");
    else if (payload != last.payload)
      report(axi_rule::payload_kept, std::string(last.name) + " changed");
  }
  last.waited = valid && !ready ? last.waited + 1 : 0;
  if (last.waited == clocks_most_) report(axi_rule::ready_late, std::string(last.name) + " waits");
  last.valid = valid;
  last.ready = ready;
  last.payload = payload;
}

// The response of one transfer that was pending before this edge.
void axi_lite_checker::answer(const char *name, pending &pending, bool responded, unsigned code) {
  if (responded && code != OKAY && code != SLVERR)
    report(axi_rule::response_code, std::string(name) + " has code " + std::to_string(code));
  if (responded && !pending.count) report(axi_rule::response_first, std::string(name) + " without a request");
  if (responded && pending.count) pending.count--;
  pending.waited = pending.count && !responded ? pending.waited + 1 : 0;
  if (pending.waited == clocks_most_) report(axi_rule::response_late, std::string(name) + " does not come");
}

// The slave's registers are reset by an edge, so its signals are looked at from the next one on.
void axi_lite_checker::look_at_reset() {
  const bool high = axi_awvalid_i || axi_wvalid_i || axi_arvalid_i || axi_bvalid_o || axi_rvalid_o;
  if (was_reset_ && high) report(axi_rule::reset_value, "a valid signal is high");
  was_reset_ = true;
  for (channel *channel : {&aw_, &w_, &b_, &ar_, &r_}) channel->valid = false, channel->waited = 0;
  addresses_ = writes_ = reads_ = pending();
}

void axi_lite_checker::look() {
  if (!rst_ni) return look_at_reset();
  was_reset_ = false;
  watch(aw_, axi_awvalid_i, axi_awready_o, axi_awaddr_i);
  watch(w_, axi_wvalid_i, axi_wready_o, uint64_t(axi_wdata_i) << 8 | axi_wstrb_i);
  watch(b_, axi_bvalid_o, axi_bready_i, axi_bresp_o);
  watch(ar_, axi_arvalid_i, axi_arready_o, axi_araddr_i);
  watch(r_, axi_rvalid_o, axi_rready_i, uint64_t(axi_rdata_o) << 8 | axi_rresp_o);
  // A response needs address and data of its write.
  const bool written = b_.valid && b_.ready;
  pending both = {std::min(addresses_.count, writes_.count), writes_.waited};
  answer("B", both, written, axi_bresp_o);
  if (written && addresses_.count && writes_.count) addresses_.count--, writes_.count--;
  writes_.waited = both.waited;
  answer("R", reads_, r_.valid && r_.ready, axi_rresp_o);
  addresses_.count += aw_.valid && aw_.ready;
  writes_.count += w_.valid && w_.ready;
  reads_.count += ar_.valid && ar_.ready;
}

}  // namespace duplex
