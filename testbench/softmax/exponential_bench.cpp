// SPDX-License-Identifier: Apache-2.0
// exponential.v against duplex_exponential: every fraction of a difference, as p16, as the high and as the
// low part, with whole parts in turn (t = -fraction, m = whole, in the first cases), then random pairs of all
// classes, of equal and of far exponents, and scores above their maximum.
#include "Vexponential.h"
#include "testbench/common/pipeline.h"
#include "testbench/common/softmax_stimulus.h"

namespace {

constexpr int latency = DUPLEX_EXPONENTIAL_CLOCKS;
constexpr uint64_t pairs = 8192, fractions = 1 << DUPLEX_DIFFERENCE_FRACTION_BITS,
                   exhaustive_cases = 3 * fractions / pairs;

struct Pair {
  duplex_f32 t, m;
};

duplex_f32 bits_of(float value) {
  duplex_f32 bits;
  std::memcpy(&bits, &value, 4);
  return bits;
}

Pair draw_pair(bench::Case &c) {
  switch (c.below(4)) {
    case 0:
      return {softmax::draw_f32(c), softmax::draw_f32(c)};
    case 1: {  // near each other at any size
      const duplex_f32 m = softmax::draw_f32(c);
      const duplex_f32 step = (duplex_f32)c.below(1u << c.below(26));
      return {m >> 31 ? m + step : m - step, m};
    }
    default: {
      const duplex_f32 a = softmax::draw_score(c);
      const duplex_f32 b = softmax::draw_score(c);
      const duplex_f32 larger = duplex_running_maximum(a, b);
      return {larger == a ? b : a, larger};
    }
  }
}

bool run_case(bench::Case &c) {
  bench::Clocked<Vexponential> &rtl = pipeline::unit<Vexponential>(c);
  pipeline::Expected<duplex_p16> expected(latency);
  for (uint64_t i = 0; i < pairs + latency; i++) {
    const bool exhaustive = c.number < exhaustive_cases;
    const uint64_t at = c.number * pairs + i;
    const auto part = (duplex_weight_part)(exhaustive ? at / fractions % 3 : c.below(3));
    const float fraction = (float)(at % fractions) / (float)fractions;
    const float whole = (float)((at + at / 42) % 42);
    const Pair pair = exhaustive ? Pair{bits_of(-fraction), bits_of(whole)} : draw_pair(c);
    rtl->t_i = pair.t;
    rtl->m_i = pair.m;
    rtl->wide_i = part != DUPLEX_P16;
    rtl->low_i = part == DUPLEX_P32_LOW;
    const duplex_p16 in = duplex_exponential(pair.t, pair.m, part);
    rtl.tick();
    duplex_p16 want;
    if (!expected.next(in, &want)) continue;
    if (!pipeline::same(c, "exponential", "p", (long)i, rtl->p_o, want)) return false;
  }
  return true;
}

}  // namespace

int main(int argc, char **argv) {
  return bench::run(argc, argv, "exponential", exhaustive_cases + 200, run_case);
}
