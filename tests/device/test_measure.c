// SPDX-License-Identifier: Apache-2.0
// Tables of time against jobs of several experts: 1 to 32 tokens, 1 to 4 bundles, within 2%.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

// clang-format off: after what it needs
#include <cmocka.h>
// clang-format on

#include "device/measure.h"
#include "device/measure_piece.h"
#include "device/probe.h"
#include "duplex/layer.h"
#include "schedule/formula.h"

enum { EXPERTS = 5, INNER = 192, CHANNELS = 2 };

// Of a job that is held against a table: as many that a refresh more or less is not 2% of short ones.
enum { JOB_EXPERTS = 17 };

// Clocks of a job of so many experts with as many tokens each, the first one with its own number, which all
// have that cut of this piece.
static uint64_t clocks_behind(const struct schedule_shape *shape, const struct duplex_layer_piece *piece,
                              unsigned cut, uint32_t first, unsigned experts, uint32_t tokens) {
  const struct duplex_stack_options options = {.backend = {.channels = shape->channels, .threads = 1}};
  const struct duplex_layer_options layer_options = {.experts = JOB_EXPERTS,
                                                     .hidden = shape->hidden,
                                                     .gated = true,
                                                     .up_exponents = shape->exponents,
                                                     .down_exponents = shape->exponents,
                                                     .piece = {*piece}};
  uint8_t cuts[JOB_EXPERTS] = {0};
  uint32_t counts[JOB_EXPERTS] = {0};
  duplex_f16 *x = calloc((size_t)JOB_EXPERTS * tokens * shape->hidden, sizeof *x);
  void *y = malloc((size_t)JOB_EXPERTS * tokens * shape->hidden * 16);
  struct duplex_stack *stack;
  struct duplex_layer *layer;
  struct duplex_job *job;
  struct duplex_stack_stats stats;
  assert_true(x && y);
  assert_int_equal(duplex_stack_open("cmodel", &options, &stack, NULL, 0), 0);
  assert_int_equal(duplex_stack_open_layer(stack, &layer_options, &layer), 0);
  for (unsigned e = 0; e < experts; e++) {
    assert_int_equal(duplex_layer_reserve(layer, e, 0), 0);
    cuts[e] = (uint8_t)cut;
    counts[e] = e ? tokens : first;
  }
  const struct duplex_layer_work work = {
      .bundles = piece->bundles, .cuts = cuts, .counts = counts, .x = x, .format = stage_format(shape)};
  assert_int_equal(duplex_layer_start(layer, &work, &job), 0);
  assert_int_equal(duplex_stack_wait(job, UINT64_MAX, y), 0);
  duplex_stack_last_stats(stack, &stats);
  duplex_stack_close(stack);
  free(x);
  free(y);
  return stats.cycles;
}

// The same with as many tokens of all.
static uint64_t clocks_of(const struct schedule_shape *shape, const struct duplex_layer_piece *piece,
                          unsigned cut, unsigned experts, uint32_t tokens) {
  return clocks_behind(shape, piece, cut, tokens, experts, tokens);
}

// A channel's pins take 32 bytes a clock: x of a group is 16 bytes a row, its sums are 4 or 16 a row and
// token.
static void check_costs(const struct schedule_shape *shape, const struct schedule_costs *costs) {
  const uint32_t rows = shape->hidden / shape->channels;
  assert_in_range(costs->tokens, rows * 16 / 32, rows * 16 / 32 * 1.03);
  const uint32_t bytes = shape->rounded ? 4 : 16;
  assert_in_range(costs->sums[8], rows * 8 * bytes / 32, rows * 8 * bytes / 32 * 1.03);
  for (uint32_t tokens = 1; tokens < 8; tokens++) {
    assert_in_range(costs->sums[tokens], rows * tokens * bytes / 32, 1.1 * rows * 8 * bytes / 32);
    if (shape->rounded) assert_int_equal(costs->sums[tokens], costs->sums[8]);
  }
  assert_in_range(costs->job[0], 1, 400);
  assert_in_range(costs->job[1], 0, 400);
  assert_true(costs->given && costs->taken && costs->first_tokens && costs->first_sums);
}

// Jobs with that cut add what the table tells of an expert, within 2%.
static void check_jobs(const struct schedule_shape *shape, const struct duplex_layer_piece *piece,
                       unsigned cut, uint32_t tokens, double of_expert) {
  const double told = of_expert * (JOB_EXPERTS - 1);
  const double shown =
      (double)(clocks_of(shape, piece, cut, JOB_EXPERTS, tokens) - clocks_of(shape, piece, cut, 1, tokens));
  printf("bundles 0x%x, cut %u, %u tokens: told %.0f, shown %.0f, %+.2f%%\n", piece->bundles, cut, tokens,
         told, shown, 100 * (shown / told - 1));
  assert_true(shown <= 1.02 * told && shown >= 0.98 * told);
}

static void check_striped(const struct schedule_shape *shape, unsigned most_bundles) {
  static const uint32_t tokens[] = {1, 2, 4, 8, 9, 16, 32};
  struct schedule_placement placement;
  struct schedule_times *times = malloc(sizeof *times);
  const struct duplex_stack_options options = {0};
  const struct duplex_xpu_options xpu_options = {.channels = CHANNELS};
  struct duplex_xpu *xpu;
  char text[256] = "";
  assert_non_null(times);
  assert_int_equal(duplex_xpu_open(&xpu_options, &xpu, NULL, 0), 0);
  assert_true(schedule_place(shape, &placement));
  assert_int_equal(device_formula(shape, &placement, xpu, DUPLEX_CLOCK_KHZ, times, NULL, 0), 0);
  const unsigned what = most_bundles > 2 ? MEASURE_ALL & ~MEASURE_PIECES : MEASURE_SPACES;
  if (device_measure(STAGE_EXPERTS, &options, xpu, what, times, NULL, text, sizeof text))
    fail_msg("%s", text);
  assert_true(schedule_valid(times));
  for (unsigned bundles = 1; bundles <= most_bundles; bundles++) {
    const struct duplex_layer_piece whole = {.bundles = (1u << bundles) - 1, .parts = 1, .inner = {INNER}};
    for (unsigned i = 0; i < sizeof tokens / sizeof *tokens; i++)
      check_jobs(
          shape, &whole, 1, tokens[i],
          (double)times->rows[schedule_groups(tokens[i])].striped[bundles - 1] * times->clocks_per_unit);
  }
  check_costs(shape, &times->costs[most_bundles > 2 ? SCHEDULE_OF_STRIPES : SCHEDULE_OF_BUNDLE]);
  xpu->ops->close(xpu);
  free(times);
}

static void test_striped(void **state) {
  const struct schedule_shape shape = {
      .hidden = 512, .inner = INNER, .experts = EXPERTS, .stacks = 1, .channels = CHANNELS, .gated = 1};
  (void)state;
  check_striped(&shape, SCHEDULE_BUNDLES);
}

// With exponents: one bundle takes 4% longer for them here.
static void test_exponents(void **state) {
  const struct schedule_shape shape = {.hidden = 512,
                                       .inner = INNER,
                                       .experts = EXPERTS,
                                       .stacks = 1,
                                       .channels = CHANNELS,
                                       .gated = 1,
                                       .exponents = SCHEDULE_UP_EXPONENTS | SCHEDULE_DOWN_EXPONENTS};
  (void)state;
  check_striped(&shape, 1);
}

// With rounded sums, of which Logic-PIM writes a quarter of the bytes: so jobs of as many clocks as the
// others have, of which a refresh more or less is as little, have more rows.
static void test_rounded(void **state) {
  const struct schedule_shape shape = {.hidden = 1024,
                                       .inner = INNER,
                                       .experts = EXPERTS,
                                       .stacks = 1,
                                       .channels = CHANNELS,
                                       .gated = 1,
                                       .rounded = 1};
  (void)state;
  check_striped(&shape, SCHEDULE_BUNDLES);
}

// A table measured in these parts.
static struct schedule_times *measure(struct schedule_shape shape, unsigned what) {
  struct schedule_placement placement;
  struct schedule_times *times = malloc(sizeof *times);
  const struct duplex_stack_options options = {0};
  const struct duplex_xpu_options xpu_options = {.channels = shape.channels};
  struct duplex_xpu *xpu;
  char text[256] = "";
  assert_non_null(times);
  assert_int_equal(duplex_xpu_open(&xpu_options, &xpu, NULL, 0), 0);
  assert_true(schedule_place(&shape, &placement));
  assert_int_equal(device_formula(&shape, &placement, xpu, DUPLEX_CLOCK_KHZ, times, NULL, 0), 0);
  if (device_measure(STAGE_EXPERTS, &options, xpu, what, times, NULL, text, sizeof text))
    fail_msg("%s", text);
  assert_true(schedule_valid(times));
  xpu->ops->close(xpu);
  return times;
}

// Of such a slice a pass with two groups takes longer behind an odd number of groups.
static void test_odd(void **state) {
  const struct schedule_shape shape = {
      .hidden = 384, .inner = 48, .experts = EXPERTS, .stacks = 1, .channels = CHANNELS, .gated = 1};
  const struct duplex_layer_piece piece = {.bundles = 3, .parts = 1, .inner = {48}};
  const struct duplex_stack_options options = {0};
  struct piece_times times = {0};
  char text[256] = "";
  (void)state;
  if (measure_piece_jobs(STAGE_EXPERTS, &shape, &options, &piece, PIECE_COSTS, text, sizeof text, &times))
    fail_msg("%s", text);
  assert_int_equal(times.pass[0], times.pim[2][1]);
  assert_true((double)times.pass[1] > 1.05 * (double)times.pass[0]);
  const double told = (double)((EXPERTS - 1) * times.pass[1]);
  const double shown =
      (double)(clocks_behind(&shape, &piece, 1, 8, EXPERTS, 16) - clocks_behind(&shape, &piece, 1, 8, 1, 16));
  printf("behind a group: told %.0f, shown %.0f, %+.2f%%\n", told, shown, 100 * (shown / told - 1));
  assert_true(shown <= 1.02 * told && shown >= 0.98 * told);
}

// Fewer experts are measured where there is no room for 32, within a tenth of the formula that is known
// to be near; none where two do not fit, and then the formula is the table.
static void test_room(void **state) {
  static const struct {
    struct schedule_shape shape;
    unsigned what;
    double most;
  } cases[] = {{{2048, 2048, 2, 1, 1, 1, 0, 0, 0}, MEASURE_BOUND, 1.1},
               {{16384, 16384, 2, 1, 1, 0, 0, 0, 0}, MEASURE_BOUND, 1}};
  (void)state;
  for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
    const struct schedule_shape *shape = &cases[i].shape;
    struct schedule_times *times = measure(*shape, cases[i].what);
    for (unsigned groups = 1; groups <= 2; groups++) {
      const double shown = (double)times->rows[groups].striped[2] * times->clocks_per_unit;
      const double formula = (double)formula_pim_clocks(shape, &shape->inner, 1, groups, 3);
      printf("%u x %u, %u groups: %.0f, formula %.0f\n", shape->hidden, shape->inner, groups, shown, formula);
      assert_true(shown <= cases[i].most * formula + times->clocks_per_unit &&
                  cases[i].most * shown >= formula - times->clocks_per_unit);
    }
    free(times);
  }
}

// With two copies Logic-PIM streams the piece from three bundles, cut by cut as jobs show, and the xPU reads
// from one, as fast as from four.
static void test_copies(void **state) {
  static const struct schedule_shape shape = {.hidden = 512,
                                              .inner = INNER,
                                              .experts = EXPERTS,
                                              .stacks = 1,
                                              .channels = CHANNELS,
                                              .gated = 1,
                                              .replicated = 1};
  static const uint32_t tokens[] = {1, 9, 32};
  struct schedule_times *times = measure(shape, MEASURE_PIECES | MEASURE_BOUND);
  struct duplex_layer_piece piece = {
      .bundles = SCHEDULE_COPIED_BUNDLES, .parts = times->placement.parts[0], .joined = true};
  (void)state;
  assert_int_equal(times->placement.layout, SCHEDULE_REPLICATED);
  for (unsigned part = 0; part < piece.parts; part++) piece.inner[part] = times->placement.width[0][part];
  for (unsigned i = 0; i < sizeof tokens / sizeof *tokens; i++) {
    const struct schedule_row *row = &times->rows[schedule_groups(tokens[i])];
    for (unsigned cut = 1; cut <= piece.parts; cut++)
      check_jobs(&shape, &piece, cut, tokens[i], (double)row->pim[0][cut] * times->clocks_per_unit);
    assert_in_range(row->xpu[0][0], 0.98 * row->whole, 1.02 * row->whole);
    assert_int_equal(row->pim[1][0] + row->xpu[1][0], 0);
  }
  check_costs(&shape, &times->costs[SCHEDULE_OF_PIECE]);
  free(times);
}

static void assert_near(const char *name, uint32_t number, uint64_t told, uint64_t shown, double by) {
  const double ratio = (double)shown / (double)told;
  printf("%s, %u: told %llu, shown %llu, %+.1f%%\n", name, number, (unsigned long long)told,
         (unsigned long long)shown, 100 * (ratio - 1));
  assert_true(ratio <= 1 + by && ratio >= 1 - by);
}

// A stack whose transfers are held against the costs of the table's piece 0.
static void open_transfers(const struct schedule_times *times, struct probe *probe) {
  const struct duplex_stack_options options = {.backend = {.channels = CHANNELS, .threads = 1}};
  const struct duplex_layer_piece piece = {
      .bundles = schedule_bundles(&times->placement, 0, 0), .parts = 1, .inner = {1}};
  assert_int_equal(probe_open(probe, STAGE_EXPERTS, &times->shape, &options, &piece, NULL, 0), 0);
}

// Where a channel has few values of x, experts with one group each wait for their banks, and experts with a
// whole pass do not; few sums alone wait, too. All of it is told within 6%. How long a bank is waited for
// differs by a sixth with where a bundle's rows fall. What is shown is around the whole job.
static void test_transfers(void **state) {
  static const struct schedule_shape shape = {
      .hidden = 128, .inner = INNER, .experts = EXPERTS, .stacks = 1, .channels = CHANNELS, .gated = 1};
  static const uint32_t tokens[] = {1, 4, 5, 8, 9, 12, 13, 16};
  struct schedule_times *times = measure(shape, MEASURE_PIECES);
  const struct schedule_costs *costs = &times->costs[SCHEDULE_OF_PIECE];
  struct probe probe;
  (void)state;
  assert_true(costs->least_tokens > costs->tokens && costs->least_tokens < 2 * costs->tokens);
  open_transfers(times, &probe);
  for (unsigned i = 0; i < sizeof tokens / sizeof *tokens; i++) {
    const uint32_t groups = EXPERTS * schedule_groups(tokens[i]);
    struct probe_transfers shown;
    assert_int_equal(probe_transfer(&probe, EXPERTS, tokens[i], EXPERTS, &shown), 0);
    assert_near("x of tokens", tokens[i], costs->first_tokens + schedule_tokens(costs, groups, EXPERTS),
                shown.tokens, tokens[i] > 8 ? 0.06 : 1.0 / 6);
    assert_near("sums of tokens", tokens[i],
                costs->first_sums + EXPERTS * schedule_sums(&shape, costs, tokens[i]), shown.sums, 0.06);
  }
  probe_close(&probe);
  free(times);
}

// Clocks in which the sums of experts with so many tokens each are read where no refresh is among them, which
// is a third of so short ones.
static double least_sums(const struct probe *probe, uint32_t tokens) {
  enum { PLACES = 5 };
  uint64_t least = UINT64_MAX;
  for (unsigned place = 0; place < PLACES; place++) {
    struct probe_transfers shown;
    assert_int_equal(probe_idle(probe, place, PLACES), 0);
    assert_int_equal(probe_transfer(probe, EXPERTS, tokens, 1, &shown), 0);
    if (shown.sums < least) least = shown.sums;
  }
  return (double)least;
}

// Rounded sums of few rows of a channel: those of one group alone wait for their banks, and those of a whole
// pass take little longer.
static void test_short_sums(void **state) {
  static const struct schedule_shape shape = {.hidden = 32,
                                              .inner = INNER,
                                              .experts = EXPERTS,
                                              .stacks = 1,
                                              .channels = CHANNELS,
                                              .gated = 1,
                                              .rounded = 1};
  static const uint32_t tokens[] = {1, 8, 9, 16};
  struct schedule_times *times = measure(shape, MEASURE_PIECES);
  const struct schedule_costs *costs = &times->costs[SCHEDULE_OF_PIECE];
  struct probe probe;
  (void)state;
  assert_true(costs->sums[7] > 1.25 * costs->sums[8] && costs->sums[1] == costs->sums[7]);
  open_transfers(times, &probe);
  for (unsigned i = 0; i < sizeof tokens / sizeof *tokens; i++)
    assert_near("sums of tokens", tokens[i],
                costs->first_sums + EXPERTS * schedule_sums(&shape, costs, tokens[i]),
                least_sums(&probe, tokens[i]), 0.06);
  probe_close(&probe);
  free(times);
}

// Reads of small experts, of which a refresh is much: of few and of many they are told within 2%, in the mean
// of places. From four experts to eight at one place they were told 3% too long.
static void test_reads(void **state) {
  enum { ALL_CHANNELS = 32, PLACES = 5 };
  static const struct schedule_shape shape = {
      .hidden = 512, .inner = 385, .experts = EXPERTS, .stacks = 5, .channels = ALL_CHANNELS, .gated = 1};
  static const unsigned experts[] = {8, 16, 32};
  const struct duplex_layer_piece piece = {.bundles = 0xf, .parts = 1, .inner = {77}};
  const struct duplex_stack_options options = {.backend = {.channels = ALL_CHANNELS, .threads = 1}};
  struct piece_times times = {0};
  struct probe probe;
  (void)state;
  assert_int_equal(measure_piece_reads(STAGE_EXPERTS, &shape, &options, &piece, PIECE_COSTS, NULL, 0, &times),
                   0);
  assert_int_equal(probe_open(&probe, STAGE_EXPERTS, &shape, &options, &piece, NULL, 0), 0);
  for (unsigned i = 0; i < sizeof experts / sizeof *experts; i++) {
    uint64_t sum = 0;
    for (unsigned place = 0; place < PLACES; place++) {
      uint64_t clocks;
      assert_int_equal(probe_idle(&probe, place, PLACES), 0);
      assert_int_equal(probe_read(&probe, experts[i], 0, false, &clocks), 0);
      sum += clocks;
    }
    assert_near("reads of experts", experts[i], times.first_reads[0] + experts[i] * times.reads[0],
                sum / PLACES, 0.02);
  }
  probe_close(&probe);
}

// Clocks of a job with one group of tokens of each expert, all parts, in the mean of places between two
// refreshes.
static uint64_t mean_of(const struct probe *probe, unsigned experts) {
  const unsigned all = probe->piece.parts;
  enum { PLACES = 5 };
  uint64_t sum = 0;
  for (unsigned place = 0; place < PLACES; place++) {
    uint64_t clocks;
    assert_int_equal(probe_idle(probe, place, PLACES), 0);
    assert_int_equal(probe_run(probe, experts, all, DUPLEX_LANES, &clocks), 0);
    sum += clocks;
  }
  return sum / PLACES;
}

// Of small products a controller is always behind, and further in the first turn of the ring: jobs of few
// experts and of many are told within 3%, and up to 8% too short without that. Down of 13 rows of a channel
// takes it 436 clocks and 85 more, and 360 natively.
static void test_turn(void **state) {
  static const struct schedule_shape shape = {.hidden = 2048,
                                              .inner = 768,
                                              .experts = EXPERTS,
                                              .stacks = 40,
                                              .channels = CHANNELS,
                                              .gated = 1,
                                              .rounded = 1};
  static const unsigned experts[] = {1, 4, 8, 9, 10, 16, 24};
  static const unsigned of_turn = DUPLEX_RING_ENTRIES / 2;  // a load and a product each
  const struct duplex_layer_piece piece = {.bundles = 7, .parts = 1, .inner = {13 * CHANNELS}};
  struct duplex_riscv_options riscv = {0};
  const struct duplex_stack_options options = {.backend = {.channels = CHANNELS, .threads = 1},
                                               .riscv = &riscv};
  struct piece_times times = {0};
  struct probe probe;
  (void)state;
  assert_int_equal(
      measure_piece_jobs(STAGE_DOWN, &shape, &options, &piece, PIECE_COSTS | PIECE_TURN, NULL, 0, &times), 0);
  assert_true(times.turn[0].more > 50 && times.turn[0].less > 10);
  assert_int_equal(probe_open(&probe, STAGE_DOWN, &shape, &options, &piece, NULL, 0), 0);
  for (unsigned i = 0; i < sizeof experts / sizeof *experts; i++) {
    uint64_t told = times.job[0] + times.pim[1][1];
    for (unsigned e = 1; e < experts[i]; e++)
      told +=
          times.pim[1][1] + (e < of_turn ? times.turn[0].more : 0) - (e < of_turn ? 0 : times.turn[0].less);
    assert_near("job of experts", experts[i], told, mean_of(&probe, experts[i]), 0.03);
  }
  probe_close(&probe);
}

// A whole piece has one descriptor of gate and up where a cut has two, and takes a controller less: each
// counts what it takes, or less.
static void test_fall(void **state) {
  static const struct schedule_shape shape = {
      .hidden = 512, .inner = 171, .experts = EXPERTS, .stacks = 1, .channels = CHANNELS, .rounded = 1};
  const struct duplex_layer_piece piece = {
      .bundles = 7, .parts = 3, .inner = {16 * CHANNELS, 16 * CHANNELS, 11 * CHANNELS}, .joined = true};
  static const struct duplex_riscv_options riscv = {0};
  const struct duplex_stack_options options = {.backend = {.channels = CHANNELS, .threads = 1},
                                               .riscv = &riscv};
  struct piece_times times = {0};
  struct probe probe;
  (void)state;
  assert_int_equal(measure_piece_jobs(STAGE_UP, &shape, &options, &piece, PIECE_COSTS, NULL, 0, &times), 0);
  assert_true(times.pim[1][1] <= times.pim[1][2] && times.pim[1][2] <= times.pim[1][3]);
  assert_int_equal(probe_open(&probe, STAGE_UP, &shape, &options, &piece, NULL, 0), 0);
  assert_near("job of whole experts", JOB_EXPERTS, times.job[0] + JOB_EXPERTS * times.pim[1][3],
              mean_of(&probe, JOB_EXPERTS), 0.03);
  probe_close(&probe);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_striped),   cmocka_unit_test(test_exponents),  cmocka_unit_test(test_rounded),
      cmocka_unit_test(test_room),      cmocka_unit_test(test_copies),     cmocka_unit_test(test_odd),
      cmocka_unit_test(test_transfers), cmocka_unit_test(test_short_sums), cmocka_unit_test(test_turn),
      cmocka_unit_test(test_reads),     cmocka_unit_test(test_fall)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
