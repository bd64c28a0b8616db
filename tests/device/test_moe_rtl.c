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
#include "tests/device/moe_case.h"

#define LAYERS 4

static void check_layer(uint64_t number) {
  struct duplex_random random;
  duplex_random_seed(&random, environment_seed(), 1000 + number);
  struct moe_case c = draw_case(&random);
  const size_t bytes = c.tokens * c.shape.hidden * sizeof(duplex_f16);
  duplex_f16 *expected = malloc(bytes);
  duplex_f16 *y = malloc(bytes);
  assert_true(expected && y);
  oracle_moe(&c, expected);
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
  struct duplex_moe_stats rtl;
  struct duplex_moe_stats model;
  run_in_bundle(&c, "rtl", &options, bundle, y, &rtl);
  assert_memory_equal(y, expected, bytes);
  run_in_bundle(&c, "cmodel", &options, bundle, y, &model);
  assert_memory_equal(y, expected, bytes);
  assert_memory_equal(&rtl, &model, sizeof rtl);
  printf("layer %llu: partial sums %d, %llu copies, %llu clocks\n", (unsigned long long)number,
         (int)rtl.partials, (unsigned long long)rtl.copies, (unsigned long long)rtl.cycles);
  free(expected);
  free(y);
  free_case(&c);
}

static void test_rtl(void **state) {
  (void)state;
  for (uint64_t i = 1; i <= LAYERS * environment_count("DUPLEX_CASES"); i++) check_layer(i);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_rtl)};
  printf("seed %llu\n", (unsigned long long)environment_seed());
  return cmocka_run_group_tests(tests, NULL, NULL);
}
