// SPDX-License-Identifier: Apache-2.0
// accumulator.v against cmodel/gemm/accumulator.c: low word, high word and flags of each addition; rows that
// repeat at every distance, bubbles, sums up to the ends of the 97 bits.
#include "Vaccumulator.h"
#include "Vaccumulator___024root.h"
#include "duplex/gemm_units.h"
#include "testbench/common/bench.h"

namespace {

struct Addition {
  bool valid, first;
  unsigned row;
  duplex_dot64_stages dot;
};

// A dot product as dot64 can give it, of any size; flags are rare, because they stick.
duplex_dot64_stages draw_dot(bench::Case &c) {
  duplex_dot64_stages dot = {};
  const uint64_t kind = c.below(4);
  dot.low = kind == 0 ? c.below(2) << 54 : c.bits() >> (10 + c.below(54));
  const int64_t edge = INT64_C(1) << 38;
  dot.high = kind == 1 ? (c.chance(50) ? edge - 1 : -edge) : (int64_t)c.bits() >> (25 + c.below(39));
  dot.flags = c.chance(3) ? (uint32_t)c.below(8) : 0;
  return dot;
}

Addition draw(bench::Case &c, unsigned rows, unsigned bubbles, const Addition &before) {
  Addition a = {!c.chance(bubbles), c.chance(4), (unsigned)c.below(rows), draw_dot(c)};
  if (c.chance(30)) a.row = before.row;
  return a;
}

bool same(bench::Case &c, const char *stage, unsigned row, uint64_t rtl, uint64_t model) {
  c.compared++;
  return rtl == model || c.mismatch("accumulator", stage, row, 0, std::to_string(rtl), std::to_string(model));
}

bool check_low(bench::Case &c, const Vaccumulator___024root *root, const duplex_accumulator_stages &want,
               unsigned row) {
  return same(c, "low word", row, root->accumulator__DOT__low_q, want.low) &&
         same(c, "carry", row, root->accumulator__DOT__carry_q, want.carry);
}

bool check_sum(bench::Case &c, const Vaccumulator *rtl, const duplex_accumulator_stages &want, unsigned row) {
  const uint64_t low = (uint64_t)rtl->sum_o[1] << 32 | rtl->sum_o[0];
  const uint64_t high = (uint64_t)rtl->sum_o[3] << 32 | rtl->sum_o[2];
  return same(c, "sum low", row, low, want.sum.low) &&
         same(c, "sum high", row, high,
              (uint64_t)want.sum.high & ((UINT64_C(1) << (DUPLEX_SUM_BITS - 64)) - 1)) &&
         same(c, "flags", row, rtl->flags_o, want.sum.flags);
}

void drive(bench::Clocked<Vaccumulator> &rtl, const Addition &now, const Addition &next,
           const Addition &before) {
  rtl->next_row_i = next.row;
  rtl->valid_i = now.valid;
  rtl->row_i = now.row;
  rtl->first_i = now.first;
  rtl->repeat_i = before.valid && before.row == now.row;
  rtl->low_i = now.dot.low;
  rtl->high_i = (uint64_t)now.dot.high & ((UINT64_C(1) << 39) - 1);
  rtl->flags_i = now.dot.flags;
}

bool run_case(bench::Case &c) {
  bench::Clocked<Vaccumulator> rtl(c.options);
  const unsigned rows = c.chance(40) ? 1 + (unsigned)c.below(3) : 1 + (unsigned)c.below(DUPLEX_ROWS);
  const unsigned bubbles = (unsigned)c.below(3) * 35;
  std::unique_ptr<duplex_accumulator> model(new duplex_accumulator());
  Addition before = {}, now = {}, next = draw(c, rows, bubbles, now);
  duplex_accumulator_stages stages = {}, stages_before = {};
  // Every row is initialised first, in order; then additions at random.
  for (uint64_t clock = 0; clock < 2000; clock++) {
    before = now;
    now = next;
    next = draw(c, rows, bubbles, now);
    if (clock + 1 < rows) {
      next.valid = next.first = true;
      next.row = (unsigned)clock + 1;
    }
    if (clock == 0) {
      now.valid = now.first = true;
      now.row = 0;
    }
    stages_before = stages;
    if (now.valid) duplex_accumulator_add(model.get(), now.row, now.first, &now.dot, &stages);
    drive(rtl, now, next, before);
    if (clock == 0) {  // the RAM reads a row one clock before its addition
      rtl->valid_i = 0;
      rtl->next_row_i = now.row;
      rtl.tick();
      drive(rtl, now, next, before);
    }
    rtl.tick();
    if (now.valid && !check_low(c, rtl->rootp, stages, now.row)) return false;
    if (before.valid && clock > 0 && !check_sum(c, rtl.operator->(), stages_before, before.row)) return false;
  }
  return true;
}

}  // namespace

int main(int argc, char **argv) { return bench::run(argc, argv, "accumulator", 1000, run_case); }
