// SPDX-License-Identifier: Apache-2.0
// score_path.v: rows of rounded sums with gaps, passes of all kinds of lanes and masks, maxima taken late.
// Every word that goes to the slice (address and scores, in order) and every maximum must be that of the C
// units. Between passes a joined maximum comes back now and then and counts like a score, or words of scores
// come back from DRAM.
#include <deque>
#include <vector>

#include "Vscore_path.h"
#include "duplex/softmax.h"
#include "testbench/common/bench.h"
#include "testbench/common/softmax_stimulus.h"

namespace {

using softmax::draw_f32;

constexpr unsigned lanes = DUPLEX_LANES, scores_of_word = DUPLEX_SCORES_OF_WORD;

struct Pass {
  unsigned lane_bits, mask, rows;
  bool first, last, store;
  unsigned marks;  // of the maximum: back, below, above
  uint32_t scale;
};

struct Maxima {
  std::vector<uint32_t> maximum;
  unsigned marks;
};

struct Word {
  unsigned address, scores;  // how many of them are there
  uint32_t score[scores_of_word];
};

class Bench {
 public:
  explicit Bench(bench::Case &c) : c_(c), rtl_(c.options) {
    rtl_->start_i = rtl_->sum_valid_i = rtl_->maximum_ready_i = rtl_->joined_valid_i = rtl_->load_valid_i =
        rtl_->load_end_i = 0;
    rtl_.reset();
    for (uint32_t &m : maximum_) m = DUPLEX_MAXIMUM_START;
  }

  bool passes(unsigned count) {
    for (unsigned i = 0; i < count; i++)
      if (!pass()) return false;
    for (int i = 0; i < 2000 && (i < 40 || !maxima_.empty()); i++)
      if (!clock()) return false;
    return words_.empty() && maxima_.empty() && stored_ == 0
               ? true
               : wrong("end", 0, "words or maxima are missing", "");
  }

 private:
  bool wrong(const char *stage, long row, const std::string &rtl, const std::string &model) {
    return c_.mismatch("score_path", stage, row, 0, rtl, model);
  }

  bool pass() {
    Pass p = {};
    p.lane_bits = (unsigned)c_.below(4);
    p.mask = 1 + (unsigned)c_.below((1u << (1u << p.lane_bits)) - 1);
    p.rows = 1 + (unsigned)c_.below(c_.chance(50) ? 5 : 70);
    p.first = c_.chance(60);
    p.store = c_.chance(50);
    p.scale = draw_f32(c_);
    p.marks = (unsigned)c_.below(8);
    if (c_.chance(20) && !join()) return false;
    if (c_.chance(20) && !load()) return false;
    p.last = maxima_.size() < 2 && c_.chance(50);
    while (!rtl_->ready_o)
      if (!clock()) return false;
    rtl_->start_i = 1;
    rtl_->lanes_i = p.lane_bits;
    rtl_->mask_i = p.mask;
    rtl_->first_i = p.first;
    rtl_->last_i = p.last;
    rtl_->store_i = p.store;
    rtl_->scale_i = p.scale;
    rtl_->back_i = p.marks >> 2, rtl_->below_i = p.marks >> 1 & 1, rtl_->above_i = p.marks & 1;
    if (!clock()) return false;
    rtl_->start_i = 0;
    if (p.first)
      for (uint32_t &m : maximum_) m = DUPLEX_MAXIMUM_START;
    const unsigned gaps = (unsigned)c_.below(3) * 30;
    for (unsigned row = 0; row < p.rows; row++) {
      while (c_.chance(gaps))
        if (!clock()) return false;
      if (!send_row(p, row)) return false;
    }
    return true;
  }

  bool wait_until_empty() {
    while (!rtl_->empty_o)
      if (!clock()) return false;
    return true;
  }

  // Words go to the slice as they come; the pair's maximum is the one that stands there.
  bool load() {
    if (!wait_until_empty()) return false;
    for (unsigned left = (unsigned)c_.below(6); left; left--) {
      Word word = {address_, scores_of_word, {}};
      for (unsigned i = 0; i < scores_of_word; i++) rtl_->load_i[i] = word.score[i] = (uint32_t)c_.bits();
      words_.push_back(word);
      address_ = (address_ + 1) % DUPLEX_SCORE_WORDS;
      rtl_->load_valid_i = 1;
      const bool good = clock();
      rtl_->load_valid_i = 0;
      if (!good) return false;
      while (c_.chance(30))
        if (!clock()) return false;
    }
    if (maxima_.size() == 2) return true;
    maxima_.push_back({std::vector<uint32_t>(maximum_, maximum_ + lanes), 0});
    rtl_->load_end_i = 1;
    const bool good = clock();
    rtl_->load_end_i = 0;
    return good;
  }

  bool join() {
    if (!wait_until_empty()) return false;
    for (int i = 0; i < 2; i++)
      if (!clock()) return false;
    for (unsigned lane = 0; lane < lanes; lane++) {
      rtl_->joined_i[lane] = duplex_running_maximum(DUPLEX_MAXIMUM_START, draw_f32(c_));
      maximum_[lane] = duplex_running_maximum(maximum_[lane], rtl_->joined_i[lane]);
    }
    rtl_->joined_valid_i = 1;
    const bool good = clock();
    rtl_->joined_valid_i = 0;
    return good;
  }

  bool send_row(const Pass &p, unsigned row) {
    std::vector<uint32_t> s(lanes);
    for (uint32_t &value : s) value = draw_f32(c_);
    const unsigned here = 1u << p.lane_bits;
    const unsigned of_word = scores_of_word >> p.lane_bits;
    if (row % of_word == 0) word_ = {address_, 0, {}};
    for (unsigned lane = 0; lane < here; lane++) {
      uint32_t t = DUPLEX_MAXIMUM_START;
      if (p.mask >> lane & 1) {
        t = duplex_score_scale(s[lane], p.scale);
        maximum_[lane] = duplex_running_maximum(maximum_[lane], t);
      }
      word_.score[word_.scores++] = t;
    }
    const bool end = row + 1 == p.rows;
    if ((end || row % of_word == of_word - 1)) {
      words_.push_back(word_);
      address_ = (address_ + 1) % DUPLEX_SCORE_WORDS;
    }
    stored_ += end && p.store;
    if (p.last && end) maxima_.push_back({std::vector<uint32_t>(maximum_, maximum_ + lanes), p.marks});
    rounded_[3] = s;
    rtl_->sum_valid_i = 1;
    rtl_->sum_end_i = end;
    const bool good = clock();
    rtl_->sum_valid_i = 0;
    rtl_->sum_end_i = (bool)c_.below(2);
    return good;
  }

  // The rounded sums come three clocks behind their row.
  bool clock() {
    rtl_->maximum_ready_i = c_.chance(10);
    rtl_->clk_i = 0;
    for (unsigned lane = 0; lane < lanes; lane++)
      rtl_->f32_i[lane] = rounded_[0].empty() ? (uint32_t)c_.bits() : rounded_[0][lane];
    rtl_.settle();
    const bool taken = rtl_->maximum_valid_o && rtl_->maximum_ready_i;
    if (taken && !check_maximum()) return false;
    if (rtl_->write_valid_o && !check_word()) return false;
    stored_ -= rtl_->stored_o;
    rtl_.tick();
    for (int i = 0; i < 3; i++) rounded_[i] = rounded_[i + 1];
    rounded_[3].clear();
    return true;
  }

  bool check_maximum() {
    if (maxima_.empty()) return wrong("maximum", 0, "one more", "none");
    for (unsigned lane = 0; lane < lanes; lane++)
      if (rtl_->maximum_o[lane] != maxima_.front().maximum[lane])
        return wrong("maximum", lane, std::to_string(rtl_->maximum_o[lane]),
                     std::to_string(maxima_.front().maximum[lane]));
    const unsigned marks = rtl_->maximum_back_o << 2 | rtl_->maximum_below_o << 1 | rtl_->maximum_above_o;
    if (marks != maxima_.front().marks)
      return wrong("marks", 0, std::to_string(marks), std::to_string(maxima_.front().marks));
    maxima_.pop_front();
    c_.compared++;
    return true;
  }

  bool check_word() {
    if (words_.empty()) return wrong("word", 0, "one more", "none");
    const Word want = words_.front();
    words_.pop_front();
    if (rtl_->write_address_o != want.address)
      return wrong("address", 0, std::to_string(rtl_->write_address_o), std::to_string(want.address));
    for (unsigned i = 0; i < want.scores; i++)
      if (rtl_->write_data_o[i] != want.score[i])
        return wrong("score", i, std::to_string(rtl_->write_data_o[i]), std::to_string(want.score[i]));
    c_.compared += want.scores;
    return true;
  }

  bench::Case &c_;
  bench::Clocked<Vscore_path> rtl_;
  std::deque<Word> words_;
  int stored_ = 0;  // passes whose scores are to be told as stored
  std::deque<Maxima> maxima_;
  std::vector<uint32_t> rounded_[4];
  uint32_t maximum_[lanes];
  unsigned address_ = 0;
  Word word_ = {};
};

bool run_case(bench::Case &c) { return Bench(c).passes(40); }

}  // namespace

int main(int argc, char **argv) { return bench::run(argc, argv, "score_path", 200, run_case); }
