// SPDX-License-Identifier: Apache-2.0
// Exact sums, rounding and conversions against GMP.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
// CMocka needs the four above first.
#include <cmocka.h>
#include <math.h>

#include "tests/common/environment.h"
#include "tests/numerics/oracle.h"

static uint64_t seed, scale, share;

static void check_rounding(const struct oracle_sum *oracle, const struct duplex_sum *sum, int exponent) {
  const uint32_t f16 = oracle_round(oracle, exponent, 11, 5);
  const uint32_t f32 = oracle_round(oracle, exponent, 24, 8);
  if (duplex_round_f16(sum, exponent) == f16 && duplex_round_f32(sum, exponent) == f32) return;
  gmp_fprintf(stderr, "sum %Zd, exponent %d: f16 %04x expected %04x, f32 %08x expected %08x\n", oracle->units,
              exponent, duplex_round_f16(sum, exponent), f16, duplex_round_f32(sum, exponent), f32);
  fail();
}

// Every pair of these against the oracle: the edges of each class.
static void test_products_of_special_patterns(void **state) {
  static const uint16_t patterns[] = {0x0000, 0x8000, 0x0001, 0x8001, 0x03ff, 0x83ff, 0x0400, 0x8400,
                                      0x3bff, 0x3c00, 0xbc00, 0x3c01, 0x7bff, 0xfbff, 0x7c00, 0xfc00,
                                      0x7c01, 0x7e00, 0xfe00, 0x5bab, 0x4cfd, 0x03ee, 0x3c12, 0x3bf7};
  (void)state;
  struct oracle_sum oracle;
  mpz_init(oracle.units);
  for (size_t i = 0; i < sizeof patterns / 2; i++)
    for (size_t j = 0; j < sizeof patterns / 2; j++) {
      struct duplex_sum sum = {0};
      oracle_clear(&oracle);
      oracle_add(&oracle, patterns[i], patterns[j]);
      duplex_sum_add_product(&sum, patterns[i], patterns[j]);
      assert_true(oracle_equal(&oracle, &sum));
      check_rounding(&oracle, &sum, 0);
    }
  mpz_clear(oracle.units);
}

// Operands on which other units rounded twice: a * b + c with one rounding.
static void test_known_triples(void **state) {
  static const uint16_t triples[][3] = {
      {0x5bab, 0x4cfd, 0x7701}, {0x0001, 0x3bf7, 0x0000}, {0x03ee, 0x3c12, 0x8000}, {0x03ee, 0x3c12, 0x0001}};
  (void)state;
  struct oracle_sum oracle;
  mpz_init(oracle.units);
  for (size_t i = 0; i < sizeof triples / sizeof triples[0]; i++) {
    struct duplex_sum sum = {0};
    oracle_clear(&oracle);
    oracle_add(&oracle, triples[i][0], triples[i][1]);
    oracle_add(&oracle, triples[i][2], 0x3c00);
    duplex_sum_add_product(&sum, triples[i][0], triples[i][1]);
    duplex_sum_add_product(&sum, triples[i][2], 0x3c00);
    check_rounding(&oracle, &sum, 0);
  }
  mpz_clear(oracle.units);
}

static void test_random_sums(void **state) {
  (void)state;
  struct oracle_sum oracle;
  mpz_init(oracle.units);
  for (uint64_t number = 0; number < 400000 * scale / share; number++) {
    struct duplex_random random;
    struct duplex_sum sum = {0};
    duplex_random_seed(&random, seed, number);
    oracle_clear(&oracle);
    const enum operand_class class_a =
        (enum operand_class)duplex_random_below(&random, OPERAND_CLASSES - (number % 8 != 0));
    const enum operand_class class_b =
        (enum operand_class)duplex_random_below(&random, OPERAND_CLASSES - (number % 8 != 0));
    const uint64_t terms = 1 + duplex_random_below(&random, 12);
    for (uint64_t i = 0; i < terms; i++) {
      const uint16_t a = draw_operand(&random, class_a);
      const uint16_t b = draw_operand(&random, class_b);
      oracle_add(&oracle, a, b);
      duplex_sum_add_product(&sum, a, b);
      if (number % 3 == 0 && i + 1 < terms) {  // most of it cancels again
        const uint16_t minus = a ^ 0x8000;
        const uint16_t other = (uint16_t)(b ^ (number % 2));
        oracle_add(&oracle, minus, other);
        duplex_sum_add_product(&sum, minus, other);
      }
    }
    if (!oracle_equal(&oracle, &sum))
      fail_msg("case %llu of seed %llu: the sum differs", (unsigned long long)number,
               (unsigned long long)seed);
    check_rounding(&oracle, &sum, 0);
    check_rounding(&oracle, &sum, (int)duplex_random_below(&random, 256) - 128);
  }
  mpz_clear(oracle.units);
}

// Sums of any number of bits, ties of both formats and their neighbours, at all exponents.
static void test_random_rounding(void **state) {
  (void)state;
  struct oracle_sum oracle;
  mpz_init(oracle.units);
  for (uint64_t number = 0; number < 2000000 * scale / share; number++) {
    struct duplex_random random;
    duplex_random_seed(&random, seed + 1, number);
    const unsigned bits = 1 + (unsigned)duplex_random_below(&random, 96);
    unsigned __int128 value =
        ((unsigned __int128)duplex_random_u64(&random) << 64 | duplex_random_u64(&random)) >> (128 - bits);
    const unsigned keep = number % 2 ? 11 : 24;
    if (number % 3 && bits > keep + 1) {
      const unsigned low = bits - keep;
      value =
          (value >> low << low) + ((unsigned __int128)1 << (low - 1)) + duplex_random_below(&random, 3) - 1;
    }
    const bool negative = duplex_random_below(&random, 2);
    oracle_clear(&oracle);
    mpz_set_ui(oracle.units, (unsigned long)(value >> 64));
    mpz_mul_2exp(oracle.units, oracle.units, 64);
    mpz_add_ui(oracle.units, oracle.units, (unsigned long)value);
    if (negative) {
      mpz_neg(oracle.units, oracle.units);
      value = -value;
    }
    const struct duplex_sum sum = {(uint64_t)value, (int64_t)(uint64_t)(value >> 64), 0};
    check_rounding(&oracle, &sum, number % 4 ? (int)duplex_random_below(&random, 256) - 128 : 0);
  }
  mpz_clear(oracle.units);
}

static void test_acc_bytes(void **state) {
  (void)state;
  const struct duplex_sum one = {UINT64_C(1) << 48, 0, 0};
  const struct duplex_sum minus = {UINT64_MAX, -1, DUPLEX_SUM_NEG_INF};
  uint8_t bytes[16];
  struct duplex_sum back;
  duplex_sum_pack(&one, bytes);
  assert_memory_equal(bytes, ((const uint8_t[16]){0, 0, 0, 0, 0, 0, 1}), 16);
  duplex_sum_pack(&minus, bytes);
  assert_int_equal(bytes[15], 0x9f);
  assert_int_equal(bytes[0], 0xff);
  duplex_sum_unpack(bytes, &back);
  assert_true(back.low == minus.low && back.high == minus.high && back.flags == minus.flags);
  for (uint64_t number = 0; number < 10000; number++) {
    struct duplex_random random;
    duplex_random_seed(&random, seed + 2, number);
    const struct duplex_sum sum = {duplex_random_u64(&random), (int64_t)duplex_random_u64(&random) >> 4,
                                   (uint32_t)duplex_random_below(&random, 8)};
    duplex_sum_pack(&sum, bytes);
    duplex_sum_unpack(bytes, &back);
    assert_true(back.low == sum.low && back.high == sum.high && back.flags == sum.flags);
  }
}

// All 65,536 patterns: the double is the exact value, and rounding it back gives the pattern.
static void test_conversions_of_every_f16(void **state) {
  (void)state;
  for (uint32_t bits = 0; bits < 65536; bits++) {
    const uint16_t f16 = (uint16_t)bits;
    const double value = duplex_f16_to_double(f16);
    if (bits % 32768 > 31744) {
      assert_true(isnan(value));
      assert_int_equal(duplex_f16_from_double(value), DUPLEX_F16_NAN);
      continue;
    }
    if (bits % 32768 < 31744) assert_true(value == ldexp((double)oracle_units(f16), -24));
    assert_int_equal(signbit(value) != 0, bits >> 15);
    assert_int_equal(duplex_f16_from_double(value), bits);
    assert_int_equal(duplex_f16_from_f32(duplex_f16_to_f32(f16)), bits);
  }
}

// Between every two neighbours: below the middle, the tie, above it, from double and from binary32.
static void test_rounding_to_f16_between_neighbours(void **state) {
  (void)state;
  for (uint32_t bits = 0; bits < 31744; bits++) {
    const double low = ldexp((double)oracle_units((uint16_t)bits), -24);
    const double high = bits == 31743 ? 65536.0 : ldexp((double)oracle_units((uint16_t)(bits + 1)), -24);
    const double middle = (low + high) / 2;
    const uint32_t even = bits % 2 ? bits + 1 : bits;
    for (int side = -1; side <= 1; side++) {
      const double value = side < 0 ? nextafter(middle, low) : side > 0 ? nextafter(middle, high) : middle;
      const float single = side < 0   ? nextafterf((float)middle, (float)low)
                           : side > 0 ? nextafterf((float)middle, (float)high)
                                      : (float)middle;
      const uint32_t expected = side < 0 ? bits : side > 0 ? bits + 1 : even;
      uint32_t single_bits;
      memcpy(&single_bits, &single, sizeof single);
      assert_int_equal(duplex_f16_from_double(value), expected);
      assert_int_equal(duplex_f16_from_double(-value), expected | 0x8000);
      assert_int_equal(duplex_f16_from_f32(single_bits), expected);
      assert_int_equal(duplex_f16_from_f32(single_bits | 0x80000000u), expected | 0x8000);
    }
  }
}

int main(void) {
  seed = environment_seed();
  scale = environment_count("DUPLEX_CASES");
  share = environment_count("DUPLEX_SHARE");
  printf("seed %llu\n", (unsigned long long)seed);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_products_of_special_patterns),
      cmocka_unit_test(test_known_triples),
      cmocka_unit_test(test_random_sums),
      cmocka_unit_test(test_random_rounding),
      cmocka_unit_test(test_acc_bytes),
      cmocka_unit_test(test_conversions_of_every_f16),
      cmocka_unit_test(test_rounding_to_f16_between_neighbours),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
