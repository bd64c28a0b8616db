// SPDX-License-Identifier: Apache-2.0
// score_scale.v against duplex_score_scale: patterns of all classes, products near the limits of the format.
#include <deque>

#include "Vscore_scale.h"
#include "testbench/common/softmax_stimulus.h"

namespace {

constexpr int latency = 3;

// A factor whose product with s is near overflow, or near or below the smallest normal number.
duplex_f32 draw_partner(bench::Case &c, duplex_f32 s) {
  const int sum = c.chance(30) ? 380 : 127, field = sum - (int)(s >> 23 & 255) + (int)c.below(30) - 26;
  const duplex_f32 bits = (duplex_f32)c.bits();
  return (bits & 0x807fffffu) | (duplex_f32)(field < 0 ? 0 : field > 254 ? 254 : field) << 23;
}

bool run_case(bench::Case &c) {
  static std::unique_ptr<bench::Clocked<Vscore_scale>> kept;
  if (!kept || !c.options.wave.empty()) kept.reset(new bench::Clocked<Vscore_scale>(c.options));
  bench::Clocked<Vscore_scale> &rtl = *kept;
  std::deque<duplex_f32> expected;
  for (int i = 0; i < 1000 + latency; i++) {
    const duplex_f32 s = softmax::draw_f32(c),
                     factor = c.chance(50) ? draw_partner(c, s) : softmax::draw_f32(c);
    rtl->s_i = s;
    rtl->c_i = factor;
    expected.push_back(duplex_score_scale(s, factor));
    rtl.tick();
    if (i < latency - 1) continue;
    const duplex_f32 want = expected.front();
    expected.pop_front();
    if (rtl->t_o != want)
      return c.mismatch("score_scale", "t", i, 0, std::to_string(rtl->t_o), std::to_string(want));
    c.compared++;
  }
  return true;
}

}  // namespace

int main(int argc, char **argv) { return bench::run(argc, argv, "score_scale", 500, run_case); }
