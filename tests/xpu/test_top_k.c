// SPDX-License-Identifier: Apache-2.0
// The k largest of a row against a plain sort: ties, NaN, zeros of both signs.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
// CMocka needs the four above first.
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include "duplex/random.h"
#include "tests/common/environment.h"
#include "tests/numerics/f32_bits.h"
#include "xpu/top_k.h"

#define MOST 300

static uint64_t seed, scale;

struct element {
  float value;
  uint32_t index;
};

// Higher ranks first.
static int by_rank(const void *a, const void *b) {
  const struct element *x = a;
  const struct element *y = b;
  if (isnan(x->value) != isnan(y->value)) return isnan(x->value) ? 1 : -1;
  if (x->value > y->value) return -1;
  if (x->value < y->value) return 1;
  return x->index < y->index ? -1 : 1;
}

static int by_index(const void *a, const void *b) {
  const struct element *x = a;
  const struct element *y = b;
  return x->index < y->index ? -1 : 1;
}

static void check(const uint32_t *numbers, unsigned count, unsigned k) {
  struct element sorted[MOST];
  uint32_t chosen[MOST + 1];
  for (unsigned i = 0; i < count; i++) sorted[i] = (struct element){float_of(numbers[i]), i};
  qsort(sorted, count, sizeof *sorted, by_rank);
  qsort(sorted, k, sizeof *sorted, by_index);
  chosen[k] = 0xa5a5a5a5;
  xpu_top_k(numbers, count, k, chosen);
  for (unsigned i = 0; i < k; i++) assert_int_equal(chosen[i], sorted[i].index);
  assert_int_equal(chosen[k], 0xa5a5a5a5);
}

static void test_examples(void **state) {
  (void)state;
  const uint32_t nan = 0x7fc00000;
  const uint32_t other_nan = 0xffc00001;
  const uint32_t minus_zero = 0x80000000;
  const uint32_t least = 0xff800000;
  uint32_t chosen[4];
  xpu_top_k((uint32_t[]){minus_zero, 0, minus_zero, 0}, 4, 2, chosen);
  assert_int_equal(chosen[0], 0);
  assert_int_equal(chosen[1], 1);
  xpu_top_k((uint32_t[]){nan, other_nan, least, nan}, 4, 2, chosen);
  assert_int_equal(chosen[0], 0);
  assert_int_equal(chosen[1], 2);
  xpu_top_k((uint32_t[]){0x3f800000, 0x7f800000, 0x3f800001, 0xbf800000}, 4, 3, chosen);
  assert_int_equal(chosen[0], 0);
  assert_int_equal(chosen[1], 1);
  assert_int_equal(chosen[2], 2);
}

static uint32_t draw(struct duplex_random *random, unsigned kind) {
  static const uint32_t few[] = {0,          0x80000000, 0x7fc00000, 0xffc00000, 0x7f800000, 0xff800000,
                                 0x3f800000, 0xbf800000, 0x00000001, 0x80000001, 0x7f7fffff, 0xff7fffff};
  if (kind == 0) return few[duplex_random_below(random, 12)];
  if (kind == 1) return (uint32_t)duplex_random_u64(random);
  return bits_of((float)((int)duplex_random_below(random, 20) - 10));
}

static void test_random(void **state) {
  (void)state;
  for (uint64_t i = 0; i < 3000 * scale; i++) {
    struct duplex_random random;
    duplex_random_seed(&random, seed, i);
    uint32_t numbers[MOST];
    const unsigned count = 1 + (unsigned)duplex_random_below(&random, i % 2 ? 8 : MOST);
    for (unsigned j = 0; j < count; j++) numbers[j] = draw(&random, i % 3);
    check(numbers, count, (unsigned)duplex_random_below(&random, count + 1));
    check(numbers, count, count);
  }
}

int main(void) {
  seed = environment_seed();
  scale = environment_count("DUPLEX_CASES");
  printf("test_top_k: seed %lu, cases x%lu\n", (unsigned long)seed, (unsigned long)scale);
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_examples), cmocka_unit_test(test_random)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
