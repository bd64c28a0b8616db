// SPDX-License-Identifier: Apache-2.0
// What a layer is predicted to take where a controller is always behind: small experts whose h is gathered.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// CMocka needs the three above first.
#include <cmocka.h>
#include <stdio.h>

#include "duplex/device.h"
#include "duplex/duplex.h"

enum { EXPERTS = 16, HIDDEN = 1024, INNER = 104, PLACES = 5 };

// Clocks of the layer, and those that are predicted, in the mean of places between two refreshes. Its first
// run makes the descriptors.
static void run(struct duplex_device *device, const struct duplex_moe *moe, double *shown, double *told) {
  static const struct duplex_moe_routing all = {.top_k = EXPERTS};
  static const duplex_f16 x[HIDDEN];
  static duplex_f16 y[HIDDEN];
  *shown = *told = 0;
  for (unsigned place = 0; place <= PLACES; place++) {
    struct duplex_moe_stats s;
    assert_int_equal(duplex_device_idle(device, place % PLACES, PLACES), 0);
    assert_int_equal(duplex_device_moe(device, moe, &all, x, 1, y), 0);
    duplex_device_last_stats(device, &s);
    assert_true(s.partials == DUPLEX_PARTIALS_GATHERED && s.logic_pim_experts > 0);
    if (place == 0) continue;
    *shown += (double)(s.sides + s.distribute + s.hand_over + s.reduce) / PLACES;
    *told += (double)s.predicted / PLACES;
  }
}

// Without what the first turn of the ring takes more, it is told 2.4% too short.
static void test_gathered(void **state) {
  static const struct duplex_riscv_options riscv = {0};
  static const struct duplex_moe_shape shape = {EXPERTS, HIDDEN, INNER};
  static const struct duplex_device_options options = {.stacks = 2,
                                                       .stack = {.backend = {.channels = 4}, .riscv = &riscv},
                                                       .partials = DUPLEX_PARTIALS_GATHERED,
                                                       .copies = 1,
                                                       .always_decide = 1,
                                                       .threads = 1};
  static const duplex_f16 zeros[EXPERTS * HIDDEN * INNER];
  static const struct duplex_moe_weights weights = {
      .router = zeros, .gate = zeros, .up = zeros, .down = zeros};
  const struct duplex_activation_table *silu = duplex_activation_builtin("silu");
  struct duplex_device *device;
  struct duplex_moe *moe;
  double shown, told;
  (void)state;
  assert_int_equal(duplex_device_open("cmodel", &options, &device, NULL, 0), 0);
  assert_int_equal(duplex_device_load_moe(device, &shape, &weights, silu, &moe), 0);
  run(device, moe, &shown, &told);
  duplex_device_close(device);
  printf("told %.0f, shown %.0f, %+.1f%%\n", told, shown, 100 * (told / shown - 1));
  assert_true(told <= 1.015 * shown && told >= 0.985 * shown);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_gathered)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
