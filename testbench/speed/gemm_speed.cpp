// SPDX-License-Identifier: Apache-2.0
// Speed of the Verilated GEMM module: full rate, one thread, no waveform. `make bench`.
#include <cstdio>
#include <cstring>
#include <ctime>
#include <random>

#include "Vgemm.h"
#include "duplex/params.h"
#include "verilated.h"

namespace {

uint32_t weights[DUPLEX_ROWS][DUPLEX_BEAT_BYTES / 4];
uint32_t x[DUPLEX_TILE_WORDS][DUPLEX_WORD_BYTES / 4];

void draw() {
  std::mt19937 random(1);
  for (auto &row : weights)
    for (auto &word : row) word = (random() & 0x83ff83ff) | 0x34003400;
  for (auto &row : x)
    for (auto &word : row) word = (random() & 0x83ff83ff) | 0x38003800;
}

void reset(Vgemm &gemm) {
  for (int i = 0; i < 4; i++) {
    gemm.rst_ni = 0;
    gemm.clk_i = i & 1;
    gemm.eval();
  }
  gemm.rst_ni = 1;
}

// Offers a tile word and a beat in every clock; returns the beats that were taken.
uint64_t run(Vgemm &gemm, int clocks) {
  unsigned row = 0;
  unsigned word = 0;
  uint64_t beats = 0;
  gemm.tile_valid_i = gemm.beat_valid_i = 1;
  for (int clock = 0; clock < clocks; clock++) {
    std::memcpy(gemm.tile_data_i.data(), x[word], sizeof x[word]);
    std::memcpy(gemm.beat_data_i.data(), weights[row], sizeof weights[row]);
    gemm.beat_row_i = row;
    gemm.beat_release_i = row == DUPLEX_ROWS - 1;
    gemm.beat_mask_i = 0xff;
    gemm.clk_i = 0;
    gemm.eval();
    const bool beat_taken = gemm.beat_ready_o;
    const bool word_taken = gemm.tile_ready_o;
    gemm.clk_i = 1;
    gemm.eval();
    beats += beat_taken;
    row = (row + beat_taken) % DUPLEX_ROWS;
    word = (word + word_taken) % DUPLEX_TILE_WORDS;
  }
  return beats;
}

}  // namespace

int main() {
  const int clocks = 100000;
  VerilatedContext context;
  Vgemm gemm(&context);
  draw();
  reset(gemm);
  const std::clock_t start = std::clock();  // of the processor: other work on the machine does not count
  const uint64_t beats = run(gemm, clocks);
  const double seconds = (double)(std::clock() - start) / CLOCKS_PER_SEC;
  std::printf("Verilated GEMM module: %.0f clocks/s, %.1f%% of them with a beat\n", clocks / seconds,
              100.0 * (double)beats / clocks);
  std::printf("rtl_gemm_million_macs_per_second: %.1f\n",
              1e-6 * (double)beats * DUPLEX_LANES * DUPLEX_WIDTH / seconds);
  return 0;
}
