// SPDX-License-Identifier: Apache-2.0
// quotient.v against duplex_quotient: blocks of rows with one divisor each, loaded as early as the unit
// allows; random sums, exact quotients, ties and their neighbours, subnormal results, overflow, flags, rows
// that are NaN.
#include "Vquotient.h"
#include "testbench/common/pipeline.h"
#include "testbench/common/softmax_stimulus.h"

namespace {

constexpr int latency = 16;
constexpr int reload = 14;  // clocks from the last sum of a divisor to the next load

struct Row {
  duplex_sum sum;
  uint64_t l;
  bool row_nan;
};

uint64_t draw_divisor(bench::Case &c) {
  if (c.chance(2)) return 0;
  if (c.chance(20)) return UINT64_C(1) << c.below(DUPLEX_SOFTMAX_SUM_BITS);
  return (c.bits() | UINT64_C(1) << 63) >> (64 - DUPLEX_SOFTMAX_SUM_BITS + c.below(DUPLEX_SOFTMAX_SUM_BITS));
}

// A multiple of l: 11 or 12 bits of quotient at a random place, so that it is exact or a tie, sometimes one
// unit beside it.
unsigned __int128 draw_near_tie(bench::Case &c, uint64_t l) {
  unsigned __int128 value = (unsigned __int128)l * (1 + c.below(4096));
  while (c.chance(97) && value >> 95 == 0) value <<= 1;
  return value + c.below(3) - 1;
}

duplex_sum draw_sum(bench::Case &c, uint64_t l) {
  unsigned __int128 value = (unsigned __int128)c.bits() << 64 | c.bits();
  value = value >> (32 + c.below(96));
  if (c.chance(40)) value = draw_near_tie(c, l);
  if (c.chance(2)) value = c.below(2);
  value &= ((unsigned __int128)1 << 96) - 1;
  if (c.chance(50)) value = -value;
  if (c.chance(1)) value = -((unsigned __int128)1 << 96);
  duplex_sum sum = {(uint64_t)value, (int64_t)(uint64_t)(value >> 64), 0};
  if (c.chance(5)) sum.flags = (uint32_t)c.below(8);
  return sum;
}

void drive(bench::Clocked<Vquotient> &rtl, const duplex_sum &sum) {
  rtl->sum_i[0] = (uint32_t)sum.low;
  rtl->sum_i[1] = (uint32_t)(sum.low >> 32);
  rtl->sum_i[2] = (uint32_t)sum.high;
  rtl->sum_i[3] = (uint32_t)(sum.high >> 32) & 1;
  rtl->flags_i = sum.flags;
}

bool run_case(bench::Case &c) {
  bench::Clocked<Vquotient> &rtl = pipeline::unit<Vquotient>(c);
  struct Expected {
    bool counts;
    duplex_f16 o;
  };
  pipeline::Expected<Expected> expected(latency);
  uint64_t l = 0;
  bool row_nan = false;
  int rows = 0;  // left of this divisor
  int wait = 0;  // clocks until the next load
  for (int i = 0; i < 3000 + latency; i++) {
    const bool load = rows == 0 && wait == 0;
    rtl->l_i = c.bits() >> (64 - DUPLEX_SOFTMAX_SUM_BITS);  // looked at with load only
    rtl->row_nan_i = c.chance(50);
    if (load) {
      rtl->l_i = l = draw_divisor(c);
      rtl->row_nan_i = row_nan = c.chance(5);
      rows = 1 + (int)c.below(64);
    }
    rtl->load_i = load;
    const duplex_sum sum = draw_sum(c, l);
    drive(rtl, sum);
    const Expected in = {rows > 0, duplex_quotient(&sum, l, row_nan)};
    if (rows > 0 && --rows == 0)
      wait = reload - 1;
    else if (wait > 0)
      wait--;
    rtl.tick();
    Expected want;
    if (!expected.next(in, &want)) continue;
    if (!want.counts) continue;
    if (!pipeline::same(c, "quotient", "o", (long)i, rtl->o_o, want.o)) return false;
  }
  return true;
}

}  // namespace

int main(int argc, char **argv) { return bench::run(argc, argv, "quotient", 500, run_case); }
