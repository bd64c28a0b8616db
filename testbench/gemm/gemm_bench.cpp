// SPDX-License-Identifier: Apache-2.0
// gemm.v against the plain sums of the C model: tiles of both formats and beats with stalls on both ports,
// all operand classes, 1 to 64 rows.
#include <vector>

#include "Vgemm.h"
#include "duplex/gemm.h"
#include "testbench/common/bench.h"
#include "testbench/common/gemm_stimulus.h"

namespace {

constexpr int lanes = DUPLEX_LANES, width = DUPLEX_WIDTH;

struct Job {
  unsigned rows, k_tiles, mask;
  duplex_tile_format format;
  std::vector<uint16_t> weights, x;
  std::vector<duplex_sum> sums;
};

Job draw_job(bench::Case &c) {
  Job job;
  const uint64_t few = c.below(3);
  job.rows = few == 0 ? 1 + (unsigned)c.below(3) : few == 1 ? 64 : 1 + (unsigned)c.below(64);
  job.k_tiles = 1 + (unsigned)c.below(4);
  job.format = c.chance(40) ? DUPLEX_TILE_P16 : DUPLEX_TILE_F16;
  const int kind = (int)c.below(gemm_stimulus::kinds);
  const int x_kind = c.chance(70) ? kind : gemm_stimulus::moderate;
  for (unsigned i = 0; i < job.rows * job.k_tiles * width; i++)
    job.weights.push_back(gemm_stimulus::value(c, kind));
  for (unsigned i = 0; i < job.k_tiles * width * lanes; i++)
    job.x.push_back(job.format == DUPLEX_TILE_P16 ? gemm_stimulus::weight(c, x_kind)
                                                  : gemm_stimulus::value(c, x_kind));
  job.sums.assign(job.rows * lanes, duplex_sum{});
  duplex_gemm_block_reference(job.weights.data(), job.rows, job.k_tiles, job.x.data(), job.format,
                              job.sums.data());
  job.mask = c.chance(60) ? 0xff : (unsigned)c.below(256);  // lanes outside it add nothing
  for (unsigned i = 0; i < job.sums.size(); i++)
    if (!(job.mask >> i % lanes & 1)) job.sums[i] = duplex_sum{};
  return job;
}

std::string hex(unsigned __int128 value, uint32_t flags) {
  char text[64];
  std::snprintf(text, sizeof text, "%llx%016llx flags %x", (unsigned long long)(uint64_t)(value >> 64),
                (unsigned long long)(uint64_t)value, flags);
  return text;
}

unsigned __int128 bits_of(const VlWide<25> &words, int low, int count) {
  unsigned __int128 value = 0;
  for (int i = count - 1; i >= 0; i--) value = value << 1 | (words[(low + i) / 32] >> ((low + i) % 32) & 1);
  return value;
}

bool check_row(bench::Case &c, bench::Clocked<Vgemm> &rtl, const Job &job, unsigned emitted) {
  const unsigned row = rtl->sum_row_o;
  if (row != emitted)
    return c.mismatch("gemm", "order", (long)emitted, 0, std::to_string(row), std::to_string(emitted));
  for (int lane = 0; lane < lanes; lane++) {
    const duplex_sum &want = job.sums[row * lanes + lane];
    const unsigned __int128 got = bits_of(rtl->sum_o, DUPLEX_SUM_BITS * lane, DUPLEX_SUM_BITS);
    const uint32_t flags = rtl->sum_flags_o >> 3 * lane & 7;
    const unsigned __int128 mask = ((unsigned __int128)1 << DUPLEX_SUM_BITS) - 1;
    const unsigned __int128 model = ((unsigned __int128)(uint64_t)want.high << 64 | want.low) & mask;
    if (got != model || flags != want.flags)
      return c.mismatch("gemm", "sum", row, lane, hex(got, flags), hex(model, want.flags));
    c.compared++;
  }
  return true;
}

bool run_job(bench::Case &c, bench::Clocked<Vgemm> &rtl, const Job &job, unsigned stall_tile,
             unsigned stall_beat) {
  const unsigned beats = job.rows * job.k_tiles;
  const unsigned words = job.k_tiles * DUPLEX_TILE_WORDS;
  unsigned beat = 0;
  unsigned word = 0;
  unsigned emitted = 0;
  bool word_waits = false;  // what is offered stays until it is taken
  for (uint64_t limit = 0; emitted < job.rows; limit++) {
    if (limit > 100000) return c.mismatch("gemm", "progress", beat, word, "stands still", "moves");
    rtl->tile_valid_i = word_waits || (word < words && !c.chance(stall_tile));
    rtl->beat_valid_i = beat < beats && !c.chance(stall_beat);
    rtl->tile_p16_i = rtl->tile_valid_i ? job.format == DUPLEX_TILE_P16 : c.chance(50);
    if (word < words)
      std::memcpy(rtl->tile_data_i.data(), &job.x[word * DUPLEX_WORD_BYTES / 2], DUPLEX_WORD_BYTES);
    if (beat < beats) std::memcpy(rtl->beat_data_i.data(), &job.weights[beat * width], 128);
    const unsigned row = beat % job.rows;
    const unsigned tile = beat / job.rows;
    rtl->beat_row_i = row;
    rtl->beat_first_i = tile == 0;
    rtl->beat_last_i = tile == job.k_tiles - 1;
    rtl->beat_release_i = row == job.rows - 1;
    rtl->beat_mask_i = job.mask;
    rtl->clk_i = 0;
    rtl.settle();
    const bool word_taken = rtl->tile_valid_i && rtl->tile_ready_o;
    const bool beat_taken = rtl->beat_valid_i && rtl->beat_ready_o;
    rtl.tick();
    word += word_taken;
    word_waits = rtl->tile_valid_i && !word_taken;
    beat += beat_taken;
    if (rtl->sum_valid_o && !check_row(c, rtl, job, emitted++)) return false;
  }
  return true;
}

bool run_case(bench::Case &c) {
  bench::Clocked<Vgemm> rtl(c.options);
  rtl->tile_valid_i = rtl->beat_valid_i = 0;
  rtl.reset();
  const unsigned stall_tile = (unsigned)c.below(3) * 40;
  const unsigned stall_beat = (unsigned)c.below(3) * 30;
  for (int i = 0; i < 3; i++)
    if (!run_job(c, rtl, draw_job(c), stall_tile, stall_beat)) return false;
  return true;
}

}  // namespace

int main(int argc, char **argv) { return bench::run(argc, argv, "gemm", 60, run_case); }
