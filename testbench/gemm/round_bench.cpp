// SPDX-License-Identifier: Apache-2.0
// round.v against duplex_round_f32 and duplex_round_f16: all classes of sums, ties, underflow and overflow at
// random exponents.
#include "Vround.h"
#include "duplex/numerics.h"
#include "testbench/common/pipeline.h"

namespace {

constexpr int latency = 3;

// A sum of a random number of significant bits, sometimes a tie or one unit beside it, sometimes negative.
duplex_sum draw_sum(bench::Case &c) {
  const int bits = (int)c.below(97);
  unsigned __int128 value = (unsigned __int128)c.bits() << 64 | c.bits();
  value = bits ? value >> (128 - bits) : 0;
  if (c.chance(40) && bits > 26) {
    // a tie of binary16 or binary32 and its neighbours
    const int keep = c.chance(50) ? 11 : 24;
    const int low = bits - keep;
    value = (value >> low << low) + ((unsigned __int128)1 << (low - 1)) + c.below(3) - 1;
    value &= ((unsigned __int128)1 << 96) - 1;
  }
  if (c.chance(50)) value = -value;
  duplex_sum sum = {(uint64_t)value, (int64_t)(uint64_t)(value >> 64), 0};
  if (c.chance(5)) sum.flags = (uint32_t)c.below(8);
  return sum;
}

void drive(bench::Clocked<Vround> &rtl, const duplex_sum &sum, int exponent) {
  rtl->sum_i[0] = (uint32_t)sum.low;
  rtl->sum_i[1] = (uint32_t)(sum.low >> 32);
  rtl->sum_i[2] = (uint32_t)sum.high;
  rtl->sum_i[3] = (uint32_t)(sum.high >> 32) & 1;
  rtl->flags_i = sum.flags;
  rtl->exponent_i = (uint8_t)exponent;
}

bool run_case(bench::Case &c) {
  bench::Clocked<Vround> &rtl = pipeline::unit<Vround>(c);
  struct Expected {
    uint32_t f32;
    uint16_t f16;
  };
  pipeline::Expected<Expected> expected(latency);
  for (int i = 0; i < 1000 + latency; i++) {
    const duplex_sum sum = draw_sum(c);
    const int exponent = c.chance(50) ? 0 : (int)c.below(256) - 128;
    drive(rtl, sum, exponent);
    const Expected in = {duplex_round_f32(&sum, exponent), duplex_round_f16(&sum, exponent)};
    rtl.tick();
    Expected want;
    if (!expected.next(in, &want)) continue;
    if (!pipeline::same(c, "round", "f32", (long)i, rtl->f32_o, want.f32)) return false;
    if (!pipeline::same(c, "round", "f16", (long)i, rtl->f16_o, want.f16)) return false;
  }
  return true;
}

}  // namespace

int main(int argc, char **argv) { return bench::run(argc, argv, "round", 500, run_case); }
