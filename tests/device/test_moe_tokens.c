// SPDX-License-Identifier: Apache-2.0
// Layers whose hot expert is divided by its tokens: the oracle's bits under every policy, with both
// firmwares, of partial sums and of h gathered.
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

// The layer on a device: every token has the bits of `expected`. Returns how many tokens of expert 0
// Logic-PIM had.
static size_t run_on(const struct moe_case *c, const struct duplex_device_options *options,
                     const duplex_f16 *expected) {
  const size_t bytes = c->tokens * c->shape.hidden * sizeof *expected;
  struct duplex_moe_stats stats;
  duplex_f16 *y = malloc(bytes);
  assert_non_null(y);
  run_layer(c, "cmodel", options, y, &stats);
  if (memcmp(y, expected, bytes) != 0)
    fail_msg("DUPLEX_SEED=%llu, %zu tokens, policy %d, partial sums %d, %s: other bits than the oracle's",
             (unsigned long long)environment_seed(), c->tokens, options->policy, options->partials,
             options->stack.riscv ? "riscv" : "native");
  const size_t tokens = hot_tokens(c, &stats);
  printf("policy %d, partial sums %d, %llu copies, %s: %zu of %u tokens are Logic-PIM's, %llu clocks\n",
         options->policy, options->partials, (unsigned long long)stats.copies,
         options->stack.riscv ? "riscv" : "native", tokens, stats.tokens[0],
         (unsigned long long)stats.cycles);
  free(y);
  return tokens;
}

// The oracle's bits of all tokens, or of one in `each`: then the xPU alone gives the others, the same bits.
static duplex_f16 *expect(const struct moe_case *c, struct duplex_device_options options, size_t each) {
  const size_t hidden = c->shape.hidden;
  duplex_f16 *expected = malloc(c->tokens * hidden * sizeof *expected);
  duplex_f16 *y = malloc(hidden * sizeof *y);
  struct duplex_moe_stats stats;
  assert_true(expected && y);
  options.policy = DUPLEX_POLICY_XPU;
  options.copies = 0;
  run_layer(c, "cmodel", &options, expected, &stats);
  for (size_t i = 0; i < c->tokens; i += each) {
    oracle_token(c, c->x + i * hidden, y);
    assert_memory_equal(y, expected + i * hidden, hidden * sizeof *y);
  }
  free(y);
  return expected;
}

// An expert of more than 300 tokens, under every policy, with both firmwares.
static void test_hot_expert(void **state) {
  struct duplex_random random;
  const struct duplex_riscv_options riscv = {0};
  (void)state;
  duplex_random_seed(&random, environment_seed(), 1);
  struct moe_case c = draw_hot_case(&random, (struct duplex_moe_shape){2, 64, 3000}, 380);
  struct duplex_device_options options = {
      .stacks = 1, .stack = {.backend = {.channels = 1}}, .threads = 2, .always_decide = 1};
  duplex_f16 *expected = expect(&c, options, 7 * environment_count("DUPLEX_SHARE"));
  for (unsigned policy = 0; policy < 4; policy++) {
    options.policy = (enum duplex_policy)policy;
    const bool best = options.policy == DUPLEX_POLICY_BEST;
    options.copies = best ? 2 : 0;
    const size_t native = run_on(&c, &options, expected);
    assert_true(!best || (native > 0 && native % 8 == 0));
    if (!best) continue;
    options.stack.riscv = &riscv;
    const size_t on_controller = run_on(&c, &options, expected);
    assert_true(on_controller > 0 && on_controller % 8 == 0);
    options.stack.riscv = NULL;
  }
  free(expected);
  free_case(&c);
}

// Small layers on several stacks beside a slow xPU, as partial sums and with h gathered, with both firmwares.
static void test_several_stacks(void **state) {
  static const struct duplex_moe_shape shapes[] = {{2, 128, 1400}, {3, 200, 1100}};
  const struct duplex_riscv_options riscv = {0};
  (void)state;
  for (unsigned i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    struct duplex_random random;
    struct slow_xpu xpu;
    duplex_random_seed(&random, environment_seed(), 2 + i);
    struct moe_case c = draw_hot_case(&random, shapes[i], 60 + duplex_random_below(&random, 20));
    struct duplex_device_options options = {.stacks = 2 + i,
                                            .stack = {.backend = {.channels = 2}},
                                            .threads = 2,
                                            .always_decide = 1,
                                            .xpu = &xpu.xpu};
    assert_int_equal(slow_open(&xpu, options.stacks * 2, 12), 0);
    duplex_f16 *expected = expect(&c, options, 3 * environment_count("DUPLEX_SHARE"));
    options.copies = 2;
    for (unsigned way = 0; way < 4; way++) {
      options.partials = way < 2 ? DUPLEX_PARTIALS_ACC : DUPLEX_PARTIALS_GATHERED;
      options.stack.riscv = way % 2 ? &riscv : NULL;
      assert_true(run_on(&c, &options, expected) > 0);
    }
    xpu.builtin->ops->close(xpu.builtin);
    free(expected);
    free_case(&c);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_hot_expert),
                                     cmocka_unit_test(test_several_stacks)};
  printf("seed %llu\n", (unsigned long long)environment_seed());
  return cmocka_run_group_tests(tests, NULL, NULL);
}
