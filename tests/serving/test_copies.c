// SPDX-License-Identifier: Apache-2.0
// Two copies of each expert: what they keep from K and V, when they are there, and what they are refused for.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// clang-format off: after what it needs
#include <cmocka.h>
// clang-format on

#include "duplex/error.h"
#include "serving/serving.h"
#include "tests/serving/files.h"
#include "tests/serving/runs.h"

// Bytes of Mixtral: an expert, all else of a layer on a node, embedding and LM head, K and V of a token and
// layer.
#define EXPERT (3.0 * 4096 * 14336 * 2)
#define OTHERS(experts) ((4096.0 * 128 * (2 * 32 + 2 * 8) + 4096 * (experts)) * 2)
#define ENDS (2 * 4096.0 * 32000 * 2)
#define KV_TOKEN (2 * 8 * 128 * 2.0)

enum { DEVICES = 4, EXPERTS = 8, BATCH = 20, INPUT = 300, OUTPUT = 100 };

static char model_path[64];

// Mixtral with another number of layers, and eight experts for each of so many nodes.
static void write_model(unsigned layers, unsigned nodes) {
  char text[512];
  snprintf(
      text, sizeof text,
      "{\"layers\": %u, \"hidden\": 4096, \"inner\": 14336, \"heads\": 32, \"kv_heads\": 8, \"head_size\": "
      "128, \"vocabulary\": 32000, \"experts\": %u, \"top_k\": 2, \"nodes\": %u, \"devices\": %d}",
      layers, EXPERTS * nodes, nodes, DEVICES);
  write_text(model_path, text);
}

static int setup(void **state) {
  (void)state;
  strcpy(model_path, P_tmpdir "/duplex_model_XXXXXX");
  return make_file(model_path) ? 0 : -1;
}

static int teardown(void **state) {
  (void)state;
  return remove(model_path);
}

static struct serving_options options_of(const char *system) {
  return (struct serving_options){.system = system,
                                  .model = model_path,
                                  .most_sequences = 8,
                                  .most_tokens = 256,
                                  .block_size = 16,
                                  .batch = BATCH,
                                  .input = INPUT,
                                  .output = OUTPUT,
                                  .warm_up = 20,
                                  .measured = 200,
                                  .seed = 5};
}

// Whole copies that the bundles have room for beside everything else, if the fullest one has the second
// copies of so many layers of all and its third of the first ones of the others.
static double expert_bytes(unsigned layers, unsigned copies) {
  const unsigned second = (layers + 3) / 4;
  return EXPERTS * EXPERT * (copies == 1 ? layers : 4 * (second + (layers - second) / 3.0));
}

// What is left for K and V by hand; none of it is used twice.
static void check_room(unsigned layers, unsigned copies) {
  struct serving_options o = options_of("duplex-pe-et");
  struct serving_result r;
  write_model(layers, 1);
  o.copies = copies;
  run(&o, &r);
  assert_int_equal(r.copies, copies);
  assert_near(r.expert_bytes, expert_bytes(layers, copies), 1e-12);
  assert_near(r.kv_capacity, DEVICES * 80 * 1073741824.0 - ENDS - layers * OTHERS(EXPERTS) - r.expert_bytes,
              1e-12);
  assert_true(r.kv_most == BATCH * KV_TOKEN * layers * (INPUT + OUTPUT));
}

static void test_room(void **state) {
  static const unsigned layers[] = {1, 2, 4, 6, 8, 32};
  (void)state;
  for (unsigned i = 0; i < sizeof layers / sizeof *layers; i++)
    for (unsigned copies = 1; copies <= 2; copies++) check_room(layers[i], copies);
  assert_true(expert_bytes(32, 2) == 2 * expert_bytes(32, 1));
}

enum { LAYERS = 8 };

// A device's memory in which two copies leave room for K and V of so many positions on each node.
static double memory_for(double positions, unsigned nodes) {
  return (expert_bytes(LAYERS, 2) + ENDS + LAYERS * (OTHERS(EXPERTS * nodes) + positions * KV_TOKEN)) /
         DEVICES;
}

static unsigned copies_with(const struct serving_options *options, double memory) {
  struct serving_options o = *options;
  struct serving_result r;
  o.memory = memory;
  run(&o, &r);
  assert_true(r.kv_most <= r.kv_capacity);
  return r.copies;
}

// With room for so many positions on each node there are two copies, with a byte less one.
static void check_edge(const struct serving_options *o, double positions, unsigned nodes) {
  write_model(LAYERS, nodes);
  assert_int_equal(copies_with(o, memory_for(positions, nodes) + 1e-3), 2);
  assert_int_equal(copies_with(o, memory_for(positions, nodes) - 1), 1);
}

// All requests that may be in flight are of the greatest length.
static void test_edge(void **state) {
  static struct serving_trace_request list[] = {{0, 100, 50, 0, 0, 2}, {1, 700, 200, 0, 0, 3}};
  struct serving_trace trace = {.list = list, .count = 2};
  struct serving_options o = options_of("duplex-pe-et");
  (void)state;
  check_edge(&o, BATCH * (INPUT + OUTPUT), 1);
  o.batch = 7;
  check_edge(&o, 4 * (INPUT + OUTPUT), 2);
  o.deviation = 0.1;
  check_edge(&o, 7 * 2 * (INPUT + OUTPUT), 1);
  o.deviation = 0;
  o.rate = 10;
  o.warm_up = 0;
  o.measured = 5;
  check_edge(&o, 7 * (INPUT + OUTPUT), 1);
  o.rate = 0;
  o.trace = &trace;
  o.measured = 2;
  check_edge(&o, 7 * 900, 1);
}

// The places and blocks of the engine.
static void test_engine(void **state) {
  struct serving_options o = options_of("duplex-pe-et");
  (void)state;
  o.scheduler = SERVING_VLLM;
  o.block_size = 96;
  check_edge(&o, 8 * 480, 1);
  o.batch = 3;
  check_edge(&o, 3 * 480, 1);
  o.rate = 10;
  o.warm_up = 0;
  o.measured = 5;
  check_edge(&o, 8 * 480, 1);
  o.prefix_cache = true;
  o.hash_block = 96;
  assert_int_equal(copies_with(&o, 80e9), 1);
}

// One copy, and two, which are those where nothing is asked for.
static void run_all(const struct serving_options *options, struct serving_result *one,
                    struct serving_result *two) {
  struct serving_options o = *options;
  struct serving_result chosen;
  run(&o, &chosen);
  o.copies = 1;
  run(&o, one);
  o.copies = 2;
  run(&o, two);
  assert_memory_equal(&chosen, two, sizeof *two);
}

// Two copies where nothing else is asked for, because they are faster; nodes that only prefill have one.
static void test_faster(void **state) {
  struct serving_options o = options_of("duplex-pe-et");
  struct serving_result two, one, chosen;
  (void)state;
  write_model(LAYERS, 1);
  run_all(&o, &one, &two);
  assert_true(two.throughput > one.throughput && one.copies == 1);
  assert_near(two.sum.bytes[SERVING_MOE], one.sum.bytes[SERVING_MOE], 1e-12);
  assert_near(serving_sum(two.sum.part), two.sum.seconds, 1e-12);
  assert_true(two.sum.charge[SERVING_DECISION] < one.sum.charge[SERVING_DECISION]);
  assert_true(two.sum.charge[SERVING_LAUNCHES] < one.sum.charge[SERVING_LAUNCHES]);
  o.nodes = 2;
  o.prefill_nodes = 1;
  run(&o, &chosen);
  assert_int_equal(chosen.copies, 2);
  assert_near(chosen.expert_bytes, expert_bytes(LAYERS, 2) + expert_bytes(LAYERS, 1), 1e-12);
}

// Prompts count by the stages that they are in: one request at a time decodes fastest with experts over all
// bundles, but its prompt of four stages takes less with two copies.
static void test_prompts(void **state) {
  struct serving_options o = options_of("duplex-pe-et");
  struct serving_result two, one, chosen;
  (void)state;
  o.model = "glam";
  o.batch = 1;
  o.input = 512;
  o.output = 4;
  run_all(&o, &one, &two);
  assert_true(two.throughput > one.throughput && !one.striped);
  o.output = 1 << 16;
  run(&o, &chosen);
  assert_true(chosen.copies == 1 && chosen.striped);
}

static void check_refused(const struct serving_options *o, int code, const char *word) {
  struct serving_result r;
  char error[1024] = "";
  assert_int_equal(serving_run(o, &r, error, sizeof error), code);
  if (!strstr(error, word) || strchr(error, '\n')) fail_msg("'%s', expected '%s'", error, word);
}

// Two copies of what has no use for them, told by what it lacks, or no room.
static void test_refused(void **state) {
  static const struct {
    const char *system, *word;
  } systems[] = {{"gpu", "gpu has no Logic-PIM, expected a system with it"},
                 {"duplex", "policy default of duplex has no use for two copies of each expert"},
                 {"bank-pim", "bank-pim has no Logic-PIM"},
                 {"hetero", "hetero has all experts on Logic-PIM, expected another layout"}};
  struct serving_options o = options_of("duplex-pe-et");
  (void)state;
  write_model(LAYERS, 1);
  o.copies = 2;
  o.memory = memory_for(INPUT + OUTPUT, 1) - 1;
  check_refused(&o, DUPLEX_ERROR_OUT_OF_SPACE, "with two copies of each expert");
  o.memory += 1 + 1e-3;
  assert_int_equal(copies_with(&o, o.memory), 2);
  o.policy = SERVING_POLICY_PAPER;
  check_refused(&o, DUPLEX_ERROR_ARGUMENT, "policy paper of duplex-pe-et has no use");
  o.policy = SERVING_POLICY_DEFAULT;
  o.mode = SERVING_PAPER;
  check_refused(&o, DUPLEX_ERROR_ARGUMENT, "expected --mode full");
  o.mode = SERVING_FULL;
  o.memory = 0;
  for (unsigned i = 0; i < sizeof systems / sizeof *systems; i++) {
    o.system = systems[i].system;
    check_refused(&o, DUPLEX_ERROR_ARGUMENT, systems[i].word);
  }
  o.system = "duplex-pe-et";
  o.model = "llama3-70b";
  check_refused(&o, DUPLEX_ERROR_ARGUMENT, "llama3-70b has no experts");
  o.model = model_path;
  write_text(
      model_path,
      "{\"layers\": 2, \"hidden\": 256, \"inner\": 512, \"heads\": 8, \"kv_heads\": 8, \"head_size\": 128,"
      "\"vocabulary\": 100, \"experts\": 8,\n\"weight_bits\": 4}");
  check_refused(&o, DUPLEX_ERROR_ARGUMENT, ":2 has weights of 4 bits, expected 16");
  o.copies = 0;
  o.policy = SERVING_POLICY_BEST;
  check_refused(&o, DUPLEX_ERROR_ARGUMENT, ":2 has weights of 4 bits, expected 16");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_room),    cmocka_unit_test(test_edge),
                                     cmocka_unit_test(test_engine),  cmocka_unit_test(test_faster),
                                     cmocka_unit_test(test_prompts), cmocka_unit_test(test_refused)};
  return cmocka_run_group_tests(tests, setup, teardown);
}
