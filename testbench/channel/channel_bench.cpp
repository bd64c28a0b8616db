// SPDX-License-Identifier: Apache-2.0
// channel.v with the DRAM behind its pins: random GEMM and LOAD jobs, the next one often started while the
// results of the one before still leave, tile words and result bus stalling at random, every DRAM command
// judged. Words on the bus (value, address, marks, order) and results in DRAM must be those of the C units.
#include <algorithm>
#include <deque>
#include <vector>

#include "Vchannel.h"
#include "testbench/common/bench.h"
#include "testbench/common/dram.h"
#include "testbench/common/record.h"
extern "C" {
#include "cmodel/channel/job_timing.h"
#include "cmodel/execute/drain.h"
#include "duplex/descriptor.h"
#include "duplex/gemm.h"
#include "duplex/geometry.h"
}

namespace {

constexpr uint64_t still_clocks_max = 20000;  // without a tile word, a column command or a word on the bus

struct Job {
  bool load, table, bus, gated, two_streams, interleaved;
  unsigned word_step, skip_rows;  // units from word to word; rows of a k-tile that are passed over
  unsigned count, k_tiles, block_rows, blocks, groups, exponents, format, tag, group, step, kind, parity;
  unsigned source, source_stripe, source_stride, result, result_stripe, result_stride;
  std::vector<std::vector<uint8_t>> results;  // in DRAM, block by block
};

struct Word {
  uint32_t words[16];
  unsigned tag;  // address, kind, parity
  bool single, last, interleaved, in_turn;
};

template <class Port>
void clear(Port &port) {
  std::memset(&port, 0, sizeof port);
}

class Bench {
 public:
  explicit Bench(bench::Case &c) : c_(c), rtl_(c.options), step_(4 + 64 * (unsigned)c.below(32)) {
    rtl_->owner_i = 15;
    rtl_->job_valid_i = rtl_->share_valid_i = rtl_->word_valid_i = rtl_->bus_ready_i = rtl_->segment_valid_i =
        0;
    rtl_->performance_select_i = 0;
    rtl_->strict_i = rtl_->xpu_row_request_i = rtl_->xpu_ref_i = 0;
    clear(rtl_->below_i);  // no neighbours
    clear(rtl_->above_i);
    rtl_.reset();
  }

  bool jobs(unsigned count) {
    std::vector<Job> done;
    for (unsigned i = 0; i < count; i++) {
      draw(i);
      if (job_.load)
        prepare_load();
      else
        prepare_gemm();
      if (!start() || !run(i + 1 == count || c_.chance(30))) return false;
      done.push_back(job_);
    }
    for (const Job &job : done)
      if (!results_in_dram(job)) return false;
    return true;
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
    return duplex_row_set_address(row_set + (uint32_t)(offset / DUPLEX_ROW_SET_BYTES), stripe) +
           offset % DUPLEX_ROW_SET_BYTES;
  }
  void put(unsigned row_set, uint64_t offset, const void *bytes, size_t size) {
    dram_.write(place(row_set, job_.source_stripe, offset), bytes, size);
  }

  void draw(unsigned number) {
    job_ = {};
    job_.parity = (number + 1) % 2;
    job_.load = c_.chance(20);
    job_.table = job_.load && c_.chance(20);
    job_.bus = job_.load || c_.chance(50);
    job_.gated = !job_.load && job_.bus && c_.chance(50);
    job_.kind = job_.load ? (job_.table ? DUPLEX_BUS_WORD_TABLE : DUPLEX_BUS_WORD_LOAD)
                          : (job_.gated ? DUPLEX_BUS_WORD_GATED : DUPLEX_BUS_WORD_ROWS);
    job_.format = job_.bus ? DUPLEX_RESULT_FORMAT_F16 : (unsigned)c_.below(DUPLEX_RESULT_FORMAT_ACC + 1);
    job_.k_tiles = 1 + (unsigned)c_.below(c_.chance(20) ? 20 : 4);
    job_.groups = 1 + (unsigned)c_.below(2);
    job_.block_rows = 1 + (unsigned)c_.below(c_.chance(30) ? 4 : 64 / job_.groups);
    if (job_.gated) job_.block_rows = (job_.block_rows + 1) & ~1u;
    job_.count = (unsigned)c_.below(c_.chance(10) ? 1 : job_.load ? 20 : 200) << job_.gated;
    job_.two_streams = job_.groups == 2 && c_.chance(50);
    draw_runs();
    job_.blocks = (job_.count + job_.block_rows - 1) / job_.block_rows + (unsigned)c_.below(3);
    job_.exponents = job_.two_streams ? 0 : (unsigned)c_.below(2);
    job_.tag = (unsigned)c_.below(0x1ffff) & (job_.load ? ~3u : ~0u);
    job_.group = job_.groups == 2 ? (unsigned)c_.below(0x10000) : 0;
    job_.step = step_;
    const bool flood =
        !job_.bus && c_.chance(15);  // more results than the write path can take: the buffer runs full
    if (flood)
      job_.format = DUPLEX_RESULT_FORMAT_ACC, job_.k_tiles = 1, job_.groups = 1, job_.two_streams = false,
      job_.block_rows = 64, job_.count = 1500, job_.blocks = 24, job_.skip_rows = 0;
    const unsigned sets =
        job_.two_streams ? (job_.k_tiles + 1) / 2 * 2
                         : (job_.k_tiles * (job_.block_rows + job_.skip_rows) + 2 * job_.exponents + 63) / 64;
    job_.source = (unsigned)c_.below(1000);
    job_.source_stripe = 1 + (unsigned)c_.below(15);
    job_.source_stride = sets + (unsigned)c_.below(2);
    job_.result = 7000 + 1000 * number + (unsigned)c_.below(100);
    job_.result_stripe = 15;
    job_.result_stride = (job_.groups * job_.block_rows * row_bytes() + 255) / 256 + (unsigned)c_.below(3);
    tile_chance_ = flood ? 100 : 20 + (unsigned)c_.below(81);
    bus_chance_ = 5 + (unsigned)c_.below(96);
  }
  // Rows of each k-tile that are passed over, results that are interleaved: both want rows in pairs.
  void draw_runs() {
    const bool skips = !job_.load && !job_.two_streams && c_.chance(30);
    job_.interleaved = job_.bus && !job_.load && c_.chance(40);
    job_.word_step = (job_.gated ? 1 : 2) * (job_.interleaved ? 1 + (unsigned)c_.below(32) : 1);
    if (!skips && !job_.interleaved) return;
    job_.block_rows = (job_.block_rows + 1) & ~1u;
    job_.count = (job_.count + 1) & ~1u;
    if (skips) job_.skip_rows = 2 * (unsigned)c_.below((64 - job_.block_rows) / 2 + 1);
  }
  unsigned row_bytes() const {
    switch (job_.format) {
      case DUPLEX_RESULT_FORMAT_F16:
        return 16;
      case DUPLEX_RESULT_FORMAT_F32:
        return 32;
      default:
        return 128;
    }
  }

  void expect_word(const Word &word, unsigned address) {
    expected_.push_back(word);
    expected_.back().tag = (address & 0x1ffff) | job_.kind << 17 | job_.parity << 19;
  }

  void prepare_load() {
    for (unsigned i = 0; i < 16 * job_.count; i++) {
      Word word = {};
      for (uint32_t &part : word.words) part = (uint32_t)c_.bits();
      word.last = i + 1 == 16 * job_.count;
      put(job_.source, 64 * i, word.words, 64);
      expect_word(word, job_.tag + (i / 16) * (60 + job_.step) + (i % 16) * 4);
    }
  }

  void prepare_gemm() {
    std::vector<duplex_f16> x[2];
    for (unsigned group = 0; group < job_.groups; group++) {
      x[group].resize(job_.k_tiles * 512);
      for (duplex_f16 &value : x[group]) value = c_.chance(90) ? number() : 0;
    }
    const unsigned turn = job_.two_streams ? 2 : 1;  // tiles of a group before those of the other
    for (unsigned block = 0; block < job_.blocks; block++)
      for (unsigned first = 0; first < job_.k_tiles; first += turn)
        for (unsigned group = 0; group < job_.groups; group++)
          for (unsigned tile = first; tile < std::min(first + turn, job_.k_tiles); tile++)
            for (unsigned word = 0; word < 16; word++)
              tiles_.push_back({}), std::memcpy(tiles_.back().words, &x[group][tile * 512 + word * 32], 64);
    for (unsigned block = 0, row = 0; row < job_.count; block++) {
      const unsigned rows = std::min(job_.block_rows, job_.count - row);
      prepare_block(block, row, rows, x);
      row += rows;
    }
    if (job_.bus && job_.count) expected_.back().last = true;
  }

  void prepare_block(unsigned block, unsigned first, unsigned rows, const std::vector<duplex_f16> *x) {
    std::vector<duplex_f16> weights;
    int8_t exponents[128] = {};
    if (job_.exponents)
      for (unsigned row = 0; row < rows; row++)
        exponents[row] = (int8_t)(c_.chance(80) ? (int)c_.below(9) - 4 : (int)c_.bits());
    const unsigned row_set = job_.source + block * job_.source_stride;
    if (job_.exponents) put(row_set, 0, exponents, 128);
    if (!job_.bus) job_.results.push_back({});
    for (unsigned group = 0; group < job_.groups; group++) {
      if (group == 0 || job_.two_streams) prepare_weights(row_set, group, rows, weights);
      std::vector<duplex_sum> sums(rows * 8, duplex_sum{});
      duplex_gemm_block_reference(weights.data(), rows, job_.k_tiles, x[group].data(), DUPLEX_TILE_F16,
                                  sums.data());
      for (unsigned row = 0; row < rows; row++) expect_row(group, first, row, &sums[row * 8], exponents[row]);
    }
  }

  // Tile by tile; with two streams two tiles of a group in each second row set.
  void prepare_weights(unsigned row_set, unsigned group, unsigned rows, std::vector<duplex_f16> &weights) {
    weights.resize(job_.k_tiles * rows * 64);
    for (duplex_f16 &value : weights) value = number();
    for (unsigned tile = 0; tile < job_.k_tiles; tile++)
      for (unsigned row = 0; row < rows; row++) {
        const unsigned beat = job_.two_streams ? (tile / 2 * 2 + group) * 64 + tile % 2 * rows + row
                                               : tile * (rows + job_.skip_rows) + row;
        put(row_set, 128 * (beat + 2 * job_.exponents), &weights[(tile * rows + row) * 64], 128);
      }
  }

  // On the bus two rows make a word; each group's rows begin a new one.
  void expect_row(unsigned group, unsigned first, unsigned row, const duplex_sum *sums, int exponent) {
    uint8_t bytes[128];
    const unsigned size =
        drain_row_bytes(sums, exponent, job_.bus ? DUPLEX_RESULT_FORMAT_F32 : job_.format, bytes);
    if (!job_.bus) {
      job_.results.back().insert(job_.results.back().end(), bytes, bytes + size);
      return;
    }
    if (row % 2) {
      std::memcpy(expected_.back().words + 8, bytes, 32);
      expected_.back().single = false;
      return;
    }
    Word word = {};
    word.single = true;
    word.interleaved = job_.interleaved;
    word.in_turn = job_.interleaved && group + 1 == job_.groups;
    std::memcpy(word.words, bytes, 32);
    const unsigned unit = job_.interleaved ? (first + row) / 2 * job_.word_step
                          : job_.gated     ? (first + row) / 2
                                           : first + row;
    expect_word(word, job_.tag + group * job_.group + unit);
  }

  bool start() {
    rtl_->share_valid_i = 1;
    rtl_->share_count_i = job_.count;
    rtl_->share_tag_i = job_.tag;
    if (!clock()) return false;
    rtl_->share_valid_i = 0;
    rtl_->share_count_i = rtl_->share_tag_i = 0;
    rtl_->job_valid_i = 1;
    put_job();
    return true;
  }

  // The fields of job_t.
  void put_job() {
    record::Fields<decltype(rtl_->job_i)> fields(rtl_->job_i, 143);
    fields.put(1, job_.load);
    fields.put(1, job_.table);
    fields.put(16, job_.source);
    fields.put(4, job_.source_stripe);
    fields.put(16, job_.source_stride);
    fields.put(11, job_.k_tiles);
    fields.put(7, job_.block_rows);
    fields.put(7, job_.skip_rows);
    fields.put(1, job_.groups == 2);
    fields.put(1, job_.two_streams);
    fields.put(1, job_.exponents);
    fields.put(2, job_.format);
    fields.put(1, job_.bus);
    fields.put(1, job_.gated);
    fields.put(1, job_.interleaved);
    fields.put(7, job_.word_step);
    fields.put(16, job_.group);
    fields.put(16, job_.result);
    fields.put(4, job_.result_stripe);
    fields.put(16, job_.result_stride);
    fields.put(13, job_.step);
  }

  // Until the next job may start, or until all is done.
  bool run(bool to_the_end) {
    moved_ = clock_;
    for (uint64_t clock = 0; clock_ - moved_ < still_clocks_max; clock++) {
      if (!this->clock()) return false;
      rtl_->job_valid_i = 0;
      rtl_.settle();
      if (clock <= 3 || !tiles_.empty()) continue;
      if (!to_the_end && !rtl_->front_busy_o && !rtl_->older_busy_o) return true;
      if (!rtl_->busy_o)
        return expected_.empty() || wrong("words on the bus", (long)expected_.size(), "done", "more");
    }
    return wrong("end", 0, "stands still", "done");
  }

  // One clock: DRAM, a tile word if it is taken, the bus.
  bool clock() {
    rtl_->word_valid_i =
        !rtl_->job_valid_i && !rtl_->share_valid_i && !tiles_.empty() && (held_ || c_.chance(tile_chance_));
    if (rtl_->word_valid_i) std::memcpy(rtl_->word_i.data(), tiles_.front().words, 64);
    rtl_->bus_ready_i = 0;
    dram_.drive(rtl_, clock_);
    rtl_->clk_i = 0;
    rtl_.settle();
    held_ = rtl_->word_valid_i && !rtl_->word_ready_o;
    const bool tile = rtl_->word_valid_i && rtl_->word_ready_o;
    if (tile) tiles_.pop_front();
    const bool take = rtl_->bus_valid_o && c_.chance(bus_chance_);
    if (take && !expected_.empty() && (bool)rtl_->bus_load_o != (expected_.front().tag >> 18 & 1))
      return wrong("mark of a LOAD", (long)clock_, std::to_string(rtl_->bus_load_o), "");
    if (take && !expected_.empty() && (bool)rtl_->bus_interleaved_o != expected_.front().interleaved)
      return wrong("mark of interleaved results", (long)clock_, std::to_string(rtl_->bus_interleaved_o), "");
    rtl_->bus_ready_i = take;
    rtl_.settle();
    if (tile || take || rtl_->dram_column_valid_o) moved_ = clock_;
    if (!sample_dram()) return false;
    rtl_.tick();
    clock_++;
    return !take || check_word();
  }

  bool sample_dram() {
    if (dram_.sample(rtl_, clock_)) return true;
    return wrong("timing", (long)clock_, dram_.failure(), "legal commands");
  }

  bool check_word() {
    c_.compared++;
    if (expected_.empty()) return wrong("words on the bus", (long)clock_, "one more", "none");
    const Word want = expected_.front();
    expected_.pop_front();
    const unsigned tag =
        want.tag | (unsigned)want.single << 20 | (unsigned)want.in_turn << 21 | (unsigned)want.last << 22;
    if (rtl_->bus_tag_o != tag)
      return wrong("address and marks", (long)want.tag, std::to_string(rtl_->bus_tag_o), std::to_string(tag));
    for (int i = 0; i < 16; i++)
      if (rtl_->bus_data_o[i] != want.words[i])
        return wrong("word", (long)want.tag, std::to_string(rtl_->bus_data_o[i]),
                     std::to_string(want.words[i]));
    return true;
  }

  // Each block's results, and the zeros that fill its last column.
  bool results_in_dram(const Job &job) {
    c_.compared++;
    for (size_t block = 0; block < job.results.size(); block++) {
      std::vector<uint8_t> want = job.results[block];
      want.resize((want.size() + 255) / 256 * 256);
      for (size_t byte = 0; byte < want.size(); byte += 16) {
        uint8_t got[16];
        const uint64_t offset = 256ull * block * job.result_stride + byte;
        dram_.read(place(job.result, job.result_stripe, offset), got, 16);
        c_.compared++;
        if (std::memcmp(got, &want[byte], 16))
          return wrong("result in DRAM, block", (long)block, "byte " + std::to_string(byte), "");
      }
    }
    return true;
  }

  bench::Case &c_;
  bench::Clocked<Vchannel> rtl_;
  const unsigned step_;  // of the stack
  dram::Memory dram_;
  Job job_ = {};
  std::deque<Word> tiles_, expected_;
  uint64_t moved_ = 0;  // clock of the last progress
  unsigned tile_chance_ = 0;
  unsigned bus_chance_ = 0;
  uint64_t clock_ = 0;
  bool held_ = false;
};

bool run_case(bench::Case &c) {
  Bench bench(c);
  return bench.jobs(6);
}

}  // namespace

// A case takes more than half a second of a processor: `make test` takes a share of them (docs/testing.md).
int main(int argc, char **argv) {
  const char *share = std::getenv("DUPLEX_SHARE");
  const uint64_t cases = 1 + 59 / (share ? bench::number_of("DUPLEX_SHARE", share) : 1);
  return bench::run(argc, argv, "channel", cases, run_case);
}
