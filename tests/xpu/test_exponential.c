// SPDX-License-Identifier: Apache-2.0
// The correctly rounded exponential of binary32 numbers against MPFR.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
// CMocka needs the four above first.
#include <cmocka.h>
#include <fenv.h>

#include "duplex/random.h"
#include "tests/common/environment.h"
#include "tests/xpu/oracle_binary32.h"
#include "xpu/exponential.h"

static uint64_t seed, scale;

static void check(uint32_t x) {
  const uint32_t expected = oracle_exponential(x);
  if (xpu_exponential(x) != expected)
    fail_msg("e^0x%08x is 0x%08x, expected 0x%08x", x, xpu_exponential(x), expected);
}

static void test_special(void **state) {
  (void)state;
  assert_int_equal(xpu_exponential(0x00000000), 0x3f800000);
  assert_int_equal(xpu_exponential(0x80000000), 0x3f800000);
  assert_int_equal(xpu_exponential(0x7f800000), 0x7f800000);
  assert_int_equal(xpu_exponential(0xff800000), 0x00000000);
  static const uint32_t not_numbers[] = {0x7f800001, 0x7fc00000, 0x7fffffff, 0xff800001, 0xffc12345};
  for (unsigned i = 0; i < 5; i++) assert_int_equal(xpu_exponential(not_numbers[i]), 0x7fc00000);
  // Where e^x becomes infinite, subnormal and zero; where it leaves 1; and what the function's steps compare.
  static const uint32_t edges[] = {0x42b17218, 0xc2aeac50, 0xc2cff1b5, 0x33800000, 0xb3000000, 0x32800000,
                                   0xb2800000, 0x42b20000, 0xc2d00000, 0x3f317218, 0xbf317218, 0x00800000,
                                   0x80800000, 0x00000001, 0x80000001, 0x7f7fffff, 0xff7fffff};
  for (unsigned i = 0; i < sizeof edges / sizeof *edges; i++)
    for (uint32_t x = edges[i] - 200; x != edges[i] + 200; x++) check(x);
}

// The arguments whose exponentials are nearest to a tie of binary32 (exponential_all lists them).
static void test_hard(void **state) {
  (void)state;
  static const uint32_t hard[] = {0x343fffff, 0x34dffffd, 0x356ffff9, 0x35f7fff1, 0x367bffe1,
                                  0x36fdffc1, 0x377eff81, 0x383a3ef1, 0x38e69cc1, 0x39c6be5b,
                                  0x39e5bb1d, 0x3d1a274e, 0x4001b249, 0x40315b33, 0x4288942b};
  for (unsigned i = 0; i < sizeof hard / sizeof *hard; i++) check(hard[i]);
}

// Multiples of ln 2 and what is next to them.
static void test_multiples(void **state) {
  (void)state;
  for (int k = -150; k <= 128; k++) {
    const uint32_t near = bits_of((float)(k * 0.69314718055994530942));
    for (uint32_t x = near - 20; x != near + 20; x++) check(x);
  }
}

static void test_random(void **state) {
  (void)state;
  struct duplex_random random;
  duplex_random_seed(&random, seed, 0);
  const uint64_t count = 1000000 * scale / environment_count("DUPLEX_SHARE");
  for (uint64_t i = 0; i < count; i++) {
    const uint32_t sign_and_fraction = (uint32_t)duplex_random_u64(&random) & 0x807fffffu;
    check(sign_and_fraction | (uint32_t)(100 + duplex_random_below(&random, 34)) << 23);
  }
}

// The host's direction of rounding and its flags neither matter nor change.
static void test_environment(void **state) {
  (void)state;
  static const int directions[] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
  for (uint32_t x = 0x3f000000; x < 0x42b00000; x += 99991) {
    const uint32_t expected = oracle_exponential(x);
    for (int i = 0; i < 3; i++) {
      fesetround(directions[i]);
      feclearexcept(FE_ALL_EXCEPT);
      const uint32_t result = xpu_exponential(x);
      assert_int_equal(fetestexcept(FE_ALL_EXCEPT), 0);
      fesetround(FE_TONEAREST);
      assert_int_equal(result, expected);
    }
  }
}

int main(void) {
  seed = environment_seed();
  scale = environment_count("DUPLEX_CASES");
  printf("test_exponential: seed %lu, cases x%lu\n", (unsigned long)seed, (unsigned long)scale);
  oracle_binary32_begin();
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_special), cmocka_unit_test(test_hard),
                                     cmocka_unit_test(test_multiples), cmocka_unit_test(test_random),
                                     cmocka_unit_test(test_environment)};
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  mpfr_free_cache();
  return failed;
}
