// channel.v with the DRAM behind its pins: random GEMM and LOAD jobs one after another, tile words and result bus stalling at
// random, every DRAM command judged. Words on the bus (value, address, order) and results in DRAM must be those of the C units.
#include <algorithm>
#include <deque>
#include <vector>

#include "Vchannel.h"
#include "testbench/verilator/bench.h"
extern "C" {
#include "cmodel/stack/stack.h"
}

namespace {

constexpr unsigned F32 = 1;
constexpr uint64_t job_clocks_max = 200000;

struct Job {
  bool load, bus, gated;
  unsigned count, k_tiles, block_rows, blocks, exponents, format, tag, step;
  unsigned source, source_stripe, source_stride, result, result_stripe, result_stride;
};

struct Word {
  uint32_t words[8];
  unsigned tag;
};

class Bench {
 public:
  explicit Bench(bench::Case &c) : c_(c), rtl_(c.options) {
    duplex_hbm *hbm = nullptr;
    if (duplex_hbm_open(1, nullptr, nullptr, &hbm)) std::abort();
    hbm_.reset(hbm);
    rtl_->owner_i = 15;
    rtl_->job_valid_i = rtl_->word_valid_i = rtl_->bus_ready_i = 0;
    rtl_->performance_select_i = 0;
    rtl_.reset();
  }

  bool job() {
    draw();
    if (job_.load)
      prepare_load();
    else
      prepare_gemm();
    return run() && (job_.bus || results_in_dram());
  }

 private:
  bool wrong(const char *stage, long row, const std::string &rtl, const std::string &model) {
    return c_.mismatch("channel", stage, row, 0, rtl, model);
  }
  duplex_f16 number() {
    const duplex_f16 bits = (duplex_f16)c_.bits();
    if ((bits & 0x7c00) == 0x7c00 && c_.chance(98)) return bits ^ 0x4000;
    return c_.chance(60) ? (duplex_f16)((bits & 0x83ff) | (13 + c_.below(4)) << 10) : bits;
  }
  // Byte `offset` behind the logical row set.
  uint64_t place(unsigned row_set, unsigned stripe, uint64_t offset) {
    return stack_row_set_address(row_set + (uint32_t)(offset / DUPLEX_ROW_SET_BYTES), stripe) + offset % DUPLEX_ROW_SET_BYTES;
  }
  void put(unsigned row_set, uint64_t offset, const void *bytes, size_t size) {
    if (duplex_hbm_mem_write(hbm_.get(), 0, place(row_set, job_.source_stripe, offset), bytes, size)) std::abort();
  }

  void draw() {
    job_ = {};
    job_.load = c_.chance(20);
    job_.bus = job_.load || c_.chance(50);
    job_.gated = !job_.load && job_.bus && c_.chance(50);
    job_.format = job_.bus ? 0 : (unsigned)c_.below(3);
    job_.k_tiles = 1 + (unsigned)c_.below(c_.chance(20) ? 20 : 4);
    job_.block_rows = 1 + (unsigned)c_.below(c_.chance(30) ? 4 : 64);
    if (job_.gated) job_.block_rows = (job_.block_rows + 1) & ~1u;
    job_.count = (unsigned)c_.below(c_.chance(10) ? 1 : job_.load ? 20 : 200) << job_.gated;
    job_.blocks = (job_.count + job_.block_rows - 1) / job_.block_rows + (unsigned)c_.below(3);
    job_.exponents = (unsigned)c_.below(2);
    job_.tag = (unsigned)c_.below(0x1ffff);
    job_.step = 2 + 64 * (unsigned)c_.below(32);
    const bool flood = !job_.bus && c_.chance(15);  // more results than the write path can take: the buffer runs full
    if (flood) job_.format = 2, job_.k_tiles = 1, job_.block_rows = 64, job_.count = 1500, job_.blocks = 24;
    const unsigned sets = (job_.k_tiles * job_.block_rows + job_.exponents + 63) / 64;
    job_.source = (unsigned)c_.below(1000);
    job_.source_stripe = 1 + (unsigned)c_.below(15);
    job_.source_stride = sets + (unsigned)c_.below(2);
    job_.result = 8000 + (unsigned)c_.below(1000);
    job_.result_stripe = 1 + (unsigned)c_.below(15);
    job_.result_stride = (job_.block_rows * row_bytes() + 255) / 256 + (unsigned)c_.below(3);
    tile_chance_ = flood ? 100 : 20 + (unsigned)c_.below(81);
    bus_chance_ = 5 + (unsigned)c_.below(96);
  }
  unsigned row_bytes() const { return job_.format == 0 ? 16 : job_.format == 1 ? 32 : 128; }

  void prepare_load() {
    for (unsigned i = 0; i < 32 * job_.count; i++) {
      Word word;
      for (uint32_t &part : word.words) part = (uint32_t)c_.bits();
      word.tag = (job_.tag + (i / 32) * (62 + job_.step) + (i % 32) * 2) & 0x1ffff;
      put(job_.source, 32 * i, word.words, 32);
      expected_.push_back(word);
    }
  }

  void prepare_gemm() {
    std::vector<duplex_f16> x(job_.k_tiles * 512);
    for (duplex_f16 &value : x) value = c_.chance(90) ? number() : 0;
    for (unsigned block = 0; block < job_.blocks; block++)
      for (size_t i = 0; i < x.size(); i += 16) tiles_.push_back({}), std::memcpy(tiles_.back().words, &x[i], 32);
    results_.clear();
    for (unsigned block = 0, row = 0; row < job_.count; block++) {
      const unsigned rows = std::min(job_.block_rows, job_.count - row);
      prepare_block(block, row, rows, x);
      row += rows;
    }
  }

  void prepare_block(unsigned block, unsigned first, unsigned rows, const std::vector<duplex_f16> &x) {
    std::vector<duplex_f16> weights(job_.k_tiles * rows * 64);
    for (duplex_f16 &value : weights) value = number();
    int8_t exponents[128] = {};
    if (job_.exponents)
      for (unsigned row = 0; row < rows; row++) exponents[row] = (int8_t)(c_.chance(80) ? (int)c_.below(9) - 4 : (int)c_.bits());
    const unsigned row_set = job_.source + block * job_.source_stride;
    if (job_.exponents) put(row_set, 0, exponents, 128);
    for (size_t beat = 0; beat < weights.size() / 64; beat++)
      put(row_set, 128 * (beat + job_.exponents), &weights[beat * 64], 128);
    std::vector<duplex_sum> sums(rows * 8, duplex_sum{});
    duplex_gemm_block_reference(weights.data(), rows, job_.k_tiles, x.data(), sums.data());
    for (unsigned row = 0; row < rows; row++) expect_row(first + row, row, &sums[row * 8], exponents[row]);
  }

  void expect_row(unsigned row, unsigned row_of_block, const duplex_sum *sums, int exponent) {
    uint8_t bytes[128];
    const unsigned size = stack_drain_row(sums, exponent, job_.bus ? F32 : job_.format, bytes);
    if (job_.bus) {
      Word word;
      std::memcpy(word.words, bytes, 32);
      word.tag = (job_.tag + (job_.gated ? row / 2 : row)) & 0x1ffff;
      expected_.push_back(word);
      return;
    }
    if (row_of_block == 0) results_.push_back({});
    results_.back().insert(results_.back().end(), bytes, bytes + size);
  }

  void start() {
    rtl_->job_valid_i = 1;
    rtl_->job_count_i = job_.count;
    rtl_->job_tag_i = job_.tag;
    rtl_->job_load_i = job_.load;
    rtl_->job_src_base_i = job_.source;
    rtl_->job_src_stripe_i = job_.source_stripe;
    rtl_->job_src_stride_i = job_.source_stride;
    rtl_->job_k_tiles_i = job_.k_tiles;
    rtl_->job_block_rows_i = job_.block_rows;
    rtl_->job_exponents_i = job_.exponents;
    rtl_->job_format_i = job_.format;
    rtl_->job_bus_i = job_.bus;
    rtl_->job_gated_i = job_.gated;
    rtl_->job_dst_base_i = job_.result;
    rtl_->job_dst_stripe_i = job_.result_stripe;
    rtl_->job_dst_stride_i = job_.result_stride;
    rtl_->job_step_i = job_.step;
  }

  bool run() {
    start();
    for (uint64_t clock = 0; clock < job_clocks_max; clock++) {
      if (!this->clock()) return false;
      rtl_->job_valid_i = 0;
      if (clock > 3 && !rtl_->busy_o && tiles_.empty()) {
        if (!expected_.empty()) return wrong("words on the bus", (long)expected_.size(), "done", "more");
        return true;
      }
    }
    return wrong("end", 0, "still busy", "done");
  }

  // One clock: DRAM, a tile word if it is taken, the bus.
  bool clock() {
    rtl_->word_valid_i = !rtl_->job_valid_i && !tiles_.empty() && (held_ || c_.chance(tile_chance_));
    if (rtl_->word_valid_i) std::memcpy(rtl_->word_i.data(), tiles_.front().words, 32);
    rtl_->bus_ready_i = 0;
    duplex_hbm_read_data(hbm_.get(), 0, clock_, rtl_->dram_read_data_i.data());
    rtl_->clk_i = 0;
    rtl_.settle();
    held_ = rtl_->word_valid_i && !rtl_->word_ready_o;
    if (rtl_->word_valid_i && rtl_->word_ready_o) tiles_.pop_front();
    // The result bus takes a pair in two clocks without a gap.
    const bool take = rtl_->bus_valid_o && (second_ || c_.chance(bus_chance_));
    if (second_ && !take) return wrong("second word of a pair", (long)clock_, "missing", "there");
    second_ = take && job_.gated && !second_;
    rtl_->bus_ready_i = take;
    rtl_.settle();
    if (!sample_dram()) return false;
    rtl_.tick();
    clock_++;
    return !take || check_word();
  }

  bool sample_dram() {
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
    if (!duplex_hbm_clock(hbm_.get(), 0, clock_, &pins, rtl_->dram_write_data_o.data())) return true;
    return wrong("timing", (long)clock_, duplex_hbm_failure(hbm_.get()), "legal commands");
  }

  bool check_word() {
    c_.compared++;
    if (expected_.empty()) return wrong("words on the bus", (long)clock_, "one more", "none");
    const Word want = expected_.front();
    expected_.pop_front();
    if (rtl_->bus_tag_o != want.tag)
      return wrong("address", (long)want.tag, std::to_string(rtl_->bus_tag_o), std::to_string(want.tag));
    for (int i = 0; i < 8; i++)
      if (rtl_->bus_data_o[i] != want.words[i])
        return wrong("word", (long)want.tag, std::to_string(rtl_->bus_data_o[i]), std::to_string(want.words[i]));
    return true;
  }

  // Each block's results, and the zeros that fill its last column.
  bool results_in_dram() {
    c_.compared++;
    for (size_t block = 0; block < results_.size(); block++) {
      std::vector<uint8_t> &want = results_[block];
      want.resize((want.size() + 255) / 256 * 256);
      for (size_t byte = 0; byte < want.size(); byte += 16) {
        uint8_t got[16];
        const uint64_t offset = 256ull * block * job_.result_stride + byte;
        duplex_hbm_mem_read(hbm_.get(), 0, place(job_.result, job_.result_stripe, offset), got, 16);
        c_.compared++;
        if (std::memcmp(got, &want[byte], 16))
          return wrong("result in DRAM, block", (long)block, "byte " + std::to_string(byte), "");
      }
    }
    return true;
  }

  struct Close {
    void operator()(duplex_hbm *hbm) const { duplex_hbm_close(hbm); }
  };
  bench::Case &c_;
  bench::Clocked<Vchannel> rtl_;
  std::unique_ptr<duplex_hbm, Close> hbm_;
  Job job_ = {};
  std::deque<Word> tiles_, expected_;
  std::vector<std::vector<uint8_t>> results_;
  unsigned tile_chance_ = 0, bus_chance_ = 0;
  uint64_t clock_ = 0;
  bool held_ = false, second_ = false;
};

bool run_case(bench::Case &c) {
  Bench bench(c);
  for (int i = 0; i < 4; i++)
    if (!bench.job()) return false;
  return true;
}

}  // namespace

int main(int argc, char **argv) { return bench::run(argc, argv, "channel", 60, run_case); }
