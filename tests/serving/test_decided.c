// SPDX-License-Identifier: Apache-2.0
// Layers whose decisions are kept, against the rule, the decision and the phases of each layer by itself.
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
#include "duplex/random.h"
#include "serving/decided.h"
#include "serving/experts.h"
#include "serving/time_table.h"
#include "tests/common/environment.h"
#include "tests/schedule/model_table.h"

#define LAYERS 400u  // of each kind, with few tokens, so that groups of tokens are met again
#define LAUNCH 3250u

// Tables of a device, and what is asked of them one layer at a time.
struct device {
  struct schedule_times times, controlled, charged;
  const struct schedule_times *own;
  struct schedule_work work;
  struct schedule_worth worth;
  struct decided_tables tables;
};
static struct device device;

static void load(const char *system, const char *model_name, unsigned copies, bool controlled,
                 struct schedule_times *times) {
  const struct serving_options options = {.system = system, .model = model_name};
  struct serving_model model;
  struct machine machine;
  char text[512] = "";
  int error = serving_model_read(&model, options.model, text, sizeof text);
  if (!error) error = machine_read(&machine, &options, &model, text, sizeof text);
  machine.copies = copies;
  if (!error) error = time_table_load(&machine, &model, &options, controlled, true, times, text, sizeof text);
  if (error) fail_msg("%s", text);
}

static void divide(enum schedule_policy policy, const uint16_t *counts, struct schedule_decision *decision) {
  schedule_divide(policy, &device.charged, counts, &device.work, decision);
}

static uint64_t predict(void *context, enum schedule_policy policy, uint16_t *counts) {
  struct schedule_decision decision;
  struct schedule_phase phases[2];
  struct schedule_prediction prediction;
  (void)context;
  divide(policy, counts, &decision);
  schedule_phases(device.own, counts, &decision, phases);
  schedule_predict(schedule_costs_of(device.own, &decision), phases, &prediction);
  return prediction.total +
         LAUNCH * (uint64_t)(schedule_phase_works(&phases[0]) + schedule_phase_works(&phases[1]));
}

static const struct schedule_ways ways = {&device.charged, predict, NULL};

// 128 experts of Qwen3, of which nothing is kept, by formulas: a job of the controller begins later.
static void fill_many(unsigned copies) {
  make_model(&device.times, 3, 128, copies > 1);
  device.controlled = device.times;
  for (unsigned i = 0; i < SCHEDULE_COSTS; i++)
    device.controlled.costs[i].job[0] = device.controlled.costs[i].job[1] = 1000;
  schedule_seal(&device.controlled);
}

static void open_device(const char *model, unsigned copies, bool native, enum schedule_policy policy) {
  if (model) {
    load("duplex-pe-et", model, copies, false, &device.times);
    load("duplex-pe-et", model, copies, true, &device.controlled);
  } else {
    fill_many(copies);
  }
  device.own = native ? &device.times : &device.controlled;
  assert_true(schedule_charge(device.own, &device.charged));
  device.tables = (struct decided_tables){&device.times, native ? NULL : &device.controlled, &device.charged,
                                          policy, LAUNCH};
  schedule_weigh(&ways, LAUNCH, &device.worth);
}

// Up to a number of tokens of each expert that is drawn first.
static void draw(struct duplex_random *random, uint16_t *counts) {
  static const unsigned most[] = {1, 4, 12, 20, 700};
  const unsigned tokens = most[duplex_random_below(random, sizeof most / sizeof *most)];
  for (unsigned e = 0; e < device.times.shape.experts; e++)
    counts[e] = (uint16_t)duplex_random_below(random, tokens + 1);
}

static void check_phases(const struct schedule_times *times, const uint16_t *counts,
                         const struct schedule_decision *decision, const struct schedule_phase phases[2]) {
  struct schedule_phase expected[2];
  schedule_phases(times, counts, decision, expected);
  assert_memory_equal(phases, expected, sizeof expected);
}

// The way that the layer goes.
static enum schedule_policy check(struct decided *decided, uint16_t *counts) {
  const unsigned experts = device.times.shape.experts;
  const uint64_t clocks = charges_decision(counts, experts, &device.times.placement);
  enum schedule_policy policy = device.tables.policy;
  struct schedule_decision expected;
  struct decided_layer layer;
  if (policy == SCHEDULE_BEST) policy = schedule_worthwhile(&device.worth, &ways, counts, clocks);
  divide(policy, counts, &expected);
  decided_divide(decided, counts, &layer);
  assert_int_equal(layer.decision->policy, policy);
  assert_int_equal(layer.decision_clocks, schedule_is_decided(policy) ? clocks : 0);
  assert_int_equal(layer.decision->divided, expected.divided);
  assert_int_equal(layer.decision->groups, expected.groups);
  for (unsigned q = 0; q < device.times.placement.pieces; q++)
    assert_memory_equal(layer.decision->cut[q], expected.cut[q], experts);
  check_phases(&device.times, counts, &expected, layer.phase);
  if (device.tables.controlled) check_phases(&device.controlled, counts, &expected, layer.controlled);
  return policy;
}

static void check_layers(const char *model, unsigned copies, bool native, enum schedule_policy policy) {
  unsigned ways_taken[SCHEDULE_PIM_ALONE + 1] = {0};
  struct duplex_random random;
  open_device(model, copies, native, policy);
  struct decided *decided = decided_open(&device.tables);
  assert_non_null(decided);
  duplex_random_seed(&random, environment_seed(), 0);
  for (unsigned i = 0; i < LAYERS; i++) {
    uint16_t counts[SCHEDULE_EXPERTS];
    draw(&random, counts);
    ways_taken[check(decided, counts)]++;
  }
  printf("%s, %u copies, %s, policy %u: %u decided, %u of the xPU alone, %u of Logic-PIM alone\n",
         model ? model : "128 experts", copies, native ? "native" : "riscv", policy, ways_taken[policy],
         ways_taken[SCHEDULE_XPU_ALONE], ways_taken[SCHEDULE_PIM_ALONE]);
  decided_close(decided);
}

static void test_best(void **state) {
  static const char *const models[] = {"mixtral", "glam", "grok1", NULL};
  (void)state;
  for (unsigned i = 0; i < 4; i++)
    for (unsigned copies = 1; copies <= 2; copies++) {
      check_layers(models[i], copies, false, SCHEDULE_BEST);
      check_layers(models[i], copies, true, SCHEDULE_BEST);
    }
}

// The spaces of the paper go by tokens, not by groups of them.
static void test_others(void **state) {
  static const enum schedule_policy policies[] = {SCHEDULE_XPU, SCHEDULE_PIM, SCHEDULE_SPACES,
                                                  SCHEDULE_TURNS};
  (void)state;
  for (unsigned i = 0; i < 4; i++) check_layers("mixtral", 1, false, policies[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_best), cmocka_unit_test(test_others)};
  printf("seed %llu\n", (unsigned long long)environment_seed());
  return cmocka_run_group_tests(tests, NULL, NULL);
}
