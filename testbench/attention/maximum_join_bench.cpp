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

  // One pair from its own maximum to the clock in which it is taken.
  bool pair() {
    const Maxima own = draw(), from_below = draw(), from_above = draw();
    const bool below = c_.chance(60), above = c_.chance(60), back = (below || above) && c_.chance(30);
    Maxima joined = own;
    for (unsigned lane = 0; lane < lanes && below; lane++)
      joined[lane] = duplex_running_maximum(own[lane], from_below[lane]);
    bool received = !below, sent = !above, returned = !above, passed = !below;
    put(rtl_->own_i, own), put(rtl_->up_i, from_below), put(rtl_->down_i, from_above);
    rtl_->back_i = back, rtl_->below_i = below, rtl_->above_i = above;
    rtl_->own_valid_i = 1;
    for (int clock = 0; clock < 2000; clock++) {
      rtl_->up_valid_i = !received && c_.chance(speed_);
      rtl_->up_ready_i = c_.chance(speed_);
      rtl_->down_valid_i = sent && !returned && c_.chance(speed_);
      rtl_->down_ready_i = c_.chance(speed_);
      rtl_->maximum_ready_i = c_.chance(speed_);
      rtl_->clk_i = 0;
      rtl_.settle();
      const bool taken = rtl_->maximum_valid_o && rtl_->maximum_ready_i, goes_back = rtl_->back_o;
      if (rtl_->up_valid_o && (sent || !received || !same("up", rtl_->link_o, joined)))
        return wrong("up", 0, 1, 0);
      if (rtl_->down_valid_o &&
          (passed || !returned || !same("down", rtl_->link_o, above ? from_above : joined)))
        return wrong("down", 0, 1, 0);
      if (taken || goes_back) {
        if (goes_back != back || !received || !sent || !returned || !passed || !rtl_->own_ready_o)
          return wrong("end", 0, goes_back, back);
        if (!same("maximum", rtl_->maximum_o, above ? from_above : joined)) return false;
        rtl_.tick();
        rtl_->own_valid_i = 0;
        while (c_.chance(30)) rtl_.tick();
        return true;
      }
      if (rtl_->own_ready_o && !rtl_->maximum_ready_i) return wrong("ready", 0, 1, 0);
      received |= rtl_->up_valid_i && rtl_->up_ready_o;
      returned |= rtl_->down_valid_i && rtl_->down_ready_o;
      sent |= rtl_->up_valid_o && rtl_->up_ready_i;
      passed |= rtl_->down_valid_o && rtl_->down_ready_i;
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
