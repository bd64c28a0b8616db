// SPDX-License-Identifier: Apache-2.0
// What a controller takes to find a job's first expert: the clocks of jobs with experts without work before
// it, against the charge of predictions.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

// clang-format off: after what it needs
#include <cmocka.h>
// clang-format on

#include "device/charges.h"
#include "driver/layer.h"
#include "duplex/duplex.h"
#include "duplex/layer.h"

enum { EXPERTS = 33, HIDDEN = 512, INNER = 64, TIMES = 6 };

struct bench {
  struct duplex_stack *stack;
  struct duplex_layer *layer;
};

static int setup(void **state) {
  static const struct duplex_riscv_options riscv = {0};
  static const struct duplex_stack_options options = {.backend = {.channels = 2, .threads = 1},
                                                      .riscv = &riscv};
  static const struct duplex_layer_options layer = {
      .experts = EXPERTS, .hidden = HIDDEN, .piece = {{.bundles = 0xf, .parts = 1, .inner = {INNER}}}};
  static struct bench bench;
  *state = &bench;
  if (duplex_stack_open("cmodel", &options, &bench.stack, NULL, 0)) return -1;
  if (duplex_stack_open_layer(bench.stack, &layer, &bench.layer)) return -1;
  for (unsigned e = 0; e < EXPERTS; e++)
    if (duplex_layer_reserve(bench.layer, e, 0)) return -1;
  return 0;
}

static int teardown(void **state) {
  struct bench *bench = *state;
  duplex_stack_close(bench->stack);
  return 0;
}

// Clocks of a job on two experts, the shortest of several: without those that meet a refresh.
static uint64_t job_clocks(const struct bench *bench, unsigned first, unsigned second) {
  static const duplex_f16 x[2 * HIDDEN];
  static uint8_t y[2 * HIDDEN * 16];
  uint8_t cuts[EXPERTS] = {0};
  uint32_t counts[EXPERTS] = {0};
  const struct duplex_layer_work work = {.cuts = cuts, .counts = counts, .x = x, .format = DUPLEX_ACC};
  uint64_t least = UINT64_MAX;
  cuts[first] = cuts[second] = 1;
  counts[first] = counts[second] = 1;
  for (unsigned time = 0; time < TIMES; time++) {
    struct duplex_job *job;
    struct duplex_stack_stats stats;
    if (duplex_layer_start(bench->layer, &work, &job) || duplex_stack_wait(job, UINT64_MAX, y))
      fail_msg("%s", duplex_stack_last_error(bench->stack));
    duplex_stack_last_stats(bench->stack, &stats);
    least = stats.cycles < least ? stats.cycles : least;
  }
  return least;
}

static void check_place(const struct bench *bench, uint64_t at_once, unsigned first) {
  const uint64_t clocks = job_clocks(bench, first, first + 1) - at_once;
  const uint64_t told = charges_search(first);
  printf("%u experts before the first one: %llu clocks, told %llu\n", first, (unsigned long long)clocks,
         (unsigned long long)told);
  assert_in_range(clocks + 8, told, told + 16 + (first % 2 ? 15 : 0));
}

// Pairs without work before the first expert count. The first half of a pair takes up to 15 clocks more if
// the second one has work, which is charged as half of a pair.
static void test_before(void **state) {
  const uint64_t at_once = job_clocks(*state, 0, 1);
  static const unsigned places[] = {2, 3, 10, 16, 17, 31};
  for (unsigned i = 0; i < sizeof places / sizeof *places; i++) check_place(*state, at_once, places[i]);
}

// Clocks that a device predicts of a layer whose tokens all go to one expert.
static uint64_t predicted(const struct duplex_riscv_options *riscv, unsigned expert) {
  enum { ALL = 24, COLUMNS = 64 };
  static duplex_f16 weights[ALL * COLUMNS * COLUMNS], router[ALL * COLUMNS];
  const struct duplex_device_options options = {.stacks = 1,
                                                .stack = {.backend = {.channels = 1}, .riscv = riscv},
                                                .policy = DUPLEX_POLICY_LOGIC_PIM,
                                                .threads = 1};
  const struct duplex_moe_shape shape = {ALL, COLUMNS, COLUMNS};
  const struct duplex_moe_weights all = {.router = router, .up = weights, .down = weights};
  const struct duplex_moe_routing routing = {.top_k = 1};
  duplex_f16 x[COLUMNS] = {0}, y[COLUMNS];
  struct duplex_device *device;
  struct duplex_moe *moe;
  struct duplex_moe_stats stats;
  for (unsigned e = 0; e < ALL; e++) router[e * COLUMNS + e] = 0x3c00;
  x[expert] = 0x3c00;
  assert_int_equal(duplex_device_open("cmodel", &options, &device, NULL, 0), 0);
  if (duplex_device_load_moe(device, &shape, &all, duplex_activation_builtin("relu"), &moe) ||
      duplex_device_moe(device, moe, &routing, x, 1, y))
    fail_msg("%s", duplex_device_last_error(device));
  duplex_device_last_stats(device, &stats);
  duplex_device_close(device);
  assert_int_equal(stats.logic_pim_experts, 1);
  return stats.predicted;
}

// Predictions have it, unless the firmware takes no time.
static void test_predicted(void **state) {
  static const struct duplex_riscv_options riscv = {0};
  (void)state;
  assert_int_equal(predicted(&riscv, 22) - predicted(&riscv, 0), charges_search(22));
  assert_int_equal(predicted(NULL, 22), predicted(NULL, 0));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_before), cmocka_unit_test(test_predicted)};
  return cmocka_run_group_tests(tests, setup, teardown);
}
