// SPDX-License-Identifier: Apache-2.0
// softmax_sum.v against duplex_softmax_sum: rows of random length with gaps, sums that use all 57 bits.
#include "Vsoftmax_sum.h"
#include "testbench/common/pipeline.h"
#include "testbench/common/softmax_stimulus.h"

namespace {

constexpr int latency = 2;

bool run_case(bench::Case &c) {
  bench::Clocked<Vsoftmax_sum> &rtl = pipeline::unit<Vsoftmax_sum>(c);
  pipeline::Expected<uint64_t> expected(latency);
  uint64_t l = 0;
  const bool largest = c.number == 0;  // the longest row of the largest weights, and beyond the sum's end
  const int adds = largest ? 300000 : 2000;
  for (int i = 0; i < adds + latency; i++) {
    const bool clear = i == 0 || (!largest && c.chance(1));
    const bool valid = largest || c.chance(70);
    const duplex_p16 p = largest ? DUPLEX_P16_MOST : (duplex_p16)c.below(0x10000);
    rtl->clear_i = clear;
    rtl->valid_i = valid;
    rtl->p_i = p;
    if (clear) l = 0;
    if (valid) l = duplex_softmax_sum(l, p);
    rtl.tick();
    uint64_t want;
    if (!expected.next(l, &want)) continue;
    if (!pipeline::same(c, "softmax_sum", "l", (long)i, rtl->l_o, want)) return false;
  }
  return true;
}

}  // namespace

int main(int argc, char **argv) { return bench::run(argc, argv, "softmax_sum", 500, run_case); }
