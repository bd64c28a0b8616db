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
#include "driver/idle.h"
#include "driver/layer.h"
#include "duplex/duplex.h"
#include "duplex/layer.h"

enum { EXPERTS = 33, HIDDEN = 512, INNER = 64, TIMES = 24 };

struct bench {
  struct duplex_stack *stack;
  struct duplex_layer *layer;
};

// Times by which Logic-PIM has every expert.
static void make_times(struct schedule_times *times) {
  static const struct schedule_shape shape = {
      .hidden = HIDDEN, .inner = INNER, .experts = EXPERTS, .stacks = 1, .channels = 2, .replicated = 1};
  static const struct schedule_placement placement = {
      .layout = SCHEDULE_REPLICATED, .pieces = 1, .parts = {1}, .width = {{INNER}}};
  schedule_formula(&shape, &placement, times);
  for (uint32_t groups = 1; groups <= SCHEDULE_GROUPS; groups++) {
    times->rows[groups].pim[0][1] = groups;
    times->rows[groups].xpu[0][0] = 10000 * groups;
  }
  times->slope = times->rows[1];
  schedule_seal(times);
  assert_true(schedule_valid(times));
}

static int setup(void **state) {
  static const struct duplex_riscv_options riscv = {0};
  static const struct duplex_stack_options options = {.backend = {.channels = 2, .threads = 1},
                                                      .riscv = &riscv};
  static const struct duplex_layer_options layer = {
      .experts = EXPERTS, .hidden = HIDDEN, .piece = {{.bundles = 0xf, .parts = 1, .inner = {INNER}}}};
  static struct bench bench;
  static struct schedule_times times;
  *state = &bench;
  make_times(&times);
  if (duplex_stack_open("cmodel", &options, &bench.stack, NULL, 0)) return -1;
  if (duplex_stack_open_layer(bench.stack, &layer, &bench.layer)) return -1;
  for (unsigned e = 0; e < EXPERTS; e++)
    if (duplex_layer_reserve(bench.layer, e, 0)) return -1;
  return duplex_stack_set_times(bench.stack, &times);
}

static int teardown(void **state) {
  struct bench *bench = *state;
  duplex_stack_close(bench->stack);
  return 0;
}

// The number that stands there most often.
static uint64_t commonest(const uint64_t numbers[TIMES]) {
  uint64_t best = 0;
  unsigned most = 0;
  for (unsigned i = 0; i < TIMES; i++) {
    unsigned times = 0;
    for (unsigned k = 0; k < TIMES; k++) times += numbers[k] == numbers[i];
    if (times > most) most = times, best = numbers[i];
  }
  return best;
}

// Clocks of a job on two experts, whose cuts are listed or decided: of as many places between two refreshes
// what it takes from most of them. From others it meets a refresh, or waits less for a bank.
static uint64_t job_clocks(const struct bench *bench, bool decided, unsigned first, unsigned second) {
  static const duplex_f16 x[2 * HIDDEN];
  static uint8_t y[2 * HIDDEN * 16];
  uint8_t cuts[EXPERTS] = {0};
  uint32_t counts[EXPERTS] = {0};
  const struct duplex_layer_work work = {.policy = decided ? DUPLEX_LAYER_BEST : DUPLEX_LAYER_CUTS,
                                         .cuts = cuts,
                                         .counts = counts,
                                         .x = x,
                                         .format = DUPLEX_ACC};
  uint64_t clocks[TIMES];
  cuts[first] = cuts[second] = 1;
  counts[first] = counts[second] = 1;
  for (unsigned time = 0; time < TIMES; time++) {
    struct duplex_job *job;
    struct duplex_stack_stats stats;
    assert_int_equal(stack_idle(bench->stack, time, TIMES), 0);
    if (duplex_layer_start(bench->layer, &work, &job) || duplex_stack_wait(job, UINT64_MAX, y))
      fail_msg("%s", duplex_stack_last_error(bench->stack));
    duplex_stack_last_stats(bench->stack, &stats);
    clocks[time] = stats.cycles;
  }
  return commonest(clocks);
}

// `more`: clocks that an expert in the middle of a word takes more, whose part of the word is charged.
static void check_place(const struct bench *bench, bool decided, uint64_t at_once, unsigned first,
                        unsigned more) {
  const uint64_t clocks = job_clocks(bench, decided, first, first + 1) - at_once;
  const uint64_t told = charges_search(first, decided);
  printf("%u experts before the first one, %s: %llu clocks, told %llu\n", first,
         decided ? "decided" : "listed", (unsigned long long)clocks, (unsigned long long)told);
  assert_in_range(clocks + 8, told, told + 16 + more);
}

// Pairs without work before the first expert count, and the empty half of its own pair.
static void test_listed(void **state) {
  static const unsigned places[] = {2, 3, 10, 16, 17, 31};
  const uint64_t at_once = job_clocks(*state, false, 0, 1);
  for (unsigned i = 0; i < sizeof places / sizeof *places; i++)
    check_place(*state, false, at_once, places[i], 0);
}

// Of decided cuts fours count, and each expert of a four before the first one takes up to six clocks more.
static void test_decided(void **state) {
  static const unsigned places[] = {4, 5, 6, 8, 16, 17, 28};
  const uint64_t at_once = job_clocks(*state, true, 0, 1);
  for (unsigned i = 0; i < sizeof places / sizeof *places; i++)
    check_place(*state, true, at_once, places[i], places[i] % 4 * 6);
}

// Clocks that a device predicts of a layer whose tokens go to an expert each, from this one on.
static uint64_t predicted(const struct duplex_riscv_options *riscv, enum duplex_policy policy,
                          unsigned expert) {
  enum { ALL = 30, COLUMNS = 64, TOKENS = 8 };
  static duplex_f16 weights[ALL * COLUMNS * COLUMNS], router[ALL * COLUMNS];
  const bool best = policy == DUPLEX_POLICY_BEST;
  const struct duplex_device_options options = {.stacks = 1,
                                                .stack = {.backend = {.channels = 1}, .riscv = riscv},
                                                .partials = DUPLEX_PARTIALS_ACC,
                                                .policy = policy,
                                                .copies = best ? 2 : 1,
                                                .always_decide = best,
                                                .threads = 1};
  const struct duplex_moe_shape shape = {ALL, COLUMNS, COLUMNS};
  const struct duplex_moe_weights all = {.router = router, .up = weights, .down = weights};
  const struct duplex_moe_routing routing = {.top_k = 1};
  duplex_f16 x[TOKENS * COLUMNS] = {0}, y[TOKENS * COLUMNS];
  struct duplex_device *device;
  struct duplex_moe *moe;
  struct duplex_moe_stats stats;
  for (unsigned e = 0; e < ALL; e++) router[e * COLUMNS + e] = 0x3c00;
  for (unsigned t = 0; t < TOKENS; t++) x[t * COLUMNS + expert + t] = 0x3c00;
  assert_int_equal(duplex_device_open("cmodel", &options, &device, NULL, 0), 0);
  if (duplex_device_load_moe(device, &shape, &all, duplex_activation_builtin("relu"), &moe) ||
      duplex_device_moe(device, moe, &routing, x, TOKENS, y))
    fail_msg("%s", duplex_device_last_error(device));
  duplex_device_last_stats(device, &stats);
  duplex_device_close(device);
  assert_true(stats.logic_pim_experts > 0);
  return stats.predicted;
}

// Predictions have it, unless the firmware takes no time.
static void test_predicted(void **state) {
  static const struct duplex_riscv_options riscv = {0};
  (void)state;
  for (unsigned decided = 0; decided < 2; decided++) {
    const enum duplex_policy policy = decided ? DUPLEX_POLICY_BEST : DUPLEX_POLICY_LOGIC_PIM;
    const uint64_t searched = predicted(&riscv, policy, 22) - predicted(&riscv, policy, 0);
    assert_int_equal(searched, charges_search(22, decided));
    assert_int_equal(predicted(NULL, policy, 22), predicted(NULL, policy, 0));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_listed), cmocka_unit_test(test_decided),
                                     cmocka_unit_test(test_predicted)};
  return cmocka_run_group_tests(tests, setup, teardown);
}
