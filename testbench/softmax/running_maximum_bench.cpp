// SPDX-License-Identifier: Apache-2.0
// running_maximum.v against duplex_running_maximum: rows of random length with gaps, special values, and rows
// that follow at once.
#include "Vrunning_maximum.h"
#include "testbench/common/pipeline.h"
#include "testbench/common/softmax_stimulus.h"

namespace {

constexpr int latency = 2;

bool run_case(bench::Case &c) {
  bench::Clocked<Vrunning_maximum> &rtl = pipeline::unit<Vrunning_maximum>(c);
  pipeline::Expected<duplex_f32> expected(latency);
  duplex_f32 m = DUPLEX_MAXIMUM_START;
  unsigned special = 0;  // percent of a row's scores: most rows must not meet NaN at once
  for (int i = 0; i < 1000 + latency; i++) {
    const bool clear = i == 0 || c.chance(3);
    const bool valid = c.chance(70);
    if (clear) special = c.chance(70) ? 0 : 20;
    duplex_f32 t = c.chance(special) ? softmax::draw_f32(c) : softmax::draw_score(c);
    if (c.chance(20)) t = m + (duplex_f32)c.below(3) - 1;  // the maximum and its neighbours
    if (c.chance(3)) t = (duplex_f32)c.below(2) << 31;
    rtl->clear_i = clear;
    rtl->valid_i = valid;
    rtl->t_i = t;
    if (clear) m = DUPLEX_MAXIMUM_START;
    if (valid) m = duplex_running_maximum(m, t);
    rtl.tick();
    duplex_f32 want;
    if (!expected.next(m, &want)) continue;
    if (!pipeline::same(c, "running_maximum", "m", (long)i, rtl->m_o, want)) return false;
  }
  return true;
}

}  // namespace

int main(int argc, char **argv) { return bench::run(argc, argv, "running_maximum", 500, run_case); }
