// SPDX-License-Identifier: Apache-2.0
// attention_join.v: pairs with and without members below and above, rows issued when the unit allows it.
// Every row that goes to the quotient or to the member above, and its l, must be the exact sum of the own row
// and the one from below.
#include <deque>

#include "Vattention_join.h"
#include "duplex/softmax.h"
#include "testbench/common/bench.h"
#include "testbench/common/wide_port.h"

namespace {

constexpr unsigned lanes = DUPLEX_LANES, l_bits = DUPLEX_SOFTMAX_SUM_BITS, issue_clocks = 6;

struct Row {
  bool below, above, first, end;
  duplex_sum own[lanes], other[lanes];
  uint64_t l[lanes], other_l[lanes];
  unsigned row_nan;
};

class Bench {
 public:
  explicit Bench(bench::Case &c) : c_(c), rtl_(c.options) {
    rtl_->valid_i = rtl_->take_i = rtl_->give_i = rtl_->up_valid_i = rtl_->up_taken_i = 0;
    rtl_.reset();
    speed_ = 20 + (unsigned)c.below(81);
  }

  bool pairs(unsigned count) {
    for (unsigned i = 0; i < count; i++) draw_pair();
    for (int clock = 0; clock < 100000 && (!waiting_.empty() || !issued_.empty() || !expected_.empty());
         clock++)
      if (!tick()) return false;
    return expected_.empty() && waiting_.empty() ? true : wrong("end", 0, "rows are missing", "");
  }

 private:
  bool wrong(const char *stage, long lane, const std::string &rtl, const std::string &model) {
    return c_.mismatch("attention_join", stage, (long)rtl_.cycles(), lane, rtl, model);
  }

  duplex_sum draw_sum() {
    const unsigned shift = 33 + (unsigned)c_.below(95);  // two of them stay below 2^96
    wide_port::u128 value = ((wide_port::u128)c_.bits() << 64 | c_.bits()) >> shift;
    if (c_.chance(50)) value = -value;
    return {(uint64_t)value, (int64_t)(uint64_t)(value >> 64), c_.chance(5) ? (uint32_t)c_.below(8) : 0};
  }

  void draw_pair() {
    const unsigned rows = 16 + (unsigned)c_.below(50);
    Row row = {};
    row.below = c_.chance(60), row.above = c_.chance(60);
    row.row_nan = (unsigned)c_.below(256);
    for (unsigned lane = 0; lane < lanes; lane++) {
      row.l[lane] = c_.bits() >> (65 - l_bits + c_.below(l_bits - 1));
      row.other_l[lane] = c_.bits() >> (65 - l_bits + c_.below(l_bits - 1));
    }
    for (unsigned i = 0; i < rows; i++) {
      row.first = i == 0, row.end = i + 1 == rows;
      for (unsigned lane = 0; lane < lanes; lane++) row.own[lane] = draw_sum(), row.other[lane] = draw_sum();
      waiting_.push_back(row);
      if (row.below) from_below_.push_back(row);
    }
  }

  // A row goes when what it needs is there; its sum comes some clocks later.
  void issue() {
    const bool goes = !waiting_.empty() && c_.chance(speed_) &&
                      (!waiting_.front().below || rtl_->below_there_o) &&
                      (!waiting_.front().above || rtl_->above_room_o);
    rtl_->take_i = goes && waiting_.front().below;
    rtl_->give_i = goes && waiting_.front().above;
    given_ += rtl_->give_i;
    pipeline_[issue_clocks] = goes;
    if (!goes) return;
    issued_.push_back(waiting_.front());
    waiting_.pop_front();
  }

  void own_row() {
    rtl_->valid_i = pipeline_[0];
    rtl_->below_i = (bool)c_.below(2), rtl_->above_i = (bool)c_.below(2), rtl_->end_i = (bool)c_.below(2);
    for (unsigned lane = 0; lane < lanes; lane++) wide_port::put(rtl_->l_i, lane * l_bits, l_bits, c_.bits());
    if (!pipeline_[0]) return;
    const Row row = issued_.front();
    issued_.pop_front();
    rtl_->below_i = row.below, rtl_->above_i = row.above, rtl_->end_i = row.end;
    rtl_->row_nan_i = row.first ? row.row_nan : (unsigned)c_.below(256);
    for (unsigned lane = 0; lane < lanes; lane++) {
      wide_port::put_sum(rtl_->sum_i, lane, row.own[lane]);
      wide_port::put(rtl_->flags_i, 3 * lane, 3, row.own[lane].flags);
      if (row.first) wide_port::put(rtl_->l_i, lane * l_bits, l_bits, row.l[lane]);
    }
    expected_.push_back(row);
  }

  // The members: rows from below while there is room, room above given back.
  void neighbours() {
    const bool up = !from_below_.empty() && in_fifo_ < DUPLEX_LINK_ROWS && c_.chance(speed_);
    rtl_->up_taken_i = above_ != 0 && c_.chance(speed_);
    above_ -= rtl_->up_taken_i;
    given_ -= rtl_->up_taken_i;
    rtl_->up_valid_i = up;
    rtl_->up_first_i = (bool)c_.below(2);
    for (unsigned lane = 0; lane < lanes; lane++)
      wide_port::put(rtl_->up_l_i, lane * l_bits, l_bits, c_.bits());
    if (!up) return;
    const Row row = from_below_.front();
    from_below_.pop_front();
    in_fifo_++;
    rtl_->up_first_i = row.first;
    for (unsigned lane = 0; lane < lanes; lane++) {
      wide_port::put_sum(rtl_->up_sum_i, lane, row.other[lane]);
      wide_port::put(rtl_->up_flags_i, 3 * lane, 3, row.other[lane].flags);
      if (row.first) wide_port::put(rtl_->up_l_i, lane * l_bits, l_bits, row.other_l[lane]);
    }
  }

  bool tick() {
    issue();
    own_row();
    neighbours();
    rtl_->clk_i = 0;
    rtl_.settle();
    in_fifo_ -= rtl_->up_taken_o;
    rtl_.tick();
    for (unsigned i = 0; i < issue_clocks; i++) pipeline_[i] = pipeline_[i + 1];
    if (given_ > DUPLEX_LINK_ROWS)
      return wrong("room", 0, std::to_string(given_), std::to_string(DUPLEX_LINK_ROWS));
    above_ += rtl_->up_valid_o;
    return rtl_->up_valid_o || rtl_->quotient_valid_o ? check() : true;
  }

  bool check() {
    if (expected_.empty()) return wrong("row", 0, "one more", "none");
    const Row row = expected_.front();
    expected_.pop_front();
    if ((bool)rtl_->up_valid_o != row.above || (bool)rtl_->quotient_valid_o == row.above)
      return wrong("way", 0, "", "");
    if (row.above ? (bool)rtl_->up_first_o != row.first : (bool)rtl_->end_o != row.end)
      return wrong("mark", 0, "", "");
    if (row.first && rtl_->row_nan_o != row.row_nan)
      return wrong("row_nan", 0, std::to_string(rtl_->row_nan_o), std::to_string(row.row_nan));
    for (unsigned lane = 0; lane < lanes; lane++) {
      duplex_sum want = row.own[lane], got = wide_port::get_sum(rtl_->sum_o, lane);
      if (row.below) duplex_sum_add(&want, &row.other[lane]);
      got.flags = (uint32_t)wide_port::get(rtl_->flags_o, 3 * lane, 3);
      const uint64_t l = row.l[lane] + (row.below ? row.other_l[lane] : 0);
      if (got.low != want.low || got.high != want.high || got.flags != want.flags)
        return wrong("sum", lane, std::to_string(got.low), std::to_string(want.low));
      if (row.first && (uint64_t)wide_port::get(rtl_->l_o, lane * l_bits, l_bits) != l)
        return wrong("l", lane, "", std::to_string(l));
      c_.compared++;
    }
    return true;
  }

  bench::Case &c_;
  bench::Clocked<Vattention_join> rtl_;
  std::deque<Row> waiting_, issued_, expected_, from_below_;
  bool pipeline_[issue_clocks + 1] = {};
  unsigned speed_ = 0;
  unsigned in_fifo_ = 0;
  unsigned above_ = 0;
  unsigned given_ = 0;
};

bool run_case(bench::Case &c) { return Bench(c).pairs(8); }

}  // namespace

int main(int argc, char **argv) { return bench::run(argc, argv, "attention_join", 60, run_case); }
