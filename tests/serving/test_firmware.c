// SPDX-License-Identifier: Apache-2.0
// Mode full: the firmware's time is what a layer takes longer by the table of the controller.
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
#include "serving/measured.h"
#include "serving/phases.h"
#include "serving/time_table.h"
#include "tests/serving/runs.h"

#define EXPERTS 8u  // of Mixtral, and of a device

struct system {
  struct serving_options options;
  struct serving_model model;
  struct machine machine;
  struct measured *measured;
};

// A model on a system, with firmware that takes no time or on the controller.
static void open_system(struct system *s, const char *name, const char *model, unsigned copies, bool native) {
  char text[512] = "";
  *s = (struct system){.options = {.system = name, .model = model, .native = native}};
  int error = serving_model_read(&s->model, s->options.model, text, sizeof text);
  if (!error) error = machine_read(&s->machine, &s->options, &s->model, text, sizeof text);
  s->machine.copies = copies;
  if (!error) error = measured_open(&s->measured, &s->machine, &s->model, &s->options, text, sizeof text);
  if (error) fail_msg("%s", text);
}

static double sum_of(const double *charge) {
  double sum = 0;
  for (unsigned i = 0; i < SERVING_CHARGES; i++) sum += charge[i];
  return sum;
}

// Clocks of the phases of what `best` decides by a table.
static uint64_t clocks_by(const struct schedule_times *times, const struct schedule_decision *decision,
                          const uint16_t *counts) {
  struct schedule_phase phases[2];
  struct schedule_prediction prediction;
  schedule_phases(times, counts, decision, phases);
  schedule_predict(schedule_costs_of(times, decision), phases, &prediction);
  return prediction.total;
}

// Of both firmwares: [1] is on the controller.
static void load_tables(const struct system *s, struct schedule_times tables[2]) {
  char text[512] = "";
  for (unsigned i = 0; i < 2; i++)
    if (time_table_load(&s->machine, &s->model, &s->options, i, true, &tables[i], text, sizeof text))
      fail_msg("%s", text);
}

// No firmware has to do with what the xPU reads: the tables of both have the same times of it.
static void test_reads(void **state) {
  static const char *const models[] = {"mixtral", "glam", "grok1"};
  static struct schedule_times tables[2];
  (void)state;
  for (unsigned i = 0; i < 6; i++) {
    struct system s;
    open_system(&s, "duplex-pe-et", models[i / 2], 1 + i % 2, false);
    load_tables(&s, tables);
    for (unsigned groups = 1; groups <= SCHEDULE_GROUPS; groups++) {
      const struct schedule_row *row[] = {&tables[0].rows[groups], &tables[1].rows[groups]};
      assert_memory_equal(row[0]->xpu, row[1]->xpu, sizeof row[0]->xpu);
      assert_int_equal(row[0]->whole, row[1]->whole);
    }
    for (unsigned of = 0; of < SCHEDULE_COSTS; of++)
      assert_memory_equal(tables[0].costs[of].reads, tables[1].costs[of].reads,
                          sizeof tables[0].costs[of].reads);
    measured_close(s.measured);
  }
}

// What is charged for the firmware of a layer, against both tables: of 2 to 64 tokens of each expert.
static void check_layers(unsigned copies) {
  struct system s;
  static struct schedule_times tables[2], charged;
  static struct schedule_work work;
  open_system(&s, "duplex-pe-et", "mixtral", copies, false);
  load_tables(&s, tables);
  assert_true(schedule_charge(&tables[1], &charged));
  for (unsigned tokens = 2; tokens <= 64; tokens *= 2) {
    uint16_t counts[EXPERTS];
    unsigned numbers[EXPERTS];
    double charge[SERVING_CHARGES] = {0};
    struct schedule_decision decision;
    for (unsigned e = 0; e < EXPERTS; e++) numbers[e] = counts[e] = (uint16_t)tokens;
    schedule_decide(SCHEDULE_BEST, &charged, counts, &work, &decision);
    const double clocks[] = {(double)clocks_by(&tables[0], &decision, counts),
                             (double)clocks_by(&tables[1], &decision, counts)};
    const struct experts_cost cost = measured_run(s.measured, numbers, charge);
    // Of two copies a job decides, to which the counts come.
    const double taken = copies > 1 ? (double)charges_counts(EXPERTS) : 0;
    assert_near(charge[SERVING_FIRMWARE] * s.machine.clock, clocks[1] - clocks[0] + taken, 1e-9);
    printf("%u copies, %u tokens of each expert: %.0f clocks, %.0f on the controller\n", copies, tokens,
           clocks[0], clocks[1]);
    assert_true(clocks[1] >= clocks[0] + (tokens == 16) * 1000);  // where Logic-PIM is the longer side
    assert_near((cost.seconds + sum_of(charge) - charge[SERVING_DECISION] - charge[SERVING_LAUNCHES]) *
                    s.machine.clock,
                clocks[1] + taken, 1e-9);
  }
  measured_close(s.measured);
}

// Whether the rule has a controller decide about a layer of so many pairs a device, spread evenly.
static bool is_decided(const struct system *s, unsigned pairs) {
  unsigned numbers[SCHEDULE_EXPERTS];
  double charge[SERVING_CHARGES] = {0};
  const unsigned experts = experts_layout(&s->machine, &s->model).of_group;
  for (unsigned e = 0; e < s->model.experts; e++)
    numbers[e] = pairs / experts + (e % experts < pairs % experts);
  measured_run(s->measured, numbers, charge);
  return charge[SERVING_DECISION] > 0;
}

// Jobs that begin later make fewer decisions pay: the rule goes by the firmware that the machine runs.
static void test_decisions(void **state) {
  struct system s[2];
  unsigned fewer = 0;
  unsigned more = 0;
  (void)state;
  for (unsigned native = 0; native < 2; native++) open_system(&s[native], "duplex-pe-et", "grok1", 1, native);
  for (unsigned pairs = 1; pairs <= 1024; pairs++) {
    fewer += is_decided(&s[1], pairs) && !is_decided(&s[0], pairs);
    more += is_decided(&s[0], pairs) && !is_decided(&s[1], pairs);
  }
  printf("%u layers are decided with native firmware alone, %u on the controller alone\n", fewer, more);
  assert_true(fewer > 0);
  assert_int_equal(more, 0);
  for (unsigned native = 0; native < 2; native++) measured_close(s[native].measured);
}

// Seconds of a layer, as charged, whose only experts with tokens begin at one of them.
static double seconds_from(const struct system *s, unsigned first) {
  unsigned numbers[SCHEDULE_EXPERTS] = {0};
  double charge[SERVING_CHARGES] = {0};
  numbers[first] = numbers[first + 1] = 1;
  const struct experts_cost cost = measured_run(s->measured, numbers, charge);
  return cost.seconds + sum_of(charge);
}

// A controller looks for a job's first expert, in the device's order. Of a token of two experts Logic-PIM
// works longer, in one phase.
static void test_search(void **state) {
  (void)state;
  for (unsigned native = 0; native < 2; native++) {
    struct system s;
    open_system(&s, "duplex-pe-et", "glam", 2, native);
    const double clocks = (seconds_from(&s, 60) - seconds_from(&s, 0)) * s.machine.clock;
    assert_near(1e4 + clocks, 1e4 + (native ? 0 : (double)charges_search(60, false)), 1e-9);
    measured_close(s.measured);
  }
}

// Firmware makes nothing faster, whatever was measured of long layers: up to so many tokens of each expert.
static void test_not_faster(void **state) {
  static const char *const models[] = {"mixtral", "glam", "grok1"};
  (void)state;
  for (unsigned i = 0; i < 3; i++) {
    struct system s;
    open_system(&s, "hetero", models[i], 1, false);
    for (unsigned tokens = 1; tokens <= 4096; tokens *= 2) {
      unsigned numbers[SCHEDULE_EXPERTS];
      double charge[SERVING_CHARGES] = {0};
      for (unsigned e = 0; e < s.model.experts; e++) numbers[e] = tokens;
      measured_run(s.measured, numbers, charge);
      assert_true(charge[SERVING_FIRMWARE] >= 0);
    }
    measured_close(s.measured);
  }
}

// Costs of devices with two experts are kept by the tokens of both: no layer before changes one, nor does one
// that is kept at the same place.
static void test_kept(void **state) {
  static const unsigned tokens[] = {1, 4097, 64, 1};
  struct system fresh;
  struct system used;
  double charge[SERVING_CHARGES] = {0};
  unsigned numbers[SCHEDULE_EXPERTS];
  (void)state;
  open_system(&used, "duplex-pe", "mixtral", 1, false);
  assert_int_equal(experts_layout(&used.machine, &used.model).of_group, 2);
  for (unsigned i = 0; i < sizeof tokens / sizeof *tokens; i++) {
    for (unsigned e = 0; e < EXPERTS; e++) numbers[e] = e % 2 ? tokens[i] : 9;
    const struct experts_cost again = measured_run(used.measured, numbers, charge);
    open_system(&fresh, "duplex-pe", "mixtral", 1, false);
    const struct experts_cost once = measured_run(fresh.measured, numbers, charge);
    assert_memory_equal(&again, &once, sizeof once);
    measured_close(fresh.measured);
  }
  measured_close(used.measured);
}

// What formulas take from a table is in it still: of units without tables.
static void test_of_table(void **state) {
  static struct schedule_times tables[2];
  struct system s;
  (void)state;
  open_system(&s, "hetero", "mixtral", 1, false);
  load_tables(&s, tables);
  assert_int_equal(tables[0].shape.inner, 14336);
  const struct schedule_costs *of_table = &tables[0].costs[SCHEDULE_OF_PIECE];
  const struct schedule_costs costs = phases_costs(&s.machine, &tables[0].shape);
  const struct schedule_costs controlled = phases_controlled_costs(&costs);
  assert_memory_equal(costs.job, of_table->job, sizeof costs.job);
  assert_memory_equal(costs.reads, of_table->reads, sizeof costs.reads);
  assert_memory_equal(controlled.job, tables[1].costs[SCHEDULE_OF_PIECE].job, sizeof controlled.job);
  assert_int_equal(costs.given, of_table->given);
  assert_int_equal(costs.taken, of_table->taken);
  assert_int_equal(costs.first_tokens, of_table->first_tokens);
  assert_int_equal(costs.first_sums, of_table->first_sums);
  measured_close(s.measured);
}

static void test_layers(void **state) {
  (void)state;
  check_layers(1);
  check_layers(2);
}

// A short run of a system on the controller, and with firmware that takes no time.
static void run_both(const char *system, struct serving_result results[2]) {
  struct serving_options options = {.system = system,
                                    .model = "mixtral",
                                    .copies = 1,
                                    .batch = 32,
                                    .input = 256,
                                    .output = 256,
                                    .warm_up = 10,
                                    .measured = 100,
                                    .seed = 1};
  for (unsigned i = 0; i < 2; i++) {
    options.native = i;
    run(&options, &results[i]);
  }
  assert_true(results[1].sum.charge[SERVING_FIRMWARE] == 0);  // in attention neither
}

static void test_native(void **state) {
  struct serving_result results[2];
  (void)state;
  run_both("duplex-pe-et", results);
  assert_true(results[0].sum.charge[SERVING_FIRMWARE] > 0);
  assert_true(results[0].throughput < results[1].throughput);
}

// Units without a table have jobs that begin later, as measured once: 1.65 us in each of 32 layers and more.
static void test_without_tables(void **state) {
  struct serving_result results[2];
  (void)state;
  run_both("bankgroup-pim", results);
  assert_true(results[0].sum.charge[SERVING_FIRMWARE] > (double)results[0].stages * 32 * 1.65e-6);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_reads),         cmocka_unit_test(test_layers),
                                     cmocka_unit_test(test_search),        cmocka_unit_test(test_of_table),
                                     cmocka_unit_test(test_not_faster),    cmocka_unit_test(test_kept),
                                     cmocka_unit_test(test_decisions),     cmocka_unit_test(test_native),
                                     cmocka_unit_test(test_without_tables)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
