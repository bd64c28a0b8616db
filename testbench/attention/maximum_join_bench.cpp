// SPDX-License-Identifier: Apache-2.0
// maximum_join.v: maxima of all kinds, with and without members below and above that answer late. What goes
// up must be the larger of the own maximum and the one from below (the C unit running_maximum), what is taken
// for the context the one that came from above.
#include <vector>

#include "Vmaximum_join.h"
#include "testbench/common/bench.h"
#include "testbench/common/softmax_stimulus.h"

namespace {

constexpr unsigned lanes = DUPLEX_LANES;
using Maxima = std::vector<uint32_t>;

class Bench {
 public:
  explicit Bench(bench::Case &c) : c_(c), rtl_(c.options) {
    rtl_->own_valid_i = rtl_->up_valid_i = rtl_->up_ready_i = rtl_->down_valid_i = rtl_->down_ready_i =
        rtl_->maximum_ready_i = 0;
    rtl_.reset();
    speed_ = 10 + (unsigned)c.below(91);
  }

  bool pairs(unsigned count) {
    for (unsigned i = 0; i < count; i++)
      if (!pair()) return false;
    return true;
  }

 private:
  bool wrong(const char *stage, long lane, uint32_t rtl, uint32_t model) {
    return c_.mismatch("maximum_join", stage, (long)rtl_.cycles(), lane, std::to_string(rtl),
                       std::to_string(model));
  }

  // Maxima as running_maximum gives them.
  Maxima draw() {
    Maxima m(lanes);
    for (uint32_t &value : m) value = duplex_running_maximum(DUPLEX_MAXIMUM_START, softmax::draw_f32(c_));
    return m;
  }

  template <class Port>
  static void put(Port &port, const Maxima &m) {
    for (unsigned lane = 0; lane < lanes; lane++) port[lane] = m[lane];
  }

  template <class Port>
  bool same(const char *stage, const Port &port, const Maxima &want) {
    for (unsigned lane = 0; lane < lanes; lane++) {
      c_.compared++;
      if (port[lane] != want[lane]) return wrong(stage, lane, port[lane], want[lane]);
    }
    return true;
  }

  // A pair: which members its head has, its maxima, and what of it has happened.
  struct Pair {
    bool below, above, back;
    Maxima joined, last;                    // with the one below; what the pair gets in the end
    bool received, sent, returned, passed;  // from below, to above, from above, to below
  };

  Pair begin() {
    const Maxima own = draw(), from_below = draw(), from_above = draw();
    Pair p = {};
    p.below = c_.chance(60), p.above = c_.chance(60), p.back = (p.below || p.above) && c_.chance(30);
    p.received = p.passed = !p.below;
    p.sent = p.returned = !p.above;
    p.joined = own;
    for (unsigned lane = 0; lane < lanes && p.below; lane++)
      p.joined[lane] = duplex_running_maximum(own[lane], from_below[lane]);
    p.last = p.above ? from_above : p.joined;
    put(rtl_->own_i, own), put(rtl_->up_i, from_below), put(rtl_->down_i, from_above);
    rtl_->back_i = p.back, rtl_->below_i = p.below, rtl_->above_i = p.above;
    rtl_->own_valid_i = 1;
    return p;
  }

  // What the links offer and take in a clock.
  void offer(const Pair &p) {
    rtl_->up_valid_i = !p.received && c_.chance(speed_);
    rtl_->up_ready_i = c_.chance(speed_);
    rtl_->down_valid_i = p.sent && !p.returned && c_.chance(speed_);
    rtl_->down_ready_i = c_.chance(speed_);
    rtl_->maximum_ready_i = c_.chance(speed_);
    rtl_->clk_i = 0;
    rtl_.settle();
  }

  bool links_right(const Pair &p) {
    if (rtl_->up_valid_o && (p.sent || !p.received || !same("up", rtl_->link_o, p.joined)))
      return wrong("up", 0, 1, 0);
    if (rtl_->down_valid_o && (p.passed || !p.returned || !same("down", rtl_->link_o, p.last)))
      return wrong("down", 0, 1, 0);
    return true;
  }

  // In the clock in which the pair is taken or goes back.
  bool end(const Pair &p, bool goes_back) {
    if (goes_back != p.back || !p.received || !p.sent || !p.returned || !p.passed || !rtl_->own_ready_o)
      return wrong("end", 0, goes_back, p.back);
    if (!same("maximum", rtl_->maximum_o, p.last)) return false;
    rtl_.tick();
    rtl_->own_valid_i = 0;
    while (c_.chance(30)) rtl_.tick();
    return true;
  }

  // One pair from its own maximum to the clock in which it is taken.
  bool pair() {
    Pair p = begin();
    for (int clock = 0; clock < 2000; clock++) {
      offer(p);
      const bool taken = rtl_->maximum_valid_o && rtl_->maximum_ready_i;
      const bool goes_back = rtl_->back_o;
      if (!links_right(p)) return false;
      if (taken || goes_back) return end(p, goes_back);
      if (rtl_->own_ready_o && !rtl_->maximum_ready_i) return wrong("ready", 0, 1, 0);
      p.received |= rtl_->up_valid_i && rtl_->up_ready_o;
      p.returned |= rtl_->down_valid_i && rtl_->down_ready_o;
      p.sent |= rtl_->up_valid_o && rtl_->up_ready_i;
      p.passed |= rtl_->down_valid_o && rtl_->down_ready_i;
      rtl_.tick();
    }
    return wrong("stands still", 0, 0, 0);
  }

  bench::Case &c_;
  bench::Clocked<Vmaximum_join> rtl_;
  unsigned speed_ = 0;
};

bool run_case(bench::Case &c) { return Bench(c).pairs(50); }

}  // namespace

int main(int argc, char **argv) { return bench::run(argc, argv, "maximum_join", 60, run_case); }
