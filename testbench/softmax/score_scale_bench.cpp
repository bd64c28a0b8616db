// SPDX-License-Identifier: Apache-2.0
// score_scale.v against duplex_score_scale: patterns of all classes, products near the limits of the format.
#include "Vscore_scale.h"
#include "testbench/common/pipeline.h"
#include "testbench/common/softmax_stimulus.h"

namespace {

constexpr int latency = 3;

// A factor whose product with s is near overflow, or near or below the smallest normal number.
duplex_f32 draw_partner(bench::Case &c, duplex_f32 s) {
  const int sum = c.chance(30) ? 380 : 127;
  const int field = sum - (int)(s >> 23 & 255) + (int)c.below(30) - 26;
  const duplex_f32 bits = (duplex_f32)c.bits();
  return (bits & 0x807fffffu) | (duplex_f32)(field < 0 ? 0 : field > 254 ? 254 : field) << 23;
}

bool run_case(bench::Case &c) {
  bench::Clocked<Vscore_scale> &rtl = pipeline::unit<Vscore_scale>(c);
  pipeline::Expected<duplex_f32> expected(latency);
  for (int i = 0; i < 1000 + latency; i++) {
    const duplex_f32 s = softmax::draw_f32(c);
    const duplex_f32 factor = c.chance(50) ? draw_partner(c, s) : softmax::draw_f32(c);
    rtl->s_i = s;
    rtl->c_i = factor;
    const duplex_f32 in = duplex_score_scale(s, factor);
    rtl.tick();
    duplex_f32 want;
    if (!expected.next(in, &want)) continue;
    if (!pipeline::same(c, "score_scale", "t", (long)i, rtl->t_o, want)) return false;
  }
  return true;
}

}  // namespace

int main(int argc, char **argv) { return bench::run(argc, argv, "score_scale", 500, run_case); }
