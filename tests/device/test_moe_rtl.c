// SPDX-License-Identifier: Apache-2.0
// MoE layers on devices of Verilated stacks: the oracle's bits, and the clocks of the C model.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

// clang-format off: after what it needs
#include <cmocka.h>
// clang-format on

#include "tests/common/environment.h"
#include "tests/device/hot_case.h"
#include "tests/device/slow_xpu.h"

#define LAYERS 4

// The layer on the RTL and on the C model; returns what both tell of it.
static struct duplex_moe_stats run_on_both(const struct moe_case *c,
                                           const struct duplex_device_options *options, unsigned bundle,
                                           uint64_t number) {
  const size_t bytes = c->tokens * c->shape.hidden * sizeof(duplex_f16);
  duplex_f16 *expected = malloc(bytes);
  duplex_f16 *y = malloc(bytes);
  assert_true(expected && y);
  oracle_moe(c, expected);
  struct duplex_moe_stats rtl;
  struct duplex_moe_stats model;
  run_in_bundle(c, "rtl", options, bundle, y, &rtl);
  assert_memory_equal(y, expected, bytes);
  run_in_bundle(c, "cmodel", options, bundle, y, &model);
  assert_memory_equal(y, expected, bytes);
  assert_memory_equal(&rtl, &model, sizeof rtl);
  printf("layer %llu: partial sums %d, %llu copies, %llu clocks\n", (unsigned long long)number,
         (int)rtl.partials, (unsigned long long)rtl.copies, (unsigned long long)rtl.cycles);
  free(expected);
  free(y);
  return rtl;
}

static void check_layer(uint64_t number) {
  struct duplex_random random;
  duplex_random_seed(&random, environment_seed(), 1000 + number);
  struct moe_case c = draw_case(&random);
  const struct duplex_device_options options = {
      .stacks = 1 + (unsigned)duplex_random_below(&random, 3),
      .stack = {.backend = {.channels = 2}},
      .policy = number % 4 ? DUPLEX_POLICY_BEST : DUPLEX_POLICY_PAPER,
      .partials = number % 2 ? DUPLEX_PARTIALS_ACC : DUPLEX_PARTIALS_GATHERED,
      .threads = 2,
      .copies = number % 4 ? 1 + (number % 4 < 3) : 0,
      .always_decide = number % 5 > 0};
  const unsigned of_rank = (unsigned)(number / 4 % 2);
  const unsigned bundle = number % 2 ? 3 - of_rank : of_rank;  // of the xPU's copy
  run_on_both(&c, &options, bundle, number);
  free_case(&c);
}

// A hot expert is divided by its tokens.
static void test_rtl_hot(void **state) {
  struct duplex_random random;
  struct slow_xpu xpu;
  (void)state;
  duplex_random_seed(&random, environment_seed(), 1000);
  struct moe_case c = draw_hot_case(&random, (struct duplex_moe_shape){2, 64, 700}, 46);
  assert_int_equal(slow_open(&xpu, 2, 12), 0);
  const struct duplex_device_options options = {.stacks = 1,
                                                .stack = {.backend = {.channels = 2}},
                                                .threads = 2,
                                                .copies = 2,
                                                .always_decide = 1,
                                                .xpu = &xpu.xpu};
  const struct duplex_moe_stats stats = run_on_both(&c, &options, MOE_XPU_BUNDLE, 0);
  assert_true(hot_tokens(&c, &stats) > 0);
  xpu.builtin->ops->close(xpu.builtin);
  free_case(&c);
}

static void test_rtl(void **state) {
  (void)state;
  for (uint64_t i = 1; i <= LAYERS * environment_count("DUPLEX_CASES"); i++) check_layer(i);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_rtl_hot), cmocka_unit_test(test_rtl)};
  printf("seed %llu\n", (unsigned long long)environment_seed());
  return cmocka_run_group_tests(tests, NULL, NULL);
}
