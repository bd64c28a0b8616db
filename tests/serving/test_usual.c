// SPDX-License-Identifier: Apache-2.0
// What the stages of a full batch are in the mean, by hand.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

// clang-format off: after what it needs
#include <cmocka.h>
// clang-format on

#include "serving/usual.h"
#include "tests/serving/runs.h"

enum { BATCH = 16, INPUT = 100, OUTPUT = 4, LEAST = 32 };

static const struct machine two_nodes = {.nodes = 2};
static const struct serving_options by_stages = {.batch = BATCH, .input = INPUT, .output = OUTPUT};

// One stage of four has the prompt of a request.
static void test_stages(void **state) {
  (void)state;
  const struct usual u = usual_of(&two_nodes, &by_stages);
  assert_near(u.batch, BATCH, 0);
  assert_near(u.prompts, 0.25, 0);
  assert_near(u.chunk, INPUT, 0);
  assert_near(u.mixed, 1 - pow(0.75, BATCH), 1e-14);
  assert_near(u.decoding_only, 1.0 / LEAST, 0);  // more than 0.75^16
  assert_int_equal(usual_decoding_tokens(&u), BATCH);
  struct serving_options longer = by_stages;
  longer.output = 1000;
  assert_near(usual_of(&two_nodes, &longer).decoding_only, pow(0.999, BATCH), 1e-14);
}

// A budget of 30 tokens beside 8 that decode on a node: a prompt takes five stages of eight.
static void test_budget(void **state) {
  struct serving_options o = by_stages;
  struct duplex_random random;
  (void)state;
  o.scheduler = SERVING_VLLM;
  o.most_sequences = 128;
  o.most_tokens = 30;
  const struct usual u = usual_of(&two_nodes, &o);
  assert_near(u.prompts, 5 / 8.0, 0);
  assert_near(u.chunk, INPUT / 5.0, 0);
  duplex_random_seed(&random, 1, 0);
  for (unsigned i = 0; i < 100; i++) {
    const unsigned tokens = usual_mixed_tokens(&u, &random);
    assert_true(tokens <= 2 * 30 && tokens >= BATCH);
  }
}

// Nodes with prompts alone, and without any; devices of their own.
static void test_apart(void **state) {
  const struct machine prefill = {.nodes = 1, .only_prefills = true};
  const struct machine decode = {.nodes = 1, .only_decodes = true};
  const struct machine split = {.nodes = 1, .layout = LAYOUT_SPLIT};
  struct duplex_random random;
  (void)state;
  struct usual u = usual_of(&prefill, &by_stages);
  assert_true(u.decoding_only == 0 && u.mixed == 1);
  duplex_random_seed(&random, 1, 0);
  assert_int_equal(usual_mixed_tokens(&u, &random), BATCH * INPUT);
  u = usual_of(&decode, &by_stages);
  assert_true(u.decoding_only == 1 && u.mixed == 0);
  u = usual_of(&split, &by_stages);
  assert_true(u.decoding_only == 1 && u.mixed > 0.98);
  for (unsigned i = 0; i < 20; i++) assert_int_equal(usual_mixed_tokens(&u, &random) % INPUT, 0);
}

// Tokens of stages with prompts have the mean of all that is computed.
static void test_tokens(void **state) {
  const struct usual u = usual_of(&two_nodes, &by_stages);
  struct duplex_random random;
  double sum = 0;
  (void)state;
  duplex_random_seed(&random, 1, 0);
  for (unsigned i = 0; i < 100000; i++) sum += usual_mixed_tokens(&u, &random);
  assert_near(sum / 100000, 0.75 * BATCH + 0.25 * BATCH * INPUT, 0.01);
  const struct usual one = {.batch = 1, .prompts = 1e-6, .chunk = INPUT, .most = 1000};
  assert_int_equal(usual_mixed_tokens(&one, &random), INPUT);
  const struct usual endless = {.batch = 1, .prompts = 1, .chunk = 1e9, .most = 1000};
  assert_int_equal(usual_mixed_tokens(&endless, &random), 1000);
}

// The mean lengths of a trace.
static void test_trace(void **state) {
  static struct serving_trace_request list[] = {{0, 10, 1, 0, 0, 2}, {1, 50, 7, 0, 0, 3}};
  const struct serving_trace trace = {.list = list, .count = 2};
  struct serving_options o = by_stages;
  (void)state;
  o.trace = &trace;
  const struct usual u = usual_of(&two_nodes, &o);
  assert_near(u.chunk, 30, 0);
  assert_near(u.prompts, 0.25, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_stages), cmocka_unit_test(test_budget),
                                     cmocka_unit_test(test_apart), cmocka_unit_test(test_tokens),
                                     cmocka_unit_test(test_trace)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
