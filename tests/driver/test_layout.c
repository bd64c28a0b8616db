// SPDX-License-Identifier: Apache-2.0
// Where tensors lie: the sizes of firmware/layout.h against a count of what has to fit.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// CMocka needs the first four before it.
#include <cmocka.h>
#include <string.h>

#include "duplex/descriptor.h"
#include "firmware/firmware.h"

#define BLOCK_ROWS_MOST (DUPLEX_ROWS / DUPLEX_TOKEN_GROUPS)

// The smallest number of units of which `each` holds `all`.
static uint32_t count_up(uint64_t all, uint64_t each) {
  uint32_t units = 0;
  while (units * each < all) units++;
  return units;
}

// Tile t lies in channel t mod channels, behind the tiles of that channel before it.
static void test_activations(void **state) {
  (void)state;
  for (uint32_t channels = 1; channels <= DUPLEX_CHANNELS; channels++)
    for (uint32_t tiles = 1; tiles <= 300; tiles++) {
      uint64_t end = 0;
      for (uint32_t t = 0; t < tiles; t++)
        if ((t / channels + 1) * (uint64_t)DUPLEX_TILE_BYTES > end)
          end = (t / channels + 1) * DUPLEX_TILE_BYTES;
      assert_int_equal(activation_row_sets(tiles, channels), count_up(end, DUPLEX_ROW_SET_BYTES));
    }
}

// Blocks of a matrix whose channels have so many rows, in units of so many.
static void check_blocks(const struct weight_layout *layout, uint32_t unit) {
  assert_true(layout->block_rows % unit == 0 && layout->block_rows <= BLOCK_ROWS_MOST);
  assert_int_equal(layout->blocks, count_up(layout->channel_rows, layout->block_rows));
  assert_int_equal(layout->blocks, count_up(layout->channel_rows, BLOCK_ROWS_MOST));  // no more than need be
  const uint64_t beats = (uint64_t)layout->block_rows * layout->k_tiles + 2 * layout->exponents;
  const uint32_t stride = layout->two_streams ? 2 * count_up(layout->k_tiles, 2)
                                              : count_up(beats * DUPLEX_BEAT_BYTES, DUPLEX_ROW_SET_BYTES);
  assert_int_equal(layout->stride, stride);
  assert_int_equal(layout->row_sets, layout->blocks * layout->stride);
  assert_int_equal(layout->skip_rows, 0);
}

static void check_weights(uint32_t rows, uint32_t k, uint32_t channels, unsigned kind) {
  struct weight_layout layout = {
      .rows = rows, .gated = kind == 1, .exponents = kind == 2, .two_streams = kind == 3};
  const uint32_t unit = layout.gated ? 2 : 1;
  if (!weight_layout(&layout, k, channels)) fail_msg("%u x %u on %u channels", rows, k, channels);
  assert_int_equal(layout.k_tiles, count_up(k, DUPLEX_WIDTH));
  assert_int_equal(layout.channel_rows, count_up(rows / unit, channels) * unit);
  check_blocks(&layout, unit);
  assert_int_equal(layout_streamed_rows(&layout), rows);
  uint32_t next = 0;
  for (uint32_t channel = 0; channel < channels; channel++) {
    const uint32_t own = layout_channel_rows(&layout, channel);
    assert_true(own == layout.channel_rows || next + own == rows);
    for (uint32_t row = 0; row < own; row++) assert_int_equal(layout_row(&layout, channel, row), next + row);
    next += own;
  }
  assert_int_equal(next, rows);
  for (unsigned format = 0; format < 3; format++)
    for (uint32_t groups = 1; groups <= DUPLEX_TOKEN_GROUPS; groups++) {
      const uint64_t bytes =
          (uint64_t)groups * layout.block_rows * DUPLEX_LANES * (uint64_t[]){2, 4, 16}[format];
      const uint32_t columns = count_up(bytes, DUPLEX_COLUMN_BYTES);
      assert_int_equal(result_block_columns(&layout, (enum duplex_result_format)format, groups), columns);
      assert_int_equal(result_row_sets(&layout, (enum duplex_result_format)format, groups),
                       count_up((uint64_t)layout.blocks * columns, DUPLEX_COLUMNS));
    }
}

// The runs of the first `rows` rows of each channel: whole blocks and part of one, as they lie in DRAM.
static void check_runs(const struct weight_layout *layout, uint32_t rows) {
  uint32_t begin = 0;
  uint32_t block = 0;
  const uint32_t runs = layout_runs(layout, rows);
  assert_true(runs == 1 || runs == 2);
  for (uint32_t i = 0; i < runs; i++) {
    struct weight_layout run;
    layout_run(layout, rows, i, &run);
    assert_int_equal(run.channel_rows, count_up(run.channel_rows, 2) * 2);
    assert_int_equal(run.blocks, count_up(run.channel_rows, run.block_rows));
    assert_true(run.stride == layout->stride && run.k_tiles == layout->k_tiles && run.interleaved);
    assert_int_equal(run.row_sets, run.blocks * layout->stride);
    assert_int_equal(layout_streamed_rows(&run), run.channel_rows * layout->channels);
    for (uint32_t row = 0; row < run.channel_rows; row += run.block_rows, block++) {
      const uint32_t left = layout->channel_rows - block * layout->block_rows;
      const uint32_t in_block = left < layout->block_rows ? left : layout->block_rows;
      const uint32_t own = run.channel_rows - row < run.block_rows ? run.channel_rows - row : run.block_rows;
      assert_int_equal(begin + row, block * layout->block_rows);
      assert_int_equal(own + run.skip_rows, in_block);  // the pitch of its tiles
    }
    begin += run.channel_rows;
  }
  assert_int_equal(begin, rows);
}

// Every row of the matrix once, and each number of words of all channels a prefix of the inner columns.
static void check_interleaved(uint32_t rows, uint32_t channels, bool gated, bool exponents) {
  enum { ROWS_MOST = 2000 };
  static uint8_t times[ROWS_MOST];
  struct weight_layout layout = {.rows = rows, .gated = gated, .exponents = exponents, .interleaved = true};
  assert_true(weight_layout(&layout, 130, channels));
  assert_int_equal(layout.rows, rows);
  assert_int_equal(layout.channel_rows, 2 * count_up(rows, 2 * channels));
  check_blocks(&layout, 2);
  const uint32_t streamed = layout_streamed_rows(&layout);
  assert_true(streamed < ROWS_MOST && streamed == channels * layout.channel_rows);
  assert_int_equal(layout_columns(&layout), streamed / (gated ? 2 : 1));
  memset(times, 0, sizeof times);
  for (uint32_t row = 0; row < layout.channel_rows; row++)
    for (uint32_t channel = 0; channel < channels; channel++) {
      const uint32_t of_matrix = layout_row(&layout, channel, row);
      assert_true(of_matrix >= row / 2 * 2 * channels && of_matrix < (row / 2 + 1) * 2 * channels);
      assert_int_equal(of_matrix % 2, row % 2);
      times[of_matrix]++;
    }
  for (uint32_t row = 0; row < ROWS_MOST; row++) assert_int_equal(times[row], row < streamed);
  for (uint32_t channel = 0; channel < channels; channel++)
    assert_int_equal(layout_channel_rows(&layout, channel), layout.channel_rows);
  const uint32_t columns = rows / (gated ? 2 : 1);
  for (uint32_t cut = 2 * channels; cut < columns; cut += 2 * channels) {
    const uint32_t of_channel = layout_rows_of_columns(&layout, cut);
    assert_int_equal(of_channel * channels, cut * (gated ? 2 : 1));
    check_runs(&layout, of_channel);
  }
  assert_int_equal(layout_rows_of_columns(&layout, columns), layout.channel_rows);
  check_runs(&layout, layout.channel_rows);
}

static void test_interleaved(void **state) {
  static const uint32_t channels[] = {1, 2, 3, 5, 31, 32};
  (void)state;
  for (size_t c = 0; c < sizeof channels / sizeof *channels; c++)
    for (uint32_t rows = 1; rows <= 1500; rows += 1 + rows / 20)
      for (unsigned kind = 0; kind < 4; kind++)
        check_interleaved(kind & 1 ? rows + rows % 2 : rows, channels[c], kind & 1, kind & 2);
}

// Numbers around each multiple that a division can meet: none, one or more left over.
static void test_weights(void **state) {
  static const uint32_t channels[] = {1, 2, 3, 5, 7, 32};
  static const uint32_t ks[] = {1, 63, 64, 65, 127, 128, 129, 4096, 4097, 32768};
  (void)state;
  for (size_t c = 0; c < sizeof channels / sizeof *channels; c++)
    for (size_t i = 0; i < sizeof ks / sizeof *ks; i++)
      for (uint32_t rows = 1; rows <= 200; rows += 1 + rows / 40)
        for (unsigned kind = 0; kind < 4; kind++)
          check_weights(kind == 1 ? 2 * rows : rows, ks[i], channels[c], kind);
}

static void test_passes(void **state) {
  (void)state;
  for (uint32_t tiles = 1; tiles <= DUPLEX_K_TILES_MAX; tiles++)
    assert_int_equal(
        groups_of_pass(tiles),
        tiles * DUPLEX_TILE_WORDS * DUPLEX_TOKEN_GROUPS <= DUPLEX_SHARED_WORDS ? DUPLEX_TOKEN_GROUPS : 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_activations),
      cmocka_unit_test(test_weights),
      cmocka_unit_test(test_interleaved),
      cmocka_unit_test(test_passes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
