// SPDX-License-Identifier: Apache-2.0
// The way of a layer that is predicted to take least for expected layers takes little more than the best one
// for others: by formulas, so that no table is measured.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// CMocka needs the three above first.
#include <cmocka.h>
#include <stdio.h>

#include "device/layer.h"

enum { WAYS = 6, OTHERS = 100, FIRST_OTHER = 1000, TOKENS_MOST = 256 };

// Experts, hidden and inner columns of five stacks, and how many of them a token has.
static const struct {
  struct duplex_moe_shape shape;
  unsigned top_k;
} layers[] = {{{8, 4096, 14336}, 2}, {{64, 4096, 16384}, 2}, {{8, 6144, 32768}, 2},
              {{16, 2048, 768}, 2},  {{128, 2048, 768}, 8},  {{32, 7168, 2048}, 8},
              {{8, 7168, 2048}, 2},  {{8, 1024, 3584}, 2},   {{32, 1024, 512}, 4}};

// Predicted clocks of each way: of expected layers; of one that is spread evenly; the mean of others. Ways
// that cannot be had have none.
struct predicted {
  double expected[WAYS], even[WAYS], others[WAYS];
};

static void predict(struct duplex_device *device, const struct duplex_moe_shape *shape,
                    struct predicted *predicted) {
  const uint32_t pairs = (uint32_t)device->options.expected_pairs;
  const uint32_t experts = (uint32_t)shape->experts;
  const struct duplex_moe_form form = {.shape = *shape, .gated = true};
  for (unsigned i = 0; i < WAYS; i++) {
    const struct moe_way way = {i % 2 ? DUPLEX_PARTIALS_GATHERED : DUPLEX_PARTIALS_ACC, i / 2 == 1 ? 2 : 1,
                                i / 2 == 2};
    uint16_t counts[DUPLEX_EXPERTS_MOST];
    struct duplex_moe *moe = moe_new(device, &form);
    assert_non_null(moe);
    assert_int_equal(moe_lay_out(moe, &form, way), 0);
    assert_int_equal(moe_use_formulas(moe), 0);
    predicted->expected[i] = (double)moe_predict_expected(moe);
    schedule_spread(experts, pairs, counts);
    predicted->even[i] = (double)moe_predict(moe, counts);
    predicted->others[i] = 0;
    for (unsigned other = 0; other < OTHERS; other++) {
      schedule_expect(experts, pairs, FIRST_OTHER + other, counts);
      predicted->others[i] += (double)moe_predict(moe, counts) / OTHERS;
    }
    moe_free(moe);
  }
}

static unsigned least(const double clocks[WAYS]) {
  unsigned best = 0;
  for (unsigned i = 1; i < WAYS; i++)
    if (clocks[i] < clocks[best]) best = i;
  return best;
}

// What is lost in other layers by the way that is best for these: in the mean, and at most.
struct lost {
  double mean, most;
};

static void add_lost(const double of[WAYS], const double others[WAYS], struct lost *lost) {
  const double now = others[least(of)] / others[least(others)] - 1;
  lost->mean += now;
  if (now > lost->most) lost->most = now;
}

static void test_choose(void **state) {
  const struct duplex_device_options options = {.stacks = 5, .stack = {.backend = {.channels = 32}}};
  struct duplex_device *device;
  struct lost expected = {0, 0};
  struct lost even = {0, 0};
  unsigned cases = 0;
  (void)state;
  assert_int_equal(duplex_device_open("cmodel", &options, &device, NULL, 0), 0);
  for (unsigned i = 0; i < sizeof layers / sizeof *layers; i++)
    for (unsigned tokens = 1; tokens <= TOKENS_MOST; tokens *= 2, cases++) {
      struct predicted predicted;
      device->options.expected_pairs = tokens * layers[i].top_k;
      predict(device, &layers[i].shape, &predicted);
      add_lost(predicted.expected, predicted.others, &expected);
      add_lost(predicted.even, predicted.others, &even);
    }
  duplex_device_close(device);
  printf(
      "%u layers: the chosen way takes %.2f%% longer than the best one in the mean, %.1f%% at most; one "
      "that is chosen by an even layer %.2f%%, %.1f%%\n",
      cases, 100 * expected.mean / cases, 100 * expected.most, 100 * even.mean / cases, 100 * even.most);
  assert_true(expected.mean / cases < 0.0005 && expected.most < 0.01);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_choose)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
