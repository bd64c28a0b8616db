// SPDX-License-Identifier: Apache-2.0
// The serving simulator: what is conserved, the same result by seed, capacity, the highest rate.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

// clang-format off: after what it needs
#include <cmocka.h>
// clang-format on

#include "duplex/error.h"
#include "serving/model.h"
#include "serving/rate.h"
#include "tests/serving/files.h"
#include "tests/serving/runs.h"

static struct serving_options options_of(const char *system, const char *model, unsigned batch) {
  return (struct serving_options){.system = system,
                                  .model = model,
                                  .batch = batch,
                                  .input = 200,
                                  .output = 100,
                                  .mode = SERVING_PAPER,
                                  .warm_up = 50,
                                  .measured = 400,
                                  .seed = 3};
}

// Multiply-accumulates of a token in the experts of all layers.
static double macs_of(const char *name) {
  struct serving_model model;
  char error[1024] = "";
  if (serving_model_read(&model, name, error, sizeof error)) fail_msg("%s", error);
  return (double)model_moe_layers(&model) * model.top_k * model_expert_weights(&model);
}

// Each token is multiplied with as many weights of experts as the model says, wherever they are; energy is
// there for all work and no other. Tokens that decode, and those of prompts, of 200 positions in the mean.
static void check_work(const struct serving_result *r, double expert_macs) {
  const double macs = r->decoding_cost.macs[SERVING_MOE];
  assert_near(macs, expert_macs * 24 * r->decoding_only, 1e-12);
  for (unsigned i = 0; i < SERVING_PARTS; i++) {
    assert_true((r->sum.macs[i] > 0) == (r->sum.comp_j[i] > 0));
    assert_true((r->sum.bytes[i] > 0) == (r->sum.dram_j[i] > 0));
    assert_true(r->sum.xpu[i] + r->sum.pim[i] == 0 || r->sum.bytes[i] > 0);
  }
  assert_true(r->sum.pim_dram_j <= serving_sum(r->sum.dram_j));
}

// Each request in flight gets one token a stage; time and energy of all parts are those of the whole.
static void check_conservation(enum serving_mode mode, const char *system, const char *model,
                               double deviation) {
  const double expert_macs = macs_of(model);
  struct serving_options o = options_of(system, model, 24);
  struct serving_result r;
  o.mode = mode;
  o.deviation = deviation;
  run(&o, &r);
  assert_int_equal(r.batch, 24);
  assert_int_equal(r.stages, o.measured);
  assert_true(r.tokens == 24.0 * o.measured);
  assert_near(serving_sum(r.sum.part), r.sum.seconds, 1e-12);
  assert_near(r.sum.seconds, r.seconds, 1e-9);
  assert_near(r.decoding_cost.seconds + r.mixed_cost.seconds, r.sum.seconds, 1e-9);
  assert_near(r.tbt.count + r.t2ft.count, r.tokens, 0);
  check_work(&r, expert_macs);
  assert_true(r.kv_most <= r.kv_capacity);
  assert_true(r.sum.checked <= r.sum.part[SERVING_MOE]);
  assert_true(serving_sum(r.sum.xpu) <= r.sum.seconds && serving_sum(r.sum.pim) <= r.sum.seconds);
  assert_near(r.throughput * r.seconds, r.tokens, 1e-12);
  if (deviation == 0) assert_true(r.requests == 24.0 * o.measured / 100);
}

static void test_conservation(void **state) {
  static const char *const systems[] = {"gpu",          "2xgpu",    "duplex",        "duplex-pe",
                                        "duplex-pe-et", "bank-pim", "bankgroup-pim", "hetero"};
  static const char *const models[] = {"mixtral", "glam", "grok1", "llama3-70b"};
  (void)state;
  for (unsigned s = 0; s < sizeof systems / sizeof *systems; s++)
    for (unsigned m = 0; m < sizeof models / sizeof *models; m++) {
      check_conservation(SERVING_PAPER, systems[s], models[m], 0);
      check_conservation(SERVING_PAPER, systems[s], models[m], 0.3);
    }
}

static void test_conservation_full(void **state) {
  static const char *const systems[] = {"gpu",          "2xgpu",    "duplex",       "duplex-pe",
                                        "duplex-pe-et", "bank-pim", "bankgroup-pim"};
  (void)state;
  for (unsigned s = 0; s < sizeof systems / sizeof *systems; s++) {
    check_conservation(SERVING_FULL, systems[s], "mixtral", 0);
    check_conservation(SERVING_FULL, systems[s], "mixtral", 0.3);
    check_conservation(SERVING_FULL, systems[s], "llama3-70b", 0.3);
  }
}

// What is charged is the part OTHER; another policy takes another time, and no policy none.
static void test_full(void **state) {
  struct serving_options o = options_of("duplex-pe-et", "mixtral", 32);
  struct serving_result chosen, r;
  char error[1024] = "";
  (void)state;
  o.mode = SERVING_FULL;
  run(&o, &chosen);
  double charged = 0;
  for (unsigned i = 0; i < SERVING_CHARGES; i++) charged += chosen.sum.charge[i];
  assert_near(charged, chosen.sum.part[SERVING_OTHER], 1e-12);
  for (unsigned policy = SERVING_POLICY_PIM; policy <= SERVING_POLICY_XPU; policy++) {
    o.policy = (enum serving_policy)policy;
    run(&o, &r);
    assert_true(r.throughput <= 1.001 * chosen.throughput);
  }
  assert_true(r.sum.pim_dram_j < chosen.sum.pim_dram_j);
  o.policy = SERVING_POLICY_BEST;
  o.mode = SERVING_PAPER;
  assert_int_equal(serving_run(&o, &r, error, sizeof error), DUPLEX_ERROR_ARGUMENT);
  assert_non_null(strstr(error, "policy best"));
}

// Only Logic-PIM's tables are checked clocks: none of a GPU's, of units on the DRAM die, of other modes, of a
// stage whose experts are the xPU's; and never more than Logic-PIM works in the experts.
static void test_checked(void **state) {
  static const char *const without[] = {"gpu", "bank-pim", "bankgroup-pim"};
  struct serving_options o = options_of("duplex-pe-et", "mixtral", 32);
  struct serving_result r;
  (void)state;
  run(&o, &r);
  assert_true(r.sum.checked == 0);
  o.mode = SERVING_FULL;
  run(&o, &r);
  assert_true(r.sum.checked > 0.1 * r.sum.seconds && r.sum.checked < r.sum.part[SERVING_MOE]);
  assert_near(r.decoding_cost.checked + r.mixed_cost.checked, r.sum.checked, 1e-9);
  o.policy = SERVING_POLICY_PIM;
  run(&o, &r);
  assert_near(r.sum.checked, r.sum.part[SERVING_MOE], 1e-12);
  assert_near(r.sum.pim[SERVING_MOE], r.sum.checked, 1e-12);
  o.policy = SERVING_POLICY_DEFAULT;
  for (unsigned i = 0; i < 3; i++) {
    o.system = without[i];
    run(&o, &r);
    assert_true(r.sum.checked == 0 && r.sum.part[SERVING_MOE] > 0);
  }
}

// Rounded partial sums take less time and energy than exact ones: what is charged for them, and what
// decisions that count them make of it. Nothing but the experts and their charges differs.
static void check_partials(struct serving_options o) {
  struct serving_result exact, rounded;
  o.mode = SERVING_FULL;
  run(&o, &exact);
  o.f32_partials = true;
  run(&o, &rounded);
  assert_true(rounded.sum.charge[SERVING_SUMS] < 0.7 * exact.sum.charge[SERVING_SUMS]);
  assert_true(rounded.sum.dram_j[SERVING_OTHER] < exact.sum.dram_j[SERVING_OTHER]);
  // The decision weighs experts and their sums together, so only both together have to be shorter.
  assert_true(rounded.sum.part[SERVING_MOE] + rounded.sum.charge[SERVING_SUMS] <
              exact.sum.part[SERVING_MOE] + exact.sum.charge[SERVING_SUMS]);
  double less = exact.sum.part[SERVING_MOE] - rounded.sum.part[SERVING_MOE];
  for (unsigned i = 0; i < SERVING_CHARGES; i++) less += exact.sum.charge[i] - rounded.sum.charge[i];
  assert_near(exact.sum.seconds - rounded.sum.seconds, less, 1e-9);
}

// By tables of either format, which are measured here, and by formulas.
static void test_partials(void **state) {
  char model[] = P_tmpdir "/duplex_model_XXXXXX";
  (void)state;
  assert_true(make_file(model));
  write_text(model,
             "{\"layers\": 2, \"hidden\": 640, \"inner\": 448, \"heads\": 8, \"kv_heads\": 8,"
             " \"head_size\": 128, \"vocabulary\": 100, \"experts\": 8, \"top_k\": 2, \"devices\": 1}");
  struct serving_options o = options_of("duplex-pe-et", model, 32);
  o.native = true;
  o.copies = 2;
  check_partials(o);
  assert_int_equal(unlink(model), 0);
  check_partials(options_of("bankgroup-pim", "mixtral", 32));
}

struct told {
  double tokens, seconds, parts;
  unsigned requests, good;
};

static void add_stage(void *context, const struct serving_stage *stage) {
  struct told *told = context;
  told->tokens += stage->decoding + stage->prefills;
  told->seconds += stage->seconds;
  told->parts += serving_sum(stage->cost->part);
}

static void add_request(void *context, const struct serving_request *request) {
  struct told *told = context;
  assert_true(request->arrival <= request->first && request->first < request->end);
  told->requests++;
  told->good += request->good;
}

// Requests of an open loop: all come to their end, none waits below the capacity. Throughput and energy are
// of all tokens of the measured stages, also those of requests before and behind the measured ones.
static void test_open_loop(void **state) {
  static const char *const systems[] = {"gpu", "duplex-pe-et", "duplex-split"};
  (void)state;
  for (unsigned s = 0; s < 3; s++) {
    struct serving_options o = options_of(systems[s], "mixtral", 64);
    struct serving_result r;
    struct told told = {0};
    o.rate = 5;
    o.on_stage = add_stage;
    o.on_request = add_request;
    o.context = &told;
    run(&o, &r);
    assert_true(r.requests == o.measured);
    assert_int_equal(r.t2ft.count, o.measured);
    assert_int_equal(r.e2e.count, o.measured);
    assert_true(r.tokens == told.tokens && r.tokens > (double)o.measured * o.output);
    assert_near(r.throughput * r.seconds, told.tokens, 1e-12);
    assert_near(told.parts, r.sum.seconds, 1e-12);
    assert_true(r.sum.seconds <= r.seconds * (1 + 1e-12));
    assert_int_equal(r.tbt.count, o.measured * (o.output - 1));
    assert_near(r.requests / r.seconds, o.rate, 0.15);
  }
}

static void test_split_closed_loop(void **state) {
  struct serving_options o = options_of("duplex-split", "mixtral", 24);
  struct serving_result r;
  (void)state;
  run(&o, &r);
  assert_true(r.kv_most <= r.kv_capacity);
  assert_true(r.batch <= 24);
  assert_true(r.tokens <= 24.0 * o.measured + (double)r.t2ft.count);
  assert_true(r.requests > 0.8 * r.tokens / o.output && r.requests < 1.2 * r.tokens / o.output);
}

static void test_seed(void **state) {
  struct serving_options o = options_of("duplex-pe-et", "mixtral", 16);
  struct serving_result a, b, c;
  (void)state;
  run(&o, &a);
  run(&o, &b);
  assert_memory_equal(&a, &b, sizeof a);
  o.seed = 4;
  run(&o, &c);
  assert_true(a.throughput != c.throughput);
}

// Fewer requests run than are asked for where K and V of more do not fit.
static void test_capacity(void **state) {
  struct serving_options o = options_of("hetero", "mixtral", 128);
  struct serving_result r;
  char error[1024] = "";
  (void)state;
  o.input = 2048;
  o.output = 4096;
  o.warm_up = 0;
  o.measured = 5;
  run(&o, &r);
  assert_int_equal(r.batch, 101);  // the paper's Fig. 5c
  o.devices = 1;
  o.system = "gpu";
  assert_int_equal(serving_run(&o, &r, error, sizeof error), DUPLEX_ERROR_OUT_OF_SPACE);
  assert_non_null(strstr(error, "GB are left"));
}

static void note_requests(void *context, const struct serving_stage *stage) {
  *(unsigned *)context = stage->decoding + stage->prefills;
}

// The room of a request that has ended is another one's: after many of them as many run as at the begin.
static void test_room_returns(void **state) {
  unsigned last = 0;
  struct serving_options o = options_of("gpu", "mixtral", 100);
  struct serving_result r;
  (void)state;
  o.memory = 24e9;
  o.measured = 2000;
  o.on_stage = note_requests;
  o.context = &last;
  run(&o, &r);
  assert_true(r.batch > 40 && r.batch < 100 && r.requests > 10 * r.batch);
  assert_int_equal(last, r.batch);
  assert_true(r.kv_most <= r.kv_capacity && r.kv_most > 0.98 * r.kv_capacity);
}

// What is told of each stage and request adds up to the result.
static void test_told(void **state) {
  struct told told = {0};
  struct serving_options o = options_of("duplex-pe", "mixtral", 16);
  struct serving_result r;
  (void)state;
  o.limit_token = 6e-3;
  o.on_stage = add_stage;
  o.on_request = add_request;
  o.context = &told;
  run(&o, &r);
  assert_true(told.tokens == r.tokens);
  assert_near(told.seconds, r.seconds, 1e-9);
  assert_near(told.parts, r.sum.seconds, 1e-12);
  assert_int_equal(told.requests, r.e2e.count);
  assert_true(told.good == r.good);
}

static bool keeps(const struct serving_options *options, double share, double rate) {
  struct serving_options o = *options;
  struct serving_result r;
  o.rate = rate;
  run(&o, &r);
  return r.good >= share * r.requests;
}

// The rate by its definition: the first power of two that breaks the limits, from the least one on, and half
// of what is between it and the one before until that is 1 in 200.
static double rate_upwards(const struct serving_options *options, double share) {
  double low = 0;
  double high = SERVING_RATE_LEAST;
  for (; keeps(options, share, high); high *= 2) low = high;
  while (low > 0 && high > low * 1.005) {
    const double middle = (low + high) / 2;
    *(keeps(options, share, middle) ? &low : &high) = middle;
  }
  return low;
}

static void count_run(unsigned run, double rate) {
  assert_true(run >= 1 && run <= 16);
  assert_true(rate >= SERVING_RATE_LEAST && rate <= 65536);
}

// Wherever the search begins, it finds that rate, in at most 16 runs.
static void test_same_rate(void **state) {
  static const double limits[] = {0.05, 0.2, 2, 20};
  struct serving_options o = options_of("gpu", "llama3-70b", 16);
  (void)state;
  o.measured = 60;
  o.warm_up = 10;
  for (unsigned i = 0; i < sizeof limits / sizeof *limits; i++)
    for (unsigned n = 1; n <= 3; n++) {
      struct serving_result found, r;
      char error[1024] = "";
      double rate;
      o.limit_first = limits[i];
      o.output = n == 1 ? 3 : 40 * n;
      const double share = n / 3.0;
      const bool unbroken = keeps(&o, share, 65536);
      const int code = serving_find_rate(&o, share, count_run, &rate, &found, error, sizeof error);
      assert_int_equal(code, unbroken ? DUPLEX_ERROR_ARGUMENT : 0);
      if (unbroken) continue;
      assert_true(rate == rate_upwards(&o, share));
      o.rate = rate > 0 ? rate : SERVING_RATE_LEAST;
      run(&o, &r);
      assert_true(r.good == found.good && r.seconds == found.seconds && r.tokens == found.tokens);
      o.rate = 0;
    }
}

// At the rate that is found enough requests are good, and at 2% more not.
static void test_find_rate(void **state) {
  struct serving_options o = options_of("gpu", "llama3-70b", 64);
  struct serving_result r;
  char error[1024] = "";
  double rate = 0;
  (void)state;
  o.limit_first = 0.3;
  assert_int_equal(serving_find_rate(&o, 0.9, NULL, &rate, &r, error, sizeof error), 0);
  assert_true(rate > 1 && r.good >= 0.9 * r.requests);
  const uint64_t searched = r.all_stages;
  o.rate = rate * 1.02;
  run(&o, &r);
  assert_true(searched > 5 * r.all_stages);  // of all runs of the search
  assert_true(r.good < 0.9 * r.requests);
  o.rate = 0;
  o.limit_first = 1e-6;
  assert_int_equal(serving_find_rate(&o, 0.9, NULL, &rate, &r, error, sizeof error), 0);
  assert_true(rate == 0 && r.good == 0);
  o.limit_first = 1e6;
  o.measured = 20;
  assert_int_equal(serving_find_rate(&o, 0.9, NULL, &rate, &r, error, sizeof error), DUPLEX_ERROR_ARGUMENT);
  assert_non_null(strstr(error, "lower limits"));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_conservation),
                                     cmocka_unit_test(test_conservation_full),
                                     cmocka_unit_test(test_full),
                                     cmocka_unit_test(test_checked),
                                     cmocka_unit_test(test_partials),
                                     cmocka_unit_test(test_told),
                                     cmocka_unit_test(test_room_returns),
                                     cmocka_unit_test(test_find_rate),
                                     cmocka_unit_test(test_same_rate),
                                     cmocka_unit_test(test_open_loop),
                                     cmocka_unit_test(test_split_closed_loop),
                                     cmocka_unit_test(test_seed),
                                     cmocka_unit_test(test_capacity)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
