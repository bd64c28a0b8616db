// SPDX-License-Identifier: Apache-2.0
// attention.v beside its clock-exact model: random segments of all modes, in whole and in broken sequences,
// and every answer of the units around it (bundle controller, weights, GEMM module, room for results, write
// path, members of a head below and above) given or held back at random. All handshakes, row sets, beats,
// marks and places of results must be the same in every clock. The numbers are the business of the benches of
// score_path, probability_path and attention_quotient.
#include <algorithm>
#include <deque>

#include "Vattention.h"
#include "testbench/common/bench.h"
#include "testbench/common/record.h"
extern "C" {
#include "cmodel/attention/attention.h"
#include "duplex/descriptor.h"
}

namespace {

constexpr int gemm_clocks = 6;

// Widths of the records at the ports (rtl/common/duplex_records.vh).
constexpr unsigned read_bits = 16 + 4 + 17 + 11, beat_bits = 6 + 3 + DUPLEX_LANES, place_bits = 1 + 4 + 21;
constexpr unsigned score_bits = 2 + 10 + 8 * DUPLEX_WORD_BYTES, link_down_bits = 3;
constexpr unsigned link_up_bits = 4 + DUPLEX_LANES * (DUPLEX_SUM_BITS + 3 + 57);

// The outputs that are records, field by field.
struct Outputs {
  uint64_t read_base, read_stripe, read_columns, read_runs;
  bool beat_last, beat_ends_tile;
  uint64_t beat_row;
  bool result_scores;
  uint64_t result_stripe, result_column;
  bool score_write;
  bool no_room, no_tile, starved;
  bool maximum_up, takes_final, row_up;       // to the member above
  bool takes_maximum, final_down, row_taken;  // to the member below
};

template <class Port>
record::Fields<Port> fields_of(Port &port, unsigned bits) {
  return record::Fields<Port>(port, bits);
}

Outputs outputs_of(Vattention &rtl) {
  Outputs out = {};
  auto read = fields_of(rtl.read_o, read_bits);
  out.read_base = read.get(16);
  out.read_stripe = read.get(4);
  out.read_columns = read.get(17);
  out.read_runs = read.get(11);
  auto beat = fields_of(rtl.beat_o, beat_bits);
  out.beat_row = beat.get(6);
  beat.get(1);
  out.beat_last = beat.get(1);
  out.beat_ends_tile = beat.get(1);
  auto place = fields_of(rtl.result_o, place_bits);
  out.result_scores = place.get(1);
  out.result_stripe = place.get(4);
  out.result_column = place.get(21);
  auto score = fields_of(rtl.score_o, score_bits);
  score.get(1);
  out.score_write = score.get(1);
  auto stalls = fields_of(rtl.stalls_o, 3);
  out.no_room = stalls.get(1);
  out.no_tile = stalls.get(1);
  out.starved = stalls.get(1);
  auto up = fields_of(rtl.above_o, link_up_bits);
  out.maximum_up = up.get(1);
  out.takes_final = up.get(1);
  out.row_up = up.get(1);
  auto down = fields_of(rtl.below_o, link_down_bits);
  out.takes_maximum = down.get(1);
  out.final_down = down.get(1);
  out.row_taken = down.get(1);
  return out;
}

struct Segment {
  uint32_t words[DUPLEX_DESCRIPTOR_WORDS];
  attention_entry entry;
  unsigned member;
};

#define SET(field, value) DUPLEX_DESCRIPTOR_SET(segment.words, field, value)

class Bench {
 public:
  explicit Bench(bench::Case &c) : c_(c), rtl_(c.options) {
    attention_timing_reset(&model_);
    full_slices_ = c.chance(20);
    rtl_->segment_valid_i = rtl_->job_valid_i = rtl_->sum_valid_i = 0;
    rtl_.reset();
    for (unsigned *chance : {&ask_, &weights_, &tiles_, &room_, &results_, &links_})
      *chance = 20 + (unsigned)c.below(81);
  }

  bool sequences(unsigned count) {
    for (unsigned i = 0; i < count; i++) draw_sequence();
    for (uint64_t clock = 0; clock < 2000000; clock++) {
      if (!this->clock()) return false;
      if (waiting_.empty() && !rtl_->busy_o) return true;
    }
    return wrong("end", rtl_->busy_o, 0);
  }

 private:
  bool wrong(const char *stage, uint64_t rtl, uint64_t model) {
    return c_.mismatch("attention", stage, (long)rtl_.cycles(), 0, std::to_string(rtl),
                       std::to_string(model));
  }
  bool same(const char *what, uint64_t rtl, uint64_t model) {
    c_.compared++;
    return rtl == model || wrong(what, rtl, model);
  }

  void draw_sequence() {
    const unsigned head_size = 16 * (1 + (unsigned)c_.below(full_slices_ ? 4 : 16));
    const unsigned lanes = full_slices_ ? 3 : (unsigned)c_.below(4);
    const unsigned segments = 1 + (unsigned)c_.below(c_.chance(30) ? 4 : 1);
    const bool in_row_blocks = c_.chance(25);
    const unsigned slots =
        !in_row_blocks && segments == 1 ? 1 + (unsigned)c_.below(c_.chance(30) ? 3 : 1) : 1;
    if (!in_row_blocks) return add(head_size, lanes, segments, slots, 0, 0);
    add(head_size, lanes, segments, 1, 1, 0);
    if (c_.chance(30)) return;  // its scores are not asked for
    for (unsigned block = 0; block < (head_size + 63) / 64; block++)
      add(head_size, lanes, segments, 1, 2, block);
  }

  void add(unsigned head_size, unsigned lanes, unsigned segments, unsigned slots, unsigned mode,
           unsigned row_block) {
    // Now and then a sequence that nobody ends, or begins, or of more segments than the queue holds: nothing
    // may stand still.
    const bool begins = !c_.chance(3);
    const bool ends = !c_.chance(10);
    const unsigned spread = slots == 1 && c_.chance(40) ? (unsigned)c_.below(6) : 0;
    const unsigned member = (unsigned)c_.below(1u << spread);
    if (mode == DUPLEX_MODE_WHOLE && c_.chance(3)) segments = DUPLEX_ATTENTION_QUEUE + 3;
    for (unsigned i = 0; i < segments; i++) {
      Segment segment = {};
      const unsigned most = full_slices_ ? 2048 : c_.chance(10) ? 1000 : 200;
      const unsigned length =
          1 + (unsigned)c_.below(std::min(most << (c_.chance(50) ? spread : 0), 1u << (14 - lanes)));
      SET(OPCODE, DUPLEX_OPCODE_ATTENTION), SET(MODE, mode), SET(ROW_BLOCK, row_block),
          SET(FIRST, begins && i == 0), SET(LAST, ends && i + 1 == segments);
      SET(LENGTH, length), SET(LANES, lanes), SET(WIDE, lanes < 3 && c_.chance(30)), SET(LANE_MASK, 1),
          SET(HEAD_SIZE, head_size), SET(SCALE, 0x3f800000u);
      SET(SRC_BASE, c_.bits()), SET(V_BASE, c_.bits()), SET(V_BLOCK_STRIDE, c_.bits()),
          SET(SRC_STRIDE, c_.bits());
      SET(Q_BASE, c_.bits()), SET(DST_BASE, c_.bits()), SET(SRC_STRIPE, 1 + c_.below(15)),
          SET(DST_STRIPE, 1 + c_.below(15));
      SET(SPREAD, spread), SET(HEADS, slots);
      const attention_share share = attention_share_of(segment.words, member, 1u << spread);
      segment.entry = attention_entry_of(segment.words, &share);
      segment.entry.slots = slots;
      segment.member = member;
      waiting_.push_back(segment);
    }
  }

  bool clock() {
    const bool push = !waiting_.empty() && rtl_->room_o && c_.chance(5);
    attention_in in = {};
    in.read_ready = c_.chance(ask_);
    in.weight_valid = c_.chance(weights_);
    in.beat_ready = in_use_ || loaded_;
    in.tile_ready = (!loaded_ || !in_use_) && c_.chance(tiles_);
    in.room = c_.chance(room_);
    in.result_start = model_.results.count && c_.chance(results_);
    in.push = push ? &waiting_.front().entry : nullptr;
    draw_links(in);
    in.scores_written = places_ && ends_ && c_.chance(results_);
    rtl_->scores_written_i = in.scores_written;
    if (push)
      for (unsigned i = 0; i < DUPLEX_DESCRIPTOR_WORDS; i++)
        rtl_->descriptor_i[i] = waiting_.front().words[i];
    rtl_->segment_valid_i = push;
    rtl_->slots_i = push ? waiting_.front().entry.slots : 0;
    rtl_->member_i = push ? waiting_.front().member : 0;
    rtl_->read_ready_i = in.read_ready;
    rtl_->weight_valid_i = in.weight_valid;
    rtl_->beat_ready_i = in.beat_ready;
    rtl_->tile_ready_i = in.tile_ready;
    rtl_->room_i = in.room;
    rtl_->result_ready_i = in.result_start;
    rtl_->sum_valid_i = sums_ >> (gemm_clocks - 1) & 1;
    rtl_->clk_i = 0;
    rtl_.settle();
    out_ = outputs_of(*rtl_.operator->());
    if (!compare(in) || !compare_links()) return false;
    links_clock(in);
    places_ += (unsigned)(in.result_start && out_.result_scores) - (unsigned)in.scores_written;
    ends_ += (unsigned)(rtl_->word_valid_o && rtl_->word_end_o) - (unsigned)in.scores_written;
    sums_ = sums_ << 1 | (rtl_->beat_valid_o && in.beat_ready && out_.beat_last);
    gemm_clock(in);
    attention_clock(&model_, &in);
    rtl_.tick();
    if (push) waiting_.pop_front();
    return true;
  }

  // The members below and above: maxima and rows come when they like, as the protocol allows.
  void draw_links(attention_in &in) {
    const attention_links shown = attention_show(&model_);
    in.below.maximum_up = up_ || c_.chance(links_);
    in.below.takes_from_above = c_.chance(links_);
    in.below.row_up = rows_below_ < DUPLEX_LINK_ROWS && c_.chance(links_);
    in.above.takes_from_below = c_.chance(links_);
    in.above.maximum_down = down_ || c_.chance(links_);
    in.above.row_taken = rows_above_ != 0 && c_.chance(links_);
    up_ = in.below.maximum_up && !shown.takes_from_below;
    down_ = in.above.maximum_down && !shown.takes_from_above;
    auto below = fields_of(rtl_->below_i, link_up_bits);
    below.put(1, in.below.maximum_up);
    below.put(1, in.below.takes_from_above);
    below.put(1, in.below.row_up);
    below.put(1, c_.chance(10));  // its first row
    auto above = fields_of(rtl_->above_i, link_down_bits);
    above.put(1, in.above.takes_from_below);
    above.put(1, in.above.maximum_down);
    above.put(1, in.above.row_taken);
  }

  bool compare_links() {
    const attention_links shown = attention_show(&model_);
    return same("maximum up", out_.maximum_up, shown.maximum_up) &&
           same("from below", out_.takes_maximum, shown.takes_from_below) &&
           same("maximum down", out_.final_down, shown.maximum_down) &&
           same("from above", out_.takes_final, shown.takes_from_above) &&
           same("row up", out_.row_up, shown.row_up) && same("row taken", out_.row_taken, shown.row_taken);
  }

  void links_clock(const attention_in &in) {
    rows_below_ += (unsigned)in.below.row_up - (unsigned)out_.row_taken;
    rows_above_ += (unsigned)out_.row_up - (unsigned)in.above.row_taken;
  }

  // The tiles of the GEMM module, one in use and one ahead: beats wait for theirs.
  void gemm_clock(const attention_in &in) {
    const bool word = rtl_->tile_valid_o && in.tile_ready;
    const bool takes = loaded_ && !in_use_;
    const bool last = word && word_ == DUPLEX_TILE_WORDS - 1;
    const bool release = rtl_->beat_valid_o && in.beat_ready && out_.beat_ends_tile;
    word_ = (word_ + word) % DUPLEX_TILE_WORDS;
    in_use_ = (in_use_ || takes) && !release;
    loaded_ = last || (loaded_ && !takes);
  }

  // A word of scores that come back from DRAM goes to the slice.
  bool loads_word(const attention_in &in) const {
    const stream_in seen = {&model_.stream_passes, &model_.score, &model_.join,
                            in.weight_valid,       in.beat_ready, in.room};
    return stream_look(&model_.stream, &seen).load_word;
  }

  bool compare(const attention_in &in) {
    attention_out out;
    attention_look(&model_, &in, &out);
    bool good = same("busy", rtl_->busy_o, out.busy) && same("room", rtl_->room_o, attention_room(&model_)) &&
                same("read", rtl_->read_valid_o, out.read_valid) &&
                same("weight", rtl_->weight_pop_o, out.weight_pop) &&
                same("tile", rtl_->tile_valid_o && in.tile_ready, out.tile) &&
                same("beat", rtl_->beat_valid_o && in.beat_ready, out.issue) &&
                same("row", rtl_->row_valid_o, out.row_valid) &&
                same("room for a row", rtl_->room_row_o, out.row) &&
                same("starved", out_.starved, out.starved) && same("no tile", out_.no_tile, out.no_tile) &&
                same("no room", out_.no_room, out.no_room) &&
                same("results", rtl_->result_valid_o, model_.results.count != 0) &&
                same("word read", rtl_->word_reserve_o, out.word_reserve) &&
                same("word", rtl_->word_valid_o, out.word) &&
                same("last word", rtl_->word_valid_o && rtl_->word_end_o, out.word && out.word_end) &&
                same("slice", out_.score_write, model_.score.write || loads_word(in));
    if (good && out.read_valid)
      good = same("row set", out_.read_base, model_.sequencer.base) &&
             same("columns", out_.read_columns, out.read_columns) && same("runs", out_.read_runs, 0) &&
             same("stripe", out_.read_stripe, out.read_stripe);
    if (good && out.issue)
      good = same("last", out_.beat_last, out.emits) && same("release", out_.beat_ends_tile, out.row_end) &&
             same("accumulator", out_.beat_row, model_.stream.row);
    if (good && out.row_valid) good = same("end", rtl_->row_end_o, out.row_ends);
    if (good && model_.results.count)
      good = same("column", out_.result_column, model_.results.result[0].column) &&
             same("result stripe", out_.result_stripe, model_.results.result[0].stripe) &&
             same("scores", out_.result_scores, model_.results.result[0].scores);
    return good;
  }

  bench::Case &c_;
  bench::Clocked<Vattention> rtl_;
  attention_timing model_;
  Outputs out_ = {};  // of this clock, before its edge
  std::deque<Segment> waiting_;
  bool full_slices_ = false;  // the scores of two pairs often do not fit
  bool in_use_ = false;
  bool loaded_ = false;
  unsigned word_ = 0;
  unsigned ask_ = 0;
  unsigned weights_ = 0;
  unsigned tiles_ = 0;
  unsigned room_ = 0;
  unsigned results_ = 0;
  // of scores: opened in the write path, all in the result buffer
  unsigned places_ = 0;
  unsigned ends_ = 0;
  unsigned links_ = 0;
  unsigned rows_below_ = 0;
  unsigned rows_above_ = 0;
  bool up_ = false;
  bool down_ = false;
  uint32_t sums_ = 0;
};

bool run_case(bench::Case &c) { return Bench(c).sequences(6); }

}  // namespace

int main(int argc, char **argv) { return bench::run(argc, argv, "attention", 60, run_case); }
