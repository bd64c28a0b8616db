// SPDX-License-Identifier: Apache-2.0
// Mixed stages on a device with Verilated stacks: the bits, the clocks and the commands of the C model.
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
#include "tests/device/attention_case.h"

#define STAGES 3

// Runs a stage on two stacks of two channels.
static struct stage run(const struct mixed_case *c, const char *backend, struct duplex_random random) {
  const struct duplex_device_options options = {
      .stacks = 2, .stack.backend = {.channels = 2, .threads = 1}, .threads = 2};
  struct stage s = {.c = c, .device = open_device(backend, &options)};
  prepare(&s, &random);
  attend(&s);
  return s;
}

// A stage in which both sides have work.
static struct mixed_case draw_mixed(struct duplex_random *random) {
  for (;;) {
    struct mixed_case c = draw_case(random);
    if (c.batch && c.count) return c;
    free_mixed(&c);
  }
}

static void check_stage(uint64_t number) {
  struct duplex_random random;
  struct duplex_device_attention_stats of_model;
  struct duplex_device_attention_stats of_rtl;
  duplex_random_seed(&random, environment_seed(), number);
  struct mixed_case c = draw_mixed(&random);
  const size_t of_q = c.heads * c.group * c.d;
  struct stage model = run(&c, "cmodel", random);
  struct stage rtl = run(&c, "rtl", random);
  duplex_device_attention_last_stats(model.kv, &of_model);
  duplex_device_attention_last_stats(rtl.kv, &of_rtl);
  assert_memory_equal(rtl.o, model.o, c.batch * of_q * sizeof *rtl.o);
  for (size_t i = 0; i < c.count; i++)
    assert_memory_equal(rtl.prefill_o[i], model.prefill_o[i], of_q * c.prefill[i].count * sizeof *rtl.o);
  assert_memory_equal(&of_rtl, &of_model, sizeof of_rtl);
  end_stage(&model);
  end_stage(&rtl);
  free_mixed(&c);
}

static void test_stages(void **state) {
  (void)state;
  const uint64_t stages = STAGES * environment_count("DUPLEX_CASES");
  for (uint64_t i = 1; i <= stages; i++) check_stage(2000000 + i);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_stages)};
  printf("seed %llu\n", (unsigned long long)environment_seed());
  return cmocka_run_group_tests(tests, NULL, NULL);
}
