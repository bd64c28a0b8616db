// SPDX-License-Identifier: Apache-2.0
// Where experts lie, and the tables by formulas: shapes at random, small ones, bad ones.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// clang-format off: after what it needs
#include <cmocka.h>
// clang-format on

#include "duplex/geometry.h"
#include "schedule/formula.h"
#include "tests/common/environment.h"
#include "tests/schedule/distributions.h"

static struct schedule_times times;

// Every inner column lies in one part of one stack.
static void test_parts_cover(void **state) {
  static uint8_t seen[SCHEDULE_SIZE];
  (void)state;
  for (unsigned i = 0; i < 40; i++) {
    struct duplex_random random;
    struct schedule_placement placement;
    duplex_random_seed(&random, environment_seed(), 1000 + i);
    const struct schedule_shape shape = draw_shape(&random, 8192, 32768, i);
    assert_true(schedule_place(&shape, &placement));
    memset(seen, 0, sizeof seen);
    for (uint32_t stack = 0; stack < shape.stacks; stack++)
      for (uint32_t q = 0; q < placement.pieces; q++)
        for (uint32_t part = 0; part < placement.parts[q]; part++) {
          const struct schedule_range range = schedule_part(&shape, &placement, stack, q, part);
          assert_true(range.first + range.count <= shape.inner && range.count <= placement.width[q][part]);
          for (uint32_t c = 0; c < range.count; c++) seen[range.first + c]++;
        }
    for (uint32_t c = 0; c < shape.inner; c++) assert_int_equal(seen[c], 1);
    schedule_formula(&shape, &placement, &times);
    if (!schedule_valid(&times))
      fail_msg("case %u: H %u F %u stacks %u channels %u gated %u layout %u", i, shape.hidden, shape.inner,
               shape.stacks, shape.channels, shape.gated, placement.layout);
  }
}

// Where a small second piece adds less to the slope of the xPU than rounding takes off, it adds nothing.
static void test_small_slope(void **state) {
  const struct schedule_shape shape = {
      .hidden = 19, .inner = 980, .experts = 1, .stacks = 3, .channels = 4, .gated = 1};
  struct schedule_placement placement;
  (void)state;
  assert_true(schedule_place(&shape, &placement));
  assert_int_equal(placement.layout, SCHEDULE_SPLIT);
  schedule_formula(&shape, &placement, &times);
  assert_true(schedule_valid(&times));
  assert_int_equal(times.slope.xpu[1][1], 0);
}

static void test_bad_shapes(void **state) {
  static const struct schedule_shape bad[] = {
      {0, 1, 1, 1, 1, 0, 0, 0, 0},   {1, 0, 1, 1, 1, 0, 0, 0, 0},     {1, 1, 0, 1, 1, 0, 0, 0, 0},
      {1, 1, 257, 1, 1, 0, 0, 0, 0}, {1, 1, 1, 0, 1, 0, 0, 0, 0},     {1, 1, 1, 9, 1, 0, 0, 0, 0},
      {1, 1, 1, 1, 33, 0, 0, 0, 0},  {1, 1, 1, 1, 1, 2, 0, 0, 0},     {1, 1, 1, 1, 1, 0, 4, 0, 0},
      {1, 1, 1, 1, 0, 0, 0, 0, 0},   {65537, 1, 1, 1, 1, 1, 0, 0, 0}, {1, 65537, 1, 1, 1, 1, 0, 0, 0},
      {1, 1, 1, 1, 1, 0, 0, 2, 0},   {1, 1, 1, 1, 1, 0, 0, 0, 2}};
  struct schedule_placement placement;
  (void)state;
  for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) assert_false(schedule_place(&bad[i], &placement));
}

// Tables of small shapes too, whose times are a few clocks, are in order, as measured ones are. Of this one
// the xPU's differences between rows were not.
static void test_small_formula(void **state) {
  static const struct schedule_shape shape = {
      .hidden = 6, .inner = 676, .experts = 3, .stacks = 2, .channels = 5, .gated = 1, .replicated = 1};
  static struct schedule_times times;
  struct schedule_placement placement;
  (void)state;
  assert_true(schedule_place(&shape, &placement));
  for (enum schedule_stage stage = SCHEDULE_EXPERT; stage <= SCHEDULE_DOWN; stage++) {
    schedule_formula_stage(&shape, &placement, stage, &times);
    assert_true(schedule_valid(&times));
    assert_true(schedule_charge(&times, &times));
  }
}

// By hand: 64 columns of down are 128 rows of a channel in four blocks. Beside the stream of each, 32 rows of
// exact sums take 173 clocks, and of rounded ones 44. Nothing else of a layer differs.
static void test_rounded_formula(void **state) {
  static const uint32_t width[] = {64};
  struct schedule_shape shape = {
      .hidden = 4096, .inner = 64, .experts = 1, .stacks = 1, .channels = 32, .gated = 1};
  (void)state;
  const uint64_t exact = formula_pim_clocks(&shape, width, 1, 1, SCHEDULE_BUNDLES);
  const uint64_t xpu = formula_xpu_clocks(&shape, 64, 1);
  shape.rounded = 1;
  assert_int_equal(formula_pim_clocks(&shape, width, 1, 1, SCHEDULE_BUNDLES), exact - 4 * (173 - 44));
  assert_int_equal(formula_xpu_clocks(&shape, 64, 1), xpu);
}

// The least number of columns from a tile of down on that gives every channel as many words of two rows, with
// gate and without.
static void test_cut_unit(void **state) {
  static const uint8_t units[][2] = {{1, 64}, {2, 64},  {3, 66},  {4, 64},  {5, 70},   {7, 70},
                                     {8, 64}, {11, 66}, {16, 64}, {24, 96}, {31, 124}, {32, 64}};
  (void)state;
  for (unsigned i = 0; i < sizeof units / sizeof *units; i++)
    assert_int_equal(schedule_cut_unit(units[i][0]), units[i][1]);
}

// Copies are cut at multiples of the unit, whatever the shape; a table with other cuts is none.
static void test_cuts_at_units(void **state) {
  unsigned copied = 0;
  (void)state;
  for (unsigned i = 0; i < 40; i++) {
    struct duplex_random random;
    struct schedule_placement placement;
    uint32_t columns = 0;
    duplex_random_seed(&random, environment_seed(), 4000 + i);
    struct schedule_shape shape = draw_shape(&random, 4096, 32768, i);
    shape.replicated = 1;
    assert_true(schedule_place(&shape, &placement));
    if (placement.layout != SCHEDULE_REPLICATED || placement.parts[0] == 1) continue;
    const uint32_t unit = schedule_cut_unit(shape.channels);
    for (uint32_t part = 0; part + 1 < placement.parts[0]; part++) {
      columns += placement.width[0][part];
      assert_int_equal(columns % unit, 0);
    }
    assert_int_equal(columns + placement.width[0][placement.parts[0] - 1], formula_slice(&shape));
    schedule_formula(&shape, &placement, &times);
    assert_true(schedule_valid(&times));
    times.placement.width[0][0]--;
    times.placement.width[0][1]++;
    schedule_seal(&times);
    assert_false(schedule_valid(&times));
    copied++;
  }
  assert_true(copied > 10);
}

// Rows of a block of a matrix whose channels take turns: equal blocks, but for GLaM's 104 rows, four fifths
// of which are three blocks of 26 and 5 rows, or two of 28 and 27.
static void test_blocks_in_turns(void **state) {
  static const uint16_t worked[][2] = {{10, 10},  {26, 26},  {46, 24},  {64, 32},
                                       {104, 28}, {180, 30}, {410, 32}, {994, 32}};
  (void)state;
  for (unsigned i = 0; i < sizeof worked / sizeof *worked; i++)
    assert_int_equal(duplex_interleaved_block_rows(worked[i][0]), worked[i][1]);
  for (uint32_t rows = 2; rows <= 8192; rows += 2) {
    const uint32_t of_block = duplex_interleaved_block_rows(rows);
    const uint32_t blocks = (rows + 31) / 32;
    assert_true(of_block % 2 == 0 && of_block <= 32 && of_block <= rows);
    assert_int_equal((rows + of_block - 1) / of_block, blocks);
    if (of_block > (rows / 2 + blocks - 1) / blocks * 2) assert_true(rows - (blocks - 1) * of_block >= 16);
  }
}

// What the first columns of one matrix take more than a matrix of as many.
static int64_t more_as_prefix(const struct schedule_shape *shape, uint32_t columns, uint32_t groups) {
  return (int64_t)formula_prefix_clocks(shape, shape->inner, columns, groups, SCHEDULE_BUNDLES) -
         (int64_t)formula_pim_clocks(shape, &columns, 1, groups, SCHEDULE_BUNDLES);
}

// By hand, 64 tiles. 180 rows of a channel in blocks of 30: 4 rows are one block as they would be alone, and
// 60 are two. 32 rows are a block of 30 and one of 2, which takes as long as 16 words of the broadcast, with
// a descriptor more: 1934 + 1024 + 16, where one block takes 2063, and 154 before it for the LOAD. Without
// gate 103 rows are 104, of two sums more for each tile; 82 are blocks of 28, 28 and 26 either way.
static void test_prefix_by_hand(void **state) {
  const struct schedule_shape gated = {
      .hidden = 4096, .inner = 2880, .experts = 1, .stacks = 1, .channels = 32, .gated = 1};
  const struct schedule_shape ungated = {
      .hidden = 4096, .inner = 3277, .experts = 1, .stacks = 1, .channels = 32};
  (void)state;
  for (uint32_t groups = 1; groups <= 3; groups++) {
    assert_int_equal(more_as_prefix(&gated, 64, groups), 0);
    assert_int_equal(more_as_prefix(&gated, 960, groups), 0);
    assert_int_equal(more_as_prefix(&gated, 2880, groups), 0);
    assert_int_equal(more_as_prefix(&ungated, 2624, groups), (groups + 1) / 2 * 16);
  }
  assert_int_equal(more_as_prefix(&gated, 512, 1), 1934 + 1024 + 16 - (2063 + 154));
  assert_int_equal(more_as_prefix(&ungated, 3277, 2), 2 * 64);
}

// An expert that is whole takes no longer for its cuts. No cut takes less than one of fewer columns: 32 of 34
// rows, in blocks of 18, and 14 that take as long as 16, have a descriptor of 16 clocks more than all, and as
// products of two groups 4 clocks of results less.
static void test_cuts_of_a_table(void **state) {
  const struct schedule_shape shape = {
      .hidden = 4096, .inner = 544, .experts = 1, .stacks = 1, .channels = 32, .gated = 1, .replicated = 1};
  static const struct schedule_placement whole = {SCHEDULE_REPLICATED, 1, {1}, {{544}}};
  static const struct schedule_placement cut = {SCHEDULE_REPLICATED, 1, {3}, {{64, 448, 32}}};
  static struct schedule_times uncut;
  (void)state;
  for (enum schedule_stage stage = SCHEDULE_EXPERT; stage <= SCHEDULE_DOWN; stage++) {
    schedule_formula_stage(&shape, &whole, stage, &uncut);
    schedule_formula_stage(&shape, &cut, stage, &times);
    assert_true(schedule_valid(&times) && times.clocks_per_unit == 1);
    for (uint32_t groups = 2; groups <= SCHEDULE_GROUPS; groups += 2) {
      const uint32_t *pim = times.rows[groups].pim[0];
      const uint32_t more = stage == SCHEDULE_GATE_AND_UP ? groups / 2 * (16 - 4) : 0;
      assert_int_equal(pim[3], uncut.rows[groups].pim[0][1] + more);
      assert_true(stage == SCHEDULE_EXPERT ? pim[2] < pim[3] : pim[2] == pim[3]);
      if (stage == SCHEDULE_EXPERT)
        assert_int_equal(pim[1], formula_prefix_clocks(&shape, 544, 64, groups, SCHEDULE_BUNDLES - 1));
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_parts_cover),     cmocka_unit_test(test_small_slope),
      cmocka_unit_test(test_bad_shapes),      cmocka_unit_test(test_small_formula),
      cmocka_unit_test(test_rounded_formula), cmocka_unit_test(test_cut_unit),
      cmocka_unit_test(test_cuts_at_units),   cmocka_unit_test(test_blocks_in_turns),
      cmocka_unit_test(test_prefix_by_hand),  cmocka_unit_test(test_cuts_of_a_table)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
