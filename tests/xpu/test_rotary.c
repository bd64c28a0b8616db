// SPDX-License-Identifier: Apache-2.0
// Rotary frequencies of every kind, and rotations, against MPFR.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
// CMocka needs the four above first.
#include <cmocka.h>
#include <math.h>
#include <mpfr.h>

#include "duplex/random.h"
#include "tests/common/environment.h"
#include "tests/xpu/oracle_binary32.h"
#include "xpu/rotary.h"

#define PRECISION 120
#define TOLERANCE 0x1.01p-24  // of a frequency: its rounding

static uint64_t seed;

// theta^(-pair / pairs)
static void oracle_plain(mpfr_t f, double theta, unsigned pair, unsigned pairs) {
  mpfr_t base;
  mpfr_init2(base, PRECISION);
  mpfr_set_d(base, theta, MPFR_RNDN);
  mpfr_set_ui(f, pair, MPFR_RNDN);
  mpfr_div_ui(f, f, pairs, MPFR_RNDN);
  mpfr_neg(f, f, MPFR_RNDN);
  mpfr_pow(f, base, f, MPFR_RNDN);
  mpfr_clear(base);
}

// The formulas of the kinds, as checkpoints mean them, in binary64 with the C library.
static double oracle_llama3(const struct xpu_rotary_options *o, double f) {
  const double wavelength = 2 * 3.14159265358979323846 / f;
  if (wavelength > o->original_positions / o->low_frequency) return f / o->factor;
  if (wavelength < o->original_positions / o->high_frequency) return f;
  const double smooth =
      (o->original_positions / wavelength - o->low_frequency) / (o->high_frequency - o->low_frequency);
  return (1 - smooth) * f / o->factor + smooth * f;
}

static double oracle_correction(const struct xpu_rotary_options *o, double turns, unsigned dimension) {
  return dimension * log(o->original_positions / (turns * 2 * 3.14159265358979323846)) / (2 * log(o->theta));
}

static double oracle_yarn(const struct xpu_rotary_options *o, unsigned pair, unsigned pairs, double f) {
  double low = oracle_correction(o, o->beta_fast, 2 * pairs);
  double high = oracle_correction(o, o->beta_slow, 2 * pairs);
  if (o->whole_corrections) {
    low = floor(low);
    high = ceil(high);
  }
  if (low < 0) low = 0;
  if (high > 2 * pairs - 1) high = 2 * pairs - 1;
  if (low == high) high += 0.001;
  double ramp = (pair - low) / (high - low);
  ramp = ramp < 0 ? 0 : ramp > 1 ? 1 : ramp;
  return f / o->factor * ramp + f * (1 - ramp);
}

static double oracle_frequency(const struct xpu_rotary_options *o, unsigned pair, unsigned pairs) {
  mpfr_t exact;
  mpfr_init2(exact, PRECISION);
  oracle_plain(exact, o->theta, pair, pairs);
  const double f = mpfr_get_d(exact, MPFR_RNDN);
  mpfr_clear(exact);
  if (o->kind == XPU_ROTARY_LINEAR) return f / o->factor;
  if (o->kind == XPU_ROTARY_LLAMA3) return oracle_llama3(o, f);
  if (o->kind == XPU_ROTARY_YARN) return oracle_yarn(o, pair, pairs, f);
  return f;
}

static void check_frequencies(const struct xpu_rotary_options *options, unsigned dimension) {
  struct xpu_rotary rotary;
  xpu_rotary_begin(&rotary, options, dimension);
  assert_int_equal(rotary.pairs, dimension / 2);
  assert_int_equal(rotary.frequencies[0], bits_of((float)oracle_frequency(options, 0, rotary.pairs)));
  for (unsigned pair = 0; pair < rotary.pairs; pair++) {
    const double expected = oracle_frequency(options, pair, rotary.pairs);
    const double got = float_of(rotary.frequencies[pair]);
    if (!(fabs(got - expected) <= TOLERANCE * expected))
      fail_msg("kind %d, pair %u of %u: %a, expected %a", options->kind, pair, rotary.pairs, got, expected);
  }
}

static const struct xpu_rotary_options kinds[] = {
    {.kind = XPU_ROTARY_DEFAULT, .theta = 10000},
    {.kind = XPU_ROTARY_DEFAULT, .theta = 1e6},
    {.kind = XPU_ROTARY_DEFAULT, .theta = 1e7},
    {.kind = XPU_ROTARY_LINEAR, .theta = 10000, .factor = 4},
    {.kind = XPU_ROTARY_LLAMA3,
     .theta = 500000,
     .factor = 8,
     .low_frequency = 1,
     .high_frequency = 4,
     .original_positions = 8192},
    {.kind = XPU_ROTARY_LLAMA3,
     .theta = 500000,
     .factor = 32,
     .low_frequency = 1,
     .high_frequency = 4,
     .original_positions = 64},
    {.kind = XPU_ROTARY_YARN,
     .theta = 10000,
     .factor = 40,
     .original_positions = 4096,
     .beta_fast = 32,
     .beta_slow = 1,
     .whole_corrections = true},
    {.kind = XPU_ROTARY_YARN,
     .theta = 150000,
     .factor = 32,
     .original_positions = 4096,
     .beta_fast = 32,
     .beta_slow = 1},
    {.kind = XPU_ROTARY_YARN,
     .theta = 1e6,
     .factor = 4,
     .original_positions = 32,
     .beta_fast = 32,
     .beta_slow = 1,
     .whole_corrections = true,
     .attention_factor = 1.25},
};

static void test_frequencies(void **state) {
  (void)state;
  static const unsigned dimensions[] = {2, 16, 64, 96, 128, 256};
  for (unsigned k = 0; k < sizeof kinds / sizeof *kinds; k++)
    for (unsigned d = 0; d < sizeof dimensions / sizeof *dimensions; d++)
      check_frequencies(&kinds[k], dimensions[d]);
}

static void test_scale(void **state) {
  (void)state;
  struct xpu_rotary rotary;
  struct xpu_rotary_options options = kinds[6];
  xpu_rotary_begin(&rotary, &options, 64);
  assert_int_equal(rotary.scale, bits_of((float)(0.1 * log(40) + 1)));
  options.mscale = 0.707;
  options.mscale_all_dimensions = 1;
  xpu_rotary_begin(&rotary, &options, 64);
  assert_int_equal(rotary.scale, bits_of((float)((0.1 * 0.707 * log(40) + 1) / (0.1 * log(40) + 1))));
  options.attention_factor = 0.5;
  xpu_rotary_begin(&rotary, &options, 64);
  assert_int_equal(rotary.scale, bits_of(0.5F));
  xpu_rotary_begin(&rotary, &kinds[0], 64);
  assert_int_equal(rotary.scale, bits_of(1));
}

// RN32 of the sine of an angle: position * frequency is exact in 60 bits.
static uint32_t oracle_sine(size_t position, uint32_t frequency, bool cosine) {
  mpfr_t angle, result;
  mpfr_init2(angle, 60);
  mpfr_init2(result, 24);
  mpfr_set_flt(angle, float_of(frequency), MPFR_RNDN);
  mpfr_mul_ui(angle, angle, position, MPFR_RNDN);
  if (cosine)
    mpfr_cos(result, angle, MPFR_RNDN);
  else
    mpfr_sin(result, angle, MPFR_RNDN);
  const uint32_t bits = bits_of(mpfr_get_flt(result, MPFR_RNDN));
  mpfr_clears(angle, result, (mpfr_ptr)0);
  return bits;
}

static void check_turn(const struct xpu_rotary *rotary, struct duplex_random *random, size_t position) {
  uint32_t sines[XPU_ROTARY_PAIRS_MOST], cosines[XPU_ROTARY_PAIRS_MOST];
  uint32_t head[2 * XPU_ROTARY_PAIRS_MOST], before[2 * XPU_ROTARY_PAIRS_MOST];
  const unsigned pairs = rotary->pairs;
  xpu_rotary_angles(rotary, position, sines, cosines);
  for (unsigned i = 0; i < 2 * pairs; i++)
    before[i] = head[i] = bits_of((float)(duplex_random_unit(random) - 0.5));
  xpu_rotary_turn(head, pairs, sines, cosines);
  const float scale = float_of(rotary->scale);
  for (unsigned i = 0; i < pairs; i++) {
    const float s =
        oracle_apply(mpfr_mul, float_of(oracle_sine(position, rotary->frequencies[i], false)), scale);
    const float c =
        oracle_apply(mpfr_mul, float_of(oracle_sine(position, rotary->frequencies[i], true)), scale);
    assert_int_equal(sines[i], bits_of(s));
    assert_int_equal(cosines[i], bits_of(c));
    const float a = float_of(before[i]);
    const float b = float_of(before[i + pairs]);
    assert_int_equal(
        head[i], bits_of(oracle_apply(mpfr_sub, oracle_apply(mpfr_mul, a, c), oracle_apply(mpfr_mul, b, s))));
    assert_int_equal(head[i + pairs], bits_of(oracle_apply(mpfr_add, oracle_apply(mpfr_mul, b, c),
                                                           oracle_apply(mpfr_mul, a, s))));
  }
}

static void test_turns(void **state) {
  (void)state;
  struct duplex_random random;
  duplex_random_seed(&random, seed, 0);
  for (unsigned k = 0; k < sizeof kinds / sizeof *kinds; k++) {
    struct xpu_rotary rotary;
    xpu_rotary_begin(&rotary, &kinds[k], 64);
    check_turn(&rotary, &random, 0);
    check_turn(&rotary, &random, 1);
    for (int i = 0; i < 20; i++) check_turn(&rotary, &random, duplex_random_below(&random, 131072));
  }
}

int main(void) {
  seed = environment_seed();
  printf("seed %llu\n", (unsigned long long)seed);
  oracle_binary32_begin();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_frequencies),
      cmocka_unit_test(test_scale),
      cmocka_unit_test(test_turns),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
