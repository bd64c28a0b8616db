// SPDX-License-Identifier: Apache-2.0
// attention_quotient.v: pairs of random numbers of rows, as close behind each other as they may come. Every
// row of o must be that of duplex_quotient with the divisors that stood there at its pair's first row, of
// joined lanes where weights have two parts.
#include <deque>
#include <vector>

#include "Vattention_quotient.h"
#include "duplex/softmax.h"
#include "testbench/common/bench.h"
#include "testbench/common/wide_port.h"

namespace {

using wide_port::put;
using wide_port::put_sum;

constexpr unsigned lanes = DUPLEX_LANES;

struct Row {
  uint16_t o[lanes];
  bool end;
};

constexpr uint64_t l_mask = (UINT64_C(1) << DUPLEX_SOFTMAX_SUM_BITS) - 1;

class Bench {
 public:
  explicit Bench(bench::Case &c) : c_(c), rtl_(c.options) {
    rtl_->sum_valid_i = 0;
    rtl_.reset();
  }

  bool pairs(unsigned count) {
    for (unsigned i = 0; i < count; i++) {
      const unsigned rows = 1 + (unsigned)c_.below(40);
      draw_divisors();
      for (unsigned row = 0; row < rows; row++)
        if (!send(row + 1 == rows) || (row == 0 && !hide_divisors())) return false;
      for (int clock = 0; clock < DUPLEX_QUOTIENT_CLOCKS - 1; clock++)
        if (!tick()) return false;
    }
    for (int clock = 0; clock < 4; clock++)
      if (!tick()) return false;
    return expected_.empty() ? true : c_.mismatch("attention_quotient", "end", 0, 0, "rows are missing", "");
  }

 private:
  void draw_divisors() {
    wide_ = c_.chance(40);
    row_nan_ = c_.chance(20) ? (unsigned)c_.below(256) : 0;
    for (unsigned lane = 0; lane < lanes; lane++) {
      l_[lane] =
          c_.chance(3) ? 0 : c_.bits() >> (64 - DUPLEX_SOFTMAX_SUM_BITS + c_.below(DUPLEX_SOFTMAX_SUM_BITS));
      put(rtl_->l_i, lane * DUPLEX_SOFTMAX_SUM_BITS, DUPLEX_SOFTMAX_SUM_BITS, l_[lane]);
    }
    rtl_->row_nan_i = row_nan_;
  }

  // Only the first row of a pair may look at them.
  bool hide_divisors() {
    for (unsigned lane = 0; lane < lanes; lane++)
      put(rtl_->l_i, lane * DUPLEX_SOFTMAX_SUM_BITS, DUPLEX_SOFTMAX_SUM_BITS, c_.bits());
    rtl_->row_nan_i = (unsigned)c_.below(256);
    return true;
  }

  bool send(bool end) {
    Row row = {};
    row.end = end;
    duplex_sum sums[lanes];
    for (unsigned lane = 0; lane < lanes; lane++) {
      const unsigned shift = 31 + (unsigned)c_.below(97);
      unsigned __int128 value = ((unsigned __int128)c_.bits() << 64 | c_.bits()) >> shift;
      if (shift > 31 && c_.chance(50)) value = -value;
      duplex_sum sum = {(uint64_t)value, (int64_t)(uint64_t)(value >> 64),
                        c_.chance(5) ? (uint32_t)c_.below(8) : 0};
      sum.high = (int64_t)((uint64_t)sum.high << 31) >> 31;  // 97 bits
      sums[lane] = sum;
      put_sum(rtl_->sum_i, lane, sum);
      put(rtl_->flags_i, 3 * lane, 3, sum.flags);
    }
    for (unsigned lane = 0; lane < lanes; lane++) row.o[lane] = divide(sums, lane);
    expected_.push_back(row);
    rtl_->wide_i = wide_;
    rtl_->sum_valid_i = 1;
    rtl_->sum_end_i = end;
    const bool good = tick();
    rtl_->sum_valid_i = 0;
    return good;
  }

  uint16_t divide(const duplex_sum *sums, unsigned lane) const {
    duplex_sum sum = sums[lane];
    uint64_t l = l_[lane];
    if (wide_ && lane < lanes / 2) {
      const duplex_sum low = {sums[lane + lanes / 2].low, sums[lane + lanes / 2].high, 0};
      duplex_sum_add(&sum, &low);
      sum.high = (int64_t)((uint64_t)sum.high << 31) >> 31;
      l = (l + l_[lane + lanes / 2]) & l_mask;
    }
    return duplex_quotient(&sum, l, row_nan_ >> lane & 1);
  }

  bool tick() {
    rtl_.tick();
    if (!rtl_->row_valid_o) return true;
    if (expected_.empty()) return c_.mismatch("attention_quotient", "row", 0, 0, "one more", "none");
    const Row want = expected_.front();
    expected_.pop_front();
    if ((bool)rtl_->row_end_o != want.end)
      return c_.mismatch("attention_quotient", "end", 0, 0, std::to_string(rtl_->row_end_o), "");
    for (unsigned lane = 0; lane < lanes; lane++) {
      const uint16_t got = (uint16_t)(rtl_->row_o[lane / 2] >> 16 * (lane % 2));
      if (got != want.o[lane])
        return c_.mismatch("attention_quotient", "o", 0, lane, std::to_string(got),
                           std::to_string(want.o[lane]));
      c_.compared++;
    }
    return true;
  }

  bench::Case &c_;
  bench::Clocked<Vattention_quotient> rtl_;
  std::deque<Row> expected_;
  uint64_t l_[lanes] = {};
  unsigned row_nan_ = 0;
  bool wide_ = false;
};

bool run_case(bench::Case &c) { return Bench(c).pairs(20); }

}  // namespace

int main(int argc, char **argv) { return bench::run(argc, argv, "attention_quotient", 100, run_case); }
