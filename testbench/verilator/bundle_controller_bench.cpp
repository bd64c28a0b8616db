// bundle_controller.v against the DRAM behind its pins: streams and writes at random, credits withheld, every command judged.
#include <deque>
#include <vector>

#include "Vbundle_controller.h"
#include "duplex/hbm.h"
#include "testbench/verilator/bench.h"

namespace {

constexpr int initial_credits = 16;

struct Stream {
  unsigned base, stripe, columns;
};

struct Write {
  unsigned column, stripe;
  std::vector<uint8_t> data;
};

// Physical address of a logical column, worked out apart from the RTL.
uint64_t address_of(unsigned column, unsigned stripe) {
  std::vector<unsigned> bundles;
  for (unsigned b = 0; b < 4; b++)
    if (stripe >> b & 1) bundles.push_back(b);
  const unsigned row_set = column / 32, row = row_set / (unsigned)bundles.size();
  return (uint64_t)bundles[row_set % bundles.size()] << 27 | (uint64_t)row << 13 | (column % 32) << 8;
}

class Bench {
 public:
  explicit Bench(bench::Case &c) : c_(c), rtl_(c.options) {
    duplex_hbm *hbm = nullptr;
    if (duplex_hbm_open(1, nullptr, nullptr, &hbm)) std::abort();
    hbm_.reset(hbm);
    rtl_->owner_i = 15;
    rtl_->read_valid_i = rtl_->write_valid_i = rtl_->read_credit_i = 0;
    rtl_.reset();
  }

  void add_stream(const Stream &stream) {
    for (unsigned i = 0; i < stream.columns; i++) expected_.push_back(address_of(stream.base * 32 + i, stream.stripe));
    streams_.push_back(stream);
  }
  void add_write(const Write &write) { writes_.push_back(write); }

  // One clock; false on a mismatch.
  bool clock(unsigned credit_chance, unsigned valid_chance) {
    present(credit_chance, valid_chance);
    duplex_hbm_read_data(hbm_.get(), 0, clock_, rtl_->dram_read_data_i.data());
    rtl_->clk_i = 0;
    rtl_.settle();
    duplex_hbm_pins pins = {};
    pins.row_valid = rtl_->dram_row_valid_o;
    pins.row_command = rtl_->dram_row_command_o;
    pins.row_bundle = rtl_->dram_row_bundle_o;
    pins.row_mask = rtl_->dram_row_mask_o;
    pins.row_address = rtl_->dram_row_address_o;
    pins.column_valid = rtl_->dram_column_valid_o;
    pins.column_write = rtl_->dram_column_write_o;
    pins.column_bundle = rtl_->dram_column_bundle_o;
    pins.column_mask = rtl_->dram_column_mask_o;
    pins.column_address = rtl_->dram_column_address_o;
    if (duplex_hbm_clock(hbm_.get(), 0, clock_, &pins, rtl_->dram_write_data_o.data()))
      return c_.mismatch("bundle_controller", "timing", (long)clock_, 0, duplex_hbm_failure(hbm_.get()), "legal commands");
    const bool beat = rtl_->read_beat_valid_o;
    if (beat && !check_beat()) return false;
    if (rtl_->read_valid_i && rtl_->read_ready_o) streams_.pop_front();
    if (rtl_->write_valid_i && rtl_->write_ready_o) written_.push_back(writes_.front()), writes_.pop_front();
    rtl_.tick();
    clock_++;
    beats_ += beat;
    return true;
  }

  bool done() { return streams_.empty() && writes_.empty() && expected_.empty() && rtl_->idle_o; }
  uint64_t clocks() const { return clock_; }
  uint64_t beats() const { return beats_; }
  duplex_hbm *hbm() { return hbm_.get(); }

  bool check_writes() {
    for (const Write &write : written_) {
      uint8_t bytes[256];
      duplex_hbm_mem_read(hbm_.get(), 0, address_of(write.column, write.stripe), bytes, sizeof bytes);
      if (std::memcmp(bytes, write.data.data(), sizeof bytes) != 0)
        return c_.mismatch("bundle_controller", "write", write.column, 0, "other bytes", "the data");
      c_.compared++;
    }
    return true;
  }

 private:
  void present(unsigned credit_chance, unsigned valid_chance) {
    rtl_->read_credit_i = owed_credits_ > 0 && c_.chance(credit_chance);
    owed_credits_ -= rtl_->read_credit_i;
    if (!rtl_->read_valid_i || !read_held_) rtl_->read_valid_i = !streams_.empty() && c_.chance(valid_chance);
    read_held_ = rtl_->read_valid_i && !streams_.empty();
    if (streams_.empty()) rtl_->read_valid_i = 0;
    if (rtl_->read_valid_i) {
      rtl_->read_base_i = streams_.front().base;
      rtl_->read_stripe_i = streams_.front().stripe;
      rtl_->read_columns_i = streams_.front().columns;
    }
    rtl_->write_valid_i = !writes_.empty() && (rtl_->write_valid_i || c_.chance(valid_chance));
    if (rtl_->write_valid_i) {
      rtl_->write_column_i = writes_.front().column;
      rtl_->write_stripe_i = writes_.front().stripe;
      std::memcpy(rtl_->write_data_i.data(), writes_.front().data.data(), 256);
    }
  }

  bool check_beat() {
    if (expected_.empty()) return c_.mismatch("bundle_controller", "beat", (long)clock_, 0, "a beat", "none");
    uint8_t want[128];
    duplex_hbm_mem_read(hbm_.get(), 0, expected_.front() + 128 * half_, want, sizeof want);
    if (std::memcmp(want, rtl_->read_beat_o.data(), sizeof want) != 0)
      return c_.mismatch("bundle_controller", "beat", (long)clock_, half_, "other bytes",
                         "column " + std::to_string(expected_.front()));
    c_.compared++;
    half_ ^= 1;
    if (!half_) expected_.pop_front(), owed_credits_++;
    return true;
  }

  struct Close {
    void operator()(duplex_hbm *hbm) const { duplex_hbm_close(hbm); }
  };
  bench::Case &c_;
  bench::Clocked<Vbundle_controller> rtl_;
  std::unique_ptr<duplex_hbm, Close> hbm_;
  std::deque<Stream> streams_;
  std::deque<Write> writes_;
  std::vector<Write> written_;
  std::deque<uint64_t> expected_;
  uint64_t clock_ = 0, beats_ = 0;
  int owed_credits_ = 0, half_ = 0;
  bool read_held_ = false;
};

void fill(bench::Case &c, duplex_hbm *hbm, const Stream &stream) {
  for (unsigned i = 0; i < stream.columns; i++) {
    uint64_t words[32];
    for (uint64_t &word : words) word = c.bits();
    duplex_hbm_mem_write(hbm, 0, address_of(stream.base * 32 + i, stream.stripe), words, sizeof words);
  }
}

// Streams in row sets below 3000, writes from 12000 on: the same bundles, other rows of each stripe set, so that both can be
// checked at the end.
bool run_case(bench::Case &c) {
  Bench bench(c);
  const unsigned credit_chance = c.chance(50) ? 100 : 20 + (unsigned)c.below(80),
                 valid_chance = c.chance(50) ? 100 : 10 + (unsigned)c.below(90);
  for (uint64_t i = 0, count = 1 + c.below(4); i < count; i++) {
    const Stream stream = {(unsigned)c.below(2900), 1 + (unsigned)c.below(15), 1 + (unsigned)c.below(c.chance(20) ? 3000 : 200)};
    fill(c, bench.hbm(), stream);
    bench.add_stream(stream);
  }
  const unsigned stripe = 1 + (unsigned)c.below(15), base = 32 * 12000;
  for (uint64_t i = 0, count = c.below(40); i < count; i++) {
    Write write = {base + (unsigned)i, stripe, {}};
    for (int byte = 0; byte < 256; byte++) write.data.push_back((uint8_t)c.bits());
    bench.add_write(write);
  }
  while (!bench.done()) {
    if (!bench.clock(credit_chance, valid_chance)) return false;
    if (bench.clocks() > 200000)
      return c.mismatch("bundle_controller", "progress", (long)bench.clocks(), 0, "stands still", "moves");
  }
  return bench.check_writes();
}

// Share of clocks with data in one long stream, for each number of bundles.
void print_utilisation(const bench::Options &options) {
  for (unsigned stripe = 1; stripe < 16; stripe = 2 * stripe + 1) {
    bench::Case c{options, 0, {}, 0};
    duplex_random_seed(&c.random, 1, stripe);
    Bench bench(c);
    bench.add_stream({0, stripe, 40000});
    while (!bench.done() && bench.clock(100, 100)) {
    }
    std::printf("stripe set %x: %.4f of the clocks carry data\n", stripe, (double)bench.beats() / (double)bench.clocks());
  }
}

}  // namespace

int main(int argc, char **argv) {
  const int status = bench::run(argc, argv, "bundle_controller", 150, run_case);
  if (status == 0) print_utilisation(bench::Options());
  return status;
}
