// SPDX-License-Identifier: Apache-2.0
// Layers of several forms on a device whose firmware runs on RV32 controllers: as many as the pages say find
// what is kept of them, so that a layer takes no more instructions in its first turn than in the next one.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

// clang-format off: after what it needs
#include <cmocka.h>
// clang-format on

#include "device/stage.h"
#include "tests/common/environment.h"
#include "tests/device/moe_case.h"

enum { TOKENS = 6, LAYERS_MOST = 8, TURNS = 3, WAKE_UPS = 2 * 64 };

// Loads so many layers with two copies of each expert, then runs them in turn.
static void run_in_turn(enum duplex_partials partials, unsigned layers) {
  const struct duplex_riscv_options riscv = {0};
  const struct duplex_device_options options = {.stacks = 1,
                                                .stack = {.backend = {.channels = 1}, .riscv = &riscv},
                                                .partials = partials,
                                                .threads = 1,
                                                .copies = 2,
                                                .always_decide = 1};
  struct duplex_device *device;
  struct duplex_moe *moe[LAYERS_MOST];
  struct moe_case cases[LAYERS_MOST];
  struct duplex_random random;
  uint64_t taken[LAYERS_MOST][TURNS];
  duplex_f16 y[TOKENS * 64];
  char text[256];
  if (duplex_device_open("cmodel", &options, &device, text, sizeof text)) fail_msg("%s", text);
  duplex_random_seed(&random, environment_seed(), 4100);
  for (unsigned i = 0; i < layers; i++) {
    const struct duplex_moe_shape shape = {4, 64, 64 + 32 * i};
    cases[i] = draw_gated(&random, &shape, TOKENS);
    if (duplex_device_load_moe(device, &shape, &cases[i].weights, duplex_activation_builtin("identity"),
                               &moe[i]))
      fail_msg("%s", duplex_device_last_error(device));
  }
  for (unsigned turn = 0; turn < TURNS; turn++)
    for (unsigned i = 0; i < layers; i++) {
      struct duplex_moe_stats stats;
      if (duplex_device_moe(device, moe[i], &cases[i].routing, cases[i].x, TOKENS, y))
        fail_msg("%s", duplex_device_last_error(device));
      duplex_device_last_stats(device, &stats);
      taken[i][turn] = stats.firmware_instructions;
    }
  // The activation table comes with the first job of all.
  for (unsigned i = 1; i < layers; i++)
    for (unsigned turn = 0; turn + 1 < TURNS; turn++)
      assert_in_range(taken[i][turn], 1, taken[i][TURNS - 1] + WAKE_UPS);
  duplex_device_close(device);
  for (unsigned i = 0; i < layers; i++) free_case(&cases[i]);
}

// A piece is kept of each, since the xPU alone reads its own copy: eight have room.
static void test_exact_sums(void **state) {
  (void)state;
  run_in_turn(DUPLEX_PARTIALS_ACC, 8);
}

static void test_gathered(void **state) {
  (void)state;
  run_in_turn(DUPLEX_PARTIALS_GATHERED, 4);
}

static void test_rounded_sums(void **state) {
  (void)state;
  run_in_turn(DUPLEX_PARTIALS_F32, 3);
}

// The firmware describes what a layer will need: of another format each cut would be turned once.
static void test_expected_results(void **state) {
  (void)state;
  for (unsigned rounded = 0; rounded < 2; rounded++) {
    const struct schedule_shape shape = {
        .hidden = 64, .inner = 64, .experts = 4, .stacks = 1, .channels = 1, .rounded = rounded};
    const struct duplex_layer_options sums = stage_layer(STAGE_EXPERTS, &shape, 4);
    assert_true(sums.rounded == (rounded == 1) && !sums.products);
    assert_true(stage_layer(STAGE_UP, &shape, 4).products && stage_layer(STAGE_DOWN, &shape, 4).products);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_exact_sums), cmocka_unit_test(test_gathered),
                                     cmocka_unit_test(test_rounded_sums),
                                     cmocka_unit_test(test_expected_results)};
  printf("seed %llu\n", (unsigned long long)environment_seed());
  return cmocka_run_group_tests(tests, NULL, NULL);
}
