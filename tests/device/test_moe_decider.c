// SPDX-License-Identifier: Apache-2.0
// Who decides a layer where the firmware runs on an RV32 controller: the firmware under `best`, which gets
// the table of times for it; the host under every other policy, whose cuts come with the jobs.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

// clang-format off: after what it needs
#include <cmocka.h>
// clang-format on

#include "driver/stack.h"
#include "tests/common/environment.h"
#include "tests/device/moe_case.h"

enum { STACKS = 2, TOKENS = 6 };

static const struct duplex_moe_shape shape = {4, 64, 32};

// Runs the layer, and tells whether the stacks were given a table of times, without which no firmware
// decides: all of them or none.
static bool firmware_decides(const struct moe_case *c, enum duplex_policy policy, duplex_f16 *y) {
  const struct duplex_riscv_options riscv = {0};
  const bool best = policy == DUPLEX_POLICY_BEST;
  const struct duplex_device_options options = {
      .stacks = STACKS,
      .stack = {.backend = {.channels = 1}, .riscv = &riscv},
      .policy = policy,
      .threads = 1,
      .copies = best ? 2 : 0,  // with one copy of so small experts there is nothing to decide
      .always_decide = best};
  struct duplex_device *device;
  struct duplex_moe *moe;
  unsigned given = 0;
  char text[256];
  if (duplex_device_open("cmodel", &options, &device, text, sizeof text)) fail_msg("%s", text);
  if (duplex_device_load_moe(device, &c->shape, &c->weights, duplex_activation_builtin("identity"), &moe) ||
      duplex_device_moe(device, moe, &c->routing, c->x, c->tokens, y))
    fail_msg("%s", duplex_device_last_error(device));
  for (unsigned i = 0; i < STACKS; i++) given += duplex_device_stack(device, i)->times != NULL;
  duplex_device_close(device);
  assert_true(given == 0 || given == STACKS);
  return given > 0;
}

static void test_decider(void **state) {
  struct duplex_random random;
  duplex_f16 expected[TOKENS * 64];
  (void)state;
  duplex_random_seed(&random, environment_seed(), 4000);
  struct moe_case c = draw_gated(&random, &shape, TOKENS);
  oracle_moe(&c, expected);
  for (enum duplex_policy policy = DUPLEX_POLICY_BEST; policy <= DUPLEX_POLICY_XPU; policy++) {
    duplex_f16 y[TOKENS * 64] = {0};
    const bool decides = firmware_decides(&c, policy, y);
    if (decides != (policy == DUPLEX_POLICY_BEST))
      fail_msg("policy %d: the firmware %s", (int)policy, decides ? "decides" : "does not decide");
    assert_memory_equal(y, expected, sizeof y);
  }
  free_case(&c);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_decider)};
  printf("seed %llu\n", (unsigned long long)environment_seed());
  return cmocka_run_group_tests(tests, NULL, NULL);
}
