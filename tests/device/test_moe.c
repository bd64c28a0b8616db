// SPDX-License-Identifier: Apache-2.0
// Random MoE layers on a device against exact sums and MPFR: every policy, 1 to 8 stacks, both firmwares.
//
// A layer runs on several devices, and all of them have to give the oracle's bits. DUPLEX_SEED repeats a run,
// DUPLEX_CASES multiplies the layers, DUPLEX_ONLY=n runs layer n alone.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

// clang-format off: after what it needs
#include <cmocka.h>
// clang-format on

#include "duplex/random.h"
#include "tests/common/environment.h"
#include "tests/device/moe_oracle.h"

#define LAYERS 24
#define DEVICES 5  // that run each layer

// Moderate values, and now and then any bits: infinities and NaN too.
static duplex_f16 *draw(struct duplex_random *random, size_t count, double deviation, bool any) {
  duplex_f16 *made = malloc(count * sizeof *made);
  assert_non_null(made);
  for (size_t i = 0; i < count; i++)
    made[i] = any && duplex_random_below(random, 500) == 0
                  ? draw_operand(random, ANY_BITS)
                  : duplex_f16_from_double(deviation * duplex_random_normal(random));
  return made;
}

// Mostly small, now and then beside a multiple of 64.
static size_t draw_size(struct duplex_random *random, size_t most) {
  if (duplex_random_below(random, 3) == 0) {
    const size_t size =
        64 * (1 + duplex_random_below(random, most / 64)) + duplex_random_below(random, 3) - 1;
    return size > most ? most : size;
  }
  return 1 + duplex_random_below(random, most);
}

static struct moe_case draw_case(struct duplex_random *random) {
  struct moe_case c = {0};
  const bool any = duplex_random_below(random, 4) == 0;
  c.shape.experts = 1 + duplex_random_below(random, 9);
  c.shape.hidden = draw_size(random, 192);
  c.shape.inner = draw_size(random, 192);
  c.tokens = 1 + duplex_random_below(random, 20);
  c.relu = duplex_random_below(random, 2);
  c.routing = (struct duplex_moe_routing){1 + (unsigned)duplex_random_below(random, c.shape.experts),
                                          (enum duplex_score)duplex_random_below(random, 2),
                                          duplex_random_below(random, 2)};
  const size_t matrix = c.shape.experts * c.shape.inner * c.shape.hidden;
  c.weights.router = draw(random, c.shape.experts * c.shape.hidden, 0.3, any);
  c.weights.gate = duplex_random_below(random, 3) ? draw(random, matrix, 0.2, any) : NULL;
  c.weights.up = draw(random, matrix, 0.2, any);
  c.weights.down = draw(random, matrix, 0.2, any);
  c.x = draw(random, c.tokens * c.shape.hidden, 1, any);
  return c;
}

static void free_case(struct moe_case *c) {
  free((void *)c->weights.router);
  free((void *)c->weights.gate);
  free((void *)c->weights.up);
  free((void *)c->weights.down);
  free((void *)c->x);
}

static struct duplex_device_options draw_device(struct duplex_random *random,
                                                struct duplex_riscv_options *riscv) {
  struct duplex_device_options options = {
      .stacks = 1 + (unsigned)duplex_random_below(random, DUPLEX_STACKS_MOST),
      .stack = {.backend = {.channels = 1 + (unsigned)duplex_random_below(random, 5)}},
      .policy = (enum duplex_policy)duplex_random_below(random, 4),
      .threads = 1 + (unsigned)duplex_random_below(random, 3)};
  options.stack.strict = duplex_random_below(random, 2);
  if (duplex_random_below(random, 4) == 0) options.stack.riscv = riscv;
  return options;
}

// Runs the layer on one device; y has room for one value more, which has to stay.
static void run_layer(const struct moe_case *c, const char *backend,
                      const struct duplex_device_options *options, duplex_f16 *y) {
  struct duplex_device *device;
  struct duplex_moe *moe;
  char text[256];
  if (duplex_device_open(backend, options, &device, text, sizeof text)) fail_msg("%s", text);
  const struct duplex_activation_table *table = duplex_activation_builtin(c->relu ? "relu" : "identity");
  if (duplex_device_load_moe(device, &c->shape, &c->weights, table, &moe) ||
      duplex_device_moe(device, moe, &c->routing, c->x, c->tokens, y))
    fail_msg("%s", duplex_device_last_error(device));
  duplex_device_close(device);
}

static void check_layer(uint64_t number) {
  struct duplex_random random;
  struct duplex_riscv_options riscv = {0};
  duplex_random_seed(&random, environment_seed(), number);
  struct moe_case c = draw_case(&random);
  const size_t count = c.tokens * c.shape.hidden;
  duplex_f16 *expected = malloc(count * sizeof *expected);
  duplex_f16 *y = malloc((count + 1) * sizeof *y);
  assert_true(expected && y);
  oracle_moe(&c, expected);
  for (unsigned i = 0; i < DEVICES; i++) {
    const struct duplex_device_options options = draw_device(&random, &riscv);
    memset(y, 0xc3, (count + 1) * sizeof *y);
    run_layer(&c, "cmodel", &options, y);
    for (size_t k = 0; k < count; k++)
      if (y[k] != expected[k])
        fail_msg(
            "DUPLEX_SEED=%llu DUPLEX_ONLY=%llu, device %u (%u stacks of %u channels, policy %d): y[%zu] "
            "is %04x, expected %04x",
            (unsigned long long)environment_seed(), (unsigned long long)number, i, options.stacks,
            options.stack.backend.channels, options.policy, k, y[k], expected[k]);
    assert_int_equal(y[count], 0xc3c3);
  }
  free(expected);
  free(y);
  free_case(&c);
}

static void test_random_layers(void **state) {
  (void)state;
  const uint64_t only = environment_number("DUPLEX_ONLY", 0);
  const uint64_t layers = LAYERS * environment_count("DUPLEX_CASES");
  for (uint64_t i = only ? only : 1; i <= (only ? only : layers); i++) check_layer(i);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_layers)};
  printf("seed %llu\n", (unsigned long long)environment_seed());
  return cmocka_run_group_tests(tests, NULL, NULL);
}
