// SPDX-License-Identifier: Apache-2.0
// bundle_controller.v against the DRAM behind its pins and against its clock-exact model: streams and writes
// at random, both activation rules, columns read back after they were written, credits withheld (for several
// refresh intervals too), idle times, bundles that belong to the xPU. Every command is judged, every beat and
// every written column compared; refreshes are counted, and how long a write or a stream waits. At the end
// the share of clocks with data is measured, with the xPU streaming from its own bundles, and must not be
// below the figures of docs/dram.md.
#include <deque>
#include <vector>

#include "Vbundle_controller.h"
#include "cmodel/dram/bundle_controller.h"
#include "duplex/enumerations.h"
#include "duplex/xpu_traffic.h"
#include "testbench/common/bench.h"
#include "testbench/common/dram.h"

#ifndef BENCH_PRESET
#define BENCH_PRESET 0
#endif
#ifndef BENCH_RANK_SWITCH
#define BENCH_RANK_SWITCH 0
#endif

namespace {

constexpr uint64_t longest_wait =
    5500;  // clocks from the offer of a write, or from a credit, until it is taken, until the next beat
constexpr int first_credits = 16;
duplex_dram_timing timing() {
  duplex_dram_timing timing = duplex_dram_presets[BENCH_PRESET];
  timing.nRTR = BENCH_RANK_SWITCH;
  return timing;
}
const uint64_t write_clocks = (timing().nCWL + 1) / 2 + 2;  // from WR on the pins until its data have passed
const uint64_t refresh_interval = timing().nREFI / 2;
const uint64_t most_owed = timing().nREFMAX;

// `columns` from the first that is read to the last one; behind each run of columns some are passed over.
struct Stream {
  unsigned base, stripe, columns;
  read_runs runs;

  bool reads(unsigned column) const {
    if (runs.skip == 0 || (runs.header && column == 0)) return true;
    return (column - runs.header) % (runs.length + 1u + runs.skip) <= runs.length;
  }
  unsigned read_columns() const {
    unsigned sum = 0;
    for (unsigned i = 0; i < columns; i++) sum += reads(i);
    return sum;
  }
};

struct Write {
  unsigned column, stripe;
  std::vector<uint8_t> data;
};

// read_runs_t
unsigned runs_word(const read_runs &runs) {
  return (unsigned)runs.header << 10 | (unsigned)runs.length << 5 | runs.skip;
}

// Physical address of a logical column, worked out apart from the RTL.
uint64_t address_of(unsigned column, unsigned stripe) {
  std::vector<unsigned> bundles;
  for (unsigned b = 0; b < 4; b++)
    if (stripe >> b & 1) bundles.push_back(b);
  const unsigned row_set = column / 32;
  const unsigned row = row_set / (unsigned)bundles.size();
  return (uint64_t)bundles[row_set % bundles.size()] << DUPLEX_BUNDLE_LSB | (uint64_t)row << DUPLEX_ROW_LSB |
         (column % 32) << 8;
}

class Bench {
 public:
  Bench(bench::Case &c, unsigned owner, bool strict, bool xpu_streams)
      : owner(owner), c_(c), rtl_(c.options), timing_(timing()), dram_(&timing_) {
    duplex_hbm_strict(dram_.get(), strict);
    if (duplex_hbm_owner(dram_.get(), 0, owner)) std::abort();
    duplex_xpu_start(&xpu_, &timing_, ~owner & 15, xpu_streams);
    rtl_->owner_i = owner;
    rtl_->strict_i = strict;
    rtl_->xpu_row_request_i = rtl_->xpu_ref_i = 0;
    rtl_->read_valid_i = rtl_->write_valid_i = rtl_->read_credit_i = 0;
    rtl_.reset();
    bundle_controller_reset(&model_, &timing_, first_credits);
    model_.owner = owner;
    model_.strict = strict;
  }

  void add_stream(const Stream &stream) {
    for (unsigned i = 0; i < stream.columns; i++)
      if (stream.reads(i)) expected_.push_back(address_of(stream.base * 32 + i, stream.stripe));
    streams_.push_back(stream);
  }
  void add_write(const Write &write) { writes_.push_back(write); }

  // One clock, with chances in percent that a credit is given back and that an offer is made; false on a
  // mismatch.
  bool clock(unsigned credit_chance, unsigned valid_chance) {
    present(credit_chance, valid_chance);
    rtl_->write_urgent_i = write_urgent_ = c_.chance(1) ? !write_urgent_ : write_urgent_;
    rtl_->write_now_i = write_urgent_ && c_.chance(5);
    rtl_->xpu_row_request_i = xpu_.request;
    rtl_->xpu_ref_i = xpu_.refreshed_bundles;
    dram_.drive(rtl_, clock_);
    rtl_->clk_i = 0;
    rtl_.settle();
    if (!check_commands() || !check_xpu() || !check_model()) return false;
    const bool beat = rtl_->read_beat_valid_o;
    if (beat && !check_beat()) return false;
    const bool written = rtl_->write_valid_i && rtl_->write_ready_o;
    if (rtl_->read_valid_i && rtl_->read_ready_o)
      open_columns_ += streams_.front().read_columns(), streams_.pop_front();
    if (written) written_.push_back(writes_.front()), writes_.pop_front();
    write_waits_ = rtl_->write_valid_i && !written ? write_waits_ + 1 : 0;
    read_waits_ =
        beat || open_columns_ == 0 || rtl_->read_credit_i || owed_credits_ > 0 ? 0 : read_waits_ + 1;
    if (write_waits_ > longest_wait || read_waits_ > longest_wait)
      return c_.mismatch("bundle_controller", write_waits_ > longest_wait ? "write" : "stream", (long)clock_,
                         0, "waits", "goes on");
    rtl_.tick();
    clock_++;
    beats_ += beat;
    return true;
  }

  bool done() { return streams_.empty() && writes_.empty() && expected_.empty() && rtl_->idle_o; }
  bool writes_done() const { return writes_.empty(); }
  uint64_t clocks() const { return clock_; }
  uint64_t beats() const { return beats_; }
  uint64_t xpu_reads() const { return xpu_.reads; }
  dram::Memory &memory() { return dram_; }

  // What is left to check at the end: written columns, refreshes.
  bool finish() {
    for (const Write &write : written_) {
      uint8_t bytes[256];
      dram_.read(address_of(write.column, write.stripe), bytes, sizeof bytes);
      if (std::memcmp(bytes, write.data.data(), sizeof bytes) != 0)
        return c_.mismatch("bundle_controller", "write", write.column, 0, "other bytes", "the data");
      c_.compared++;
    }
    for (unsigned b = 0; b < 4; b++) {
      const uint64_t due = owner >> b & 1 ? clock_ / refresh_interval : 0;
      if (refreshes_[b] > due || refreshes_[b] + most_owed < due)
        return c_.mismatch("bundle_controller", "refresh", b, 0, std::to_string(refreshes_[b]),
                           "about " + std::to_string(due));
    }
    if (duplex_hbm_finish(dram_.get(), clock_))
      return c_.mismatch("bundle_controller", "refresh", (long)clock_, 0, dram_.failure(), "in time");
    return true;
  }

  const unsigned owner;

 private:
  void present(unsigned credit_chance, unsigned valid_chance) {
    rtl_->read_credit_i = owed_credits_ > 0 && c_.chance(credit_chance);
    owed_credits_ -= rtl_->read_credit_i;
    credits_ += rtl_->read_credit_i;
    rtl_->read_valid_i = !streams_.empty() && (read_held_ || c_.chance(valid_chance));
    read_held_ = rtl_->read_valid_i;
    if (rtl_->read_valid_i) {
      rtl_->read_base_i = streams_.front().base;
      rtl_->read_stripe_i = streams_.front().stripe;
      rtl_->read_columns_i = streams_.front().columns;
      rtl_->read_runs_i = runs_word(streams_.front().runs);
    }
    rtl_->write_valid_i = !writes_.empty() && (write_waits_ > 0 || c_.chance(valid_chance));
    if (rtl_->write_valid_i) {
      rtl_->write_column_i = writes_.front().column;
      rtl_->write_stripe_i = writes_.front().stripe;
      std::memcpy(rtl_->write_data_i.data(), writes_.front().data.data(), 256);
    }
  }

  bool check_commands() {
    const duplex_hbm_pins pins = dram::pins_of(rtl_);
    if (!dram_.sample(rtl_, clock_))
      return c_.mismatch("bundle_controller", "timing", (long)clock_, 0, dram_.failure(), "legal commands");
    if ((pins.row_valid && !(owner >> pins.row_bundle & 1)) ||
        (pins.column_valid && !(owner >> pins.column_bundle & 1)))
      return c_.mismatch("bundle_controller", "owner", (long)clock_, 0, "a command to a bundle of the xPU",
                         "none");
    if (pins.column_valid && pins.column_write) writing_until_ = clock_ + write_clocks;
    if (pins.column_valid && !pins.column_write && --credits_ < 0)
      return c_.mismatch("bundle_controller", "credit", (long)clock_, 0, "a column without a credit", "none");
    if (rtl_->idle_o && (open_columns_ > 0 || clock_ < writing_until_))
      return c_.mismatch("bundle_controller", "idle", (long)clock_, 0, "idle", "not yet");
    if (pins.row_valid && pins.row_command == DUPLEX_ROW_COMMAND_REF) refreshes_[pins.row_bundle]++;
    return true;
  }

  bool check_xpu() {
    if (duplex_hbm_xpu_clock(dram_.get(), 0, clock_, &xpu_.pins))
      return c_.mismatch("bundle_controller", "timing of the xPU", (long)clock_, 0, dram_.failure(),
                         "legal commands");
    xpu_waits_ = xpu_.request && !(xpu_.request & rtl_->xpu_row_grant_o) ? xpu_waits_ + 1 : 0;
    if (xpu_waits_ > longest_wait)
      return c_.mismatch("bundle_controller", "xPU", (long)clock_, 0, "waits", "goes on");
    duplex_xpu_clock(&xpu_, rtl_->xpu_row_grant_o);
    return true;
  }

  // The clock-exact model sees the same inputs and must have the same pins and outputs.
  bool check_model() {
    const duplex_hbm_pins &pins = model_.pins;
    const bool row =
        pins.row_valid &&
        !(pins.row_command == rtl_->dram_row_command_o && pins.row_bundle == rtl_->dram_row_bundle_o &&
          pins.row_mask == rtl_->dram_row_mask_o &&
          (pins.row_command != DUPLEX_ROW_COMMAND_ACT || pins.row_address == rtl_->dram_row_address_o));
    const bool column = pins.column_valid && !(pins.column_write == rtl_->dram_column_write_o &&
                                               pins.column_bundle == rtl_->dram_column_bundle_o &&
                                               pins.column_mask == rtl_->dram_column_mask_o &&
                                               pins.column_address == rtl_->dram_column_address_o);
    if (row || pins.row_valid != (bool)rtl_->dram_row_valid_o)
      return c_.mismatch("bundle_controller", "row command of the model", (long)clock_, 0,
                         std::to_string(rtl_->dram_row_valid_o), std::to_string(pins.row_valid));
    if (column || pins.column_valid != (bool)rtl_->dram_column_valid_o)
      return c_.mismatch("bundle_controller", "column command of the model", (long)clock_, 0,
                         std::to_string(rtl_->dram_column_valid_o), std::to_string(pins.column_valid));
    bundle_controller_in in = {};
    in.read_valid = rtl_->read_valid_i, in.read_credit = rtl_->read_credit_i,
    in.write_valid = rtl_->write_valid_i;
    in.read_base = (uint16_t)rtl_->read_base_i, in.read_stripe = rtl_->read_stripe_i,
    in.read_columns = rtl_->read_columns_i;
    in.read_runs = {(bool)(rtl_->read_runs_i >> 10 & 1), (uint8_t)(rtl_->read_runs_i >> 5 & 31),
                    (uint8_t)(rtl_->read_runs_i & 31)};
    in.write_column = rtl_->write_column_i, in.write_stripe = rtl_->write_stripe_i;
    in.write_urgent = rtl_->write_urgent_i, in.write_now = rtl_->write_now_i;
    in.xpu_row_request = rtl_->xpu_row_request_i, in.xpu_ref = rtl_->xpu_ref_i;
    bundle_controller_out out;
    bundle_controller_clock(&model_, &in, &out);
    if (out.read_ready != (bool)rtl_->read_ready_o || out.write_ready != (bool)rtl_->write_ready_o ||
        out.read_beat_valid != (bool)rtl_->read_beat_valid_o || out.idle != (bool)rtl_->idle_o ||
        out.xpu_row_grant != rtl_->xpu_row_grant_o || out.open != rtl_->open_o)
      return c_.mismatch("bundle_controller", "outputs of the model", (long)clock_, 0, "others", "");
    c_.compared++;
    return true;
  }

  bool check_beat() {
    if (expected_.empty()) return c_.mismatch("bundle_controller", "beat", (long)clock_, 0, "a beat", "none");
    uint8_t want[128];
    dram_.read(expected_.front() + 128 * half_, want, sizeof want);
    if (std::memcmp(want, rtl_->read_beat_o.data(), sizeof want) != 0)
      return c_.mismatch("bundle_controller", "beat", (long)clock_, half_, "other bytes",
                         "address " + std::to_string(expected_.front()));
    c_.compared++;
    half_ ^= 1;
    if (!half_) expected_.pop_front(), open_columns_--, owed_credits_++;
    return true;
  }

  bench::Case &c_;
  bench::Clocked<Vbundle_controller> rtl_;
  const duplex_dram_timing timing_;
  dram::Memory dram_;
  bundle_controller model_;
  duplex_xpu_traffic xpu_;
  uint64_t xpu_waits_ = 0;
  std::deque<Stream> streams_;
  std::deque<Write> writes_;
  std::vector<Write> written_;
  std::deque<uint64_t> expected_;
  uint64_t clock_ = 0;
  uint64_t beats_ = 0;
  uint64_t write_waits_ = 0;
  uint64_t read_waits_ = 0;
  uint64_t open_columns_ = 0;
  uint64_t writing_until_ = 0;
  uint64_t refreshes_[4] = {};
  int owed_credits_ = 0;
  int credits_ = first_credits;
  int half_ = 0;
  bool read_held_ = false;
  bool write_urgent_ = false;
};

void fill(bench::Case &c, dram::Memory &memory, const Stream &stream) {
  for (unsigned i = 0; i < stream.columns; i++) {
    uint64_t words[32];
    for (uint64_t &word : words) word = c.bits();
    memory.write(address_of(stream.base * 32 + i, stream.stripe), words, sizeof words);
  }
}

unsigned part_of(bench::Case &c, unsigned mask) {
  for (;;) {
    const unsigned part = mask & (unsigned)c.below(16);
    if (part) return part;
  }
}

// How a case goes: chances in percent, and times without credits or without work, several refresh intervals
// long.
struct Pace {
  unsigned credit, valid;
  bool pauses;
  uint64_t paused_until = 0;

  explicit Pace(bench::Case &c)
      : credit(c.chance(50) ? 100 : 20 + (unsigned)c.below(80)),
        valid(c.chance(50) ? 100 : 10 + (unsigned)c.below(90)),
        pauses(c.chance(15)) {}

  bool clock(bench::Case &c, Bench &bench) {
    if (pauses && bench.clocks() > paused_until && c.below(4000) == 0)
      paused_until = bench.clocks() + c.below(40000);
    return bench.clock(bench.clocks() < paused_until ? 0 : credit, valid);
  }
};

bool run_until(bench::Case &c, Bench &bench, Pace &pace, const std::function<bool()> &end) {
  const uint64_t begin = bench.clocks();
  while (!end()) {
    if (!pace.clock(c, bench)) return false;
    if (bench.clocks() - begin > 1000000)
      return c.mismatch("bundle_controller", "progress", (long)bench.clocks(), 0, "stands still", "moves");
  }
  return true;
}

// Half of the streams have columns that are passed over, of k-tiles of 32 columns at most.
Stream draw_stream(bench::Case &c, const Bench &bench) {
  Stream stream = {
      (unsigned)c.below(2900), part_of(c, bench.owner), 1 + (unsigned)c.below(c.chance(20) ? 3000 : 200), {}};
  stream.runs = {c.chance(30), (uint8_t)c.below(32), 0};
  if (c.chance(50)) return stream;
  const unsigned length = stream.runs.length + 1u;
  stream.runs.skip = (uint8_t)c.below(33 - length);
  const unsigned tile = length + stream.runs.skip;
  stream.columns = stream.runs.header + (stream.columns + tile - 1) / tile * tile - stream.runs.skip;
  return stream;
}

// Streams in row sets below 3000, writes from 12000 on: rows that no stream reads, whatever the stripe sets.
// Then another stream reads what was written, offered as soon as the last write is taken.
bool run_case(bench::Case &c) {
  const unsigned owner = c.chance(50) ? 15 : part_of(c, 15);
  const bool strict = c.chance(50);
  const bool xpu_streams = c.chance(70);
  Bench bench(c, owner, strict, xpu_streams);
  Pace pace(c);
  for (uint64_t i = 0, count = 1 + c.below(4); i < count; i++) {
    const Stream stream = draw_stream(c, bench);
    fill(c, bench.memory(), stream);
    bench.add_stream(stream);
  }
  const unsigned stripe = part_of(c, bench.owner);
  const unsigned base = 12000;
  const unsigned writes = (unsigned)c.below(c.chance(10) ? 600 : 40);
  for (unsigned i = 0; i < writes; i++) {
    Write write = {32 * base + i, stripe, {}};
    for (int byte = 0; byte < 256; byte++) write.data.push_back((uint8_t)c.bits());
    bench.add_write(write);
  }
  if (c.chance(10))
    for (uint64_t clocks = c.below(40000); clocks; clocks--)
      if (!bench.clock(0, 0)) return false;
  if (!run_until(c, bench, pace, [&] { return bench.writes_done(); })) return false;
  if (writes && c.chance(70)) bench.add_stream({base, stripe, writes, {}});
  return run_until(c, bench, pace, [&] { return bench.done(); }) && bench.finish();
}

// Share of clocks with data in long streams of `columns` columns each, one behind the other, on all bundles
// that Logic-PIM owns; the others stream to the xPU, whose rate is compared with what it has alone.
struct Share {
  double logic_pim, xpu, alone;  // shares of the clocks, but for xpu: share of the rate alone
};

bool measure(const bench::Options &options, unsigned owner, unsigned columns, bool strict, Share *share) {
  bench::Case c{options, 0, {}, 0};
  duplex_random_seed(&c.random, 1, owner);
  Bench bench(c, owner, strict, true), alone(c, owner, strict, true);
  for (unsigned base = 0, asked = 0; asked < 80000; asked += columns, base += (columns + 31) / 32)
    bench.add_stream({base, owner, columns, {}});
  while (!bench.done())
    if (!bench.clock(100, 100)) return false;
  while (alone.clocks() < bench.clocks())
    if (!alone.clock(0, 0)) return false;
  share->logic_pim = (double)bench.beats() / (double)bench.clocks();
  share->xpu = alone.xpu_reads() ? (double)bench.xpu_reads() / (double)alone.xpu_reads() : 1;
  share->alone = (double)alone.xpu_reads() / (double)alone.clocks();
  return bench.finish();
}

bool print_share(const bench::Options &options, unsigned owner, unsigned columns, bool strict, double least) {
  Share share;
  if (!measure(options, owner, columns, strict, &share)) return false;
  std::printf("rule %-6s  rank switch %d  bundles %x  streams of %5u columns: %.4f of the clocks carry data",
              strict ? "strict" : "paper", BENCH_RANK_SWITCH, owner, columns, share.logic_pim);
  if (owner != 15) std::printf(", xPU %.4f of its rate alone (%.4f reads a clock)", share.xpu, share.alone);
  std::printf("\n");
  if (share.logic_pim >= least && share.xpu >= 0.95) return true;
  std::printf("FAIL: less than %.3f, or xPU less than 0.95\n", least);
  return false;
}

}  // namespace

int main(int argc, char **argv) {
  const int status = bench::run(argc, argv, "bundle_controller", 150, run_case);
  if (status) return status;
  const bench::Options options;
  bool good = true;
  // The targets hold for the paper's preset without a rank switch.
  const bool target = BENCH_PRESET == 0 && BENCH_RANK_SWITCH == 0;
  const unsigned owners[] = {15, 7, 3, 5, 1};
  const double paper[] = {0.985, 0.96, 0.95, 0.95, 0.70};
  const double strict[] = {0.97, 0.95, 0.93, 0.93, 0.55};
  for (int i = 0; i < 5; i++) {
    good &= print_share(options, owners[i], 80000, false, target ? paper[i] : 0);
    good &= print_share(options, owners[i], 80000, true, target ? strict[i] : 0);
  }
  good &= print_share(options, 15, 2049, false, 0.95) && print_share(options, 15, 64, false, 0.95);
  return good ? 0 : 1;
}
