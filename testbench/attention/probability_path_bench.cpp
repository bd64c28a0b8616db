// SPDX-License-Identifier: Apache-2.0
// probability_path.v: positions with gaps, words of all numbers of lanes, weights in one and in two parts,
// positions that there are not. Every word of weights, and each lane's l when its last weight has passed,
// must be those of the C units.
#include <deque>
#include <vector>

#include "Vprobability_path.h"
#include "duplex/softmax.h"
#include "testbench/common/bench.h"
#include "testbench/common/softmax_stimulus.h"

namespace {

using softmax::draw_f32;

constexpr unsigned lanes = DUPLEX_LANES, scores_of_word = DUPLEX_SCORES_OF_WORD;

struct Weights {
  uint16_t p[4 * lanes];
};

class Bench {
 public:
  explicit Bench(bench::Case &c) : c_(c), rtl_(c.options) {
    rtl_->valid_i = 0;
    rtl_.reset();
  }

  // Passes of some tiles each.
  bool passes(unsigned count) {
    for (unsigned i = 0; i < count; i++)
      if (!pass(i == 0)) return false;
    return expected_.empty() ? true : wrong("end", "words are missing", "");
  }

 private:
  bool wrong(const char *stage, const std::string &rtl, const std::string &model) {
    return c_.mismatch("probability_path", stage, (long)rtl_.cycles(), 0, rtl, model);
  }

  bool pass(bool clear) {
    const unsigned lane_bits = (unsigned)c_.below(4);
    const unsigned length = 1 + (unsigned)c_.below(150);
    const unsigned tiles = (length + 63) / 64;
    const bool sum = c_.chance(80);
    wide_ = lane_bits < 3 && c_.chance(50);
    clear |= c_.chance(50);
    clear &= sum;
    for (unsigned lane = 0; lane < lanes; lane++) maximum_[lane] = rtl_->maximum_i[lane] = draw_f32(c_);
    if (clear)
      for (uint64_t &l : l_) l = 0;
    const unsigned gaps = (unsigned)c_.below(3) * 30;
    for (unsigned position = 0; position < 64 * tiles; position++) {
      while (c_.chance(gaps))
        if (!clock()) return false;
      if (!tell(position, length, lane_bits, sum, clear && position == 0)) return false;
    }
    for (int i = 0; i < DUPLEX_EXPONENTIAL_CLOCKS + 6; i++)
      if (!clock()) return false;
    return check_l();
  }

  bool tell(unsigned position, unsigned length, unsigned lane_bits, bool sum, bool clear) {
    const unsigned of_word = scores_of_word >> lane_bits;
    const unsigned place = position % of_word;
    const bool exists = position < length;
    if (place == 0 && exists)
      for (uint32_t &score : next_word_) score = draw_near(maximum_[c_.below(lanes)]);
    for (unsigned lane = 0; lane < lanes; lane++) {
      const unsigned own = wide_ ? lane % (lanes / 2) : lane;
      const uint32_t t =
          own < 1u << lane_bits ? next_word_[(place << lane_bits) + own] : DUPLEX_MAXIMUM_START;
      const duplex_weight_part part = !wide_ ? DUPLEX_P16 : lane == own ? DUPLEX_P32_HIGH : DUPLEX_P32_LOW;
      const uint16_t p = exists ? duplex_exponential(t, maximum_[own], part) : 0;
      weights_.p[position % 4 * lanes + lane] = p;
      if (exists && sum) l_[lane] = duplex_softmax_sum(l_[lane], p);
    }
    if (position % 4 == 3) expected_.push_back(weights_);
    rtl_->valid_i = 1;
    rtl_->exists_i = exists;
    rtl_->position_i = place;
    rtl_->lanes_i = lane_bits;
    rtl_->wide_i = wide_;
    rtl_->sum_i = sum;
    rtl_->clear_i = clear;
    const bool good = clock();
    rtl_->valid_i = 0;
    std::memcpy(word_, next_word_, sizeof word_);  // the RAM shows it from the next clock on
    rtl_->clear_i = (bool)c_.below(2);
    return good;
  }

  uint32_t draw_near(uint32_t m) {
    return c_.chance(70) ? m ^ (uint32_t)c_.below(1u << c_.below(27)) : draw_f32(c_);
  }

  bool clock() {
    for (unsigned i = 0; i < scores_of_word; i++) rtl_->word_i[i] = word_[i];
    rtl_.tick();
    if (!rtl_->word_valid_o) return true;
    if (expected_.empty()) return wrong("word", "one more", "none");
    const Weights want = expected_.front();
    expected_.pop_front();
    for (unsigned i = 0; i < 4 * lanes; i++) {
      const uint16_t got = (uint16_t)(rtl_->word_o[i / 2] >> 16 * (i % 2));
      if (got != want.p[i]) return wrong("weight", std::to_string(got), std::to_string(want.p[i]));
    }
    c_.compared += 4 * lanes;
    return true;
  }

  bool check_l() {
    for (unsigned lane = 0; lane < lanes; lane++) {
      uint64_t got = 0;
      for (unsigned bit = 0; bit < DUPLEX_SOFTMAX_SUM_BITS; bit++) {
        const unsigned at = lane * DUPLEX_SOFTMAX_SUM_BITS + bit;
        got |= (uint64_t)(rtl_->l_o[at / 32] >> at % 32 & 1) << bit;
      }
      if (got != l_[lane]) return wrong("l", std::to_string(got), std::to_string(l_[lane]));
      c_.compared++;
    }
    return true;
  }

  bench::Case &c_;
  bench::Clocked<Vprobability_path> rtl_;
  std::deque<Weights> expected_;
  Weights weights_ = {};
  bool wide_ = false;
  uint32_t maximum_[lanes] = {};
  uint32_t word_[scores_of_word] = {};
  uint32_t next_word_[scores_of_word] = {};
  uint64_t l_[lanes] = {};
};

bool run_case(bench::Case &c) { return Bench(c).passes(10); }

}  // namespace

int main(int argc, char **argv) { return bench::run(argc, argv, "probability_path", 100, run_case); }
