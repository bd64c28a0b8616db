// SPDX-License-Identifier: Apache-2.0
// Activation unit (C model) against MPFR: at most 1 ulp of binary16 for every built-in function; special
// values; users' tables.
//
// For each function: all 65,536 binary16 arguments, without a gate and with several factors, and random (g,
// u) of the GEMM's range: DUPLEX_CASES times 400,000 per function (default 1). DUPLEX_SEED repeats a run; a
// failure prints g and u. The error is counted in distances of neighbours at the real result, 2^-24 below
// 2^-14; Inf counts as 65,536 and is right for every real result of 65,520 or more.
#include <math.h>
#include <mpfr.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// clang-format off: after what it needs
#include <cmocka.h>
// clang-format on

#include "duplex/activation.h"
#include "duplex/random.h"
#include "tests/common/environment.h"
#include "tests/numerics/f32_bits.h"

#define PRECISION 90
#define LENGTH(array) (sizeof(array) / sizeof *(array))
#define ACT_ERROR_LIMIT 8.6316745750310983e-05  // 2^-13.5
#define ACT_SMALLEST 0x1p-73

// --- the real functions of a finite g ---

static mpfr_t act, product, scratch;

static void real_silu(mpfr_t result, float g) {
  mpfr_set_flt(scratch, -g, MPFR_RNDN);
  mpfr_exp(scratch, scratch, MPFR_RNDN);
  mpfr_add_ui(scratch, scratch, 1, MPFR_RNDN);
  mpfr_set_flt(result, g, MPFR_RNDN);
  mpfr_div(result, result, scratch, MPFR_RNDN);
}

static void real_gelu(mpfr_t result, float g) {
  mpfr_sqrt_ui(scratch, 2, MPFR_RNDN);
  mpfr_set_flt(result, -g, MPFR_RNDN);
  mpfr_div(scratch, result, scratch, MPFR_RNDN);
  mpfr_erfc(scratch, scratch, MPFR_RNDN);
  mpfr_set_flt(result, g, MPFR_RNDN);
  mpfr_mul(result, result, scratch, MPFR_RNDN);
  mpfr_div_2ui(result, result, 1, MPFR_RNDN);
}

// sqrt(2/pi) * (g + 0.044715 g^3)
static void tanh_argument(mpfr_t result, float g) {
  mpfr_t cube;
  mpfr_init2(cube, mpfr_get_prec(result));
  mpfr_set_flt(cube, g, MPFR_RNDN);
  mpfr_pow_ui(cube, cube, 3, MPFR_RNDN);
  mpfr_mul_ui(cube, cube, 44715, MPFR_RNDN);
  mpfr_div_ui(cube, cube, 1000000, MPFR_RNDN);
  mpfr_add_d(cube, cube, (double)g, MPFR_RNDN);
  mpfr_const_pi(result, MPFR_RNDN);
  mpfr_ui_div(result, 2, result, MPFR_RNDN);
  mpfr_sqrt(result, result, MPFR_RNDN);
  mpfr_mul(result, result, cube, MPFR_RNDN);
  mpfr_clear(cube);
}

// g/2 (1 + tanh x) as g / (1 + exp(-2x)), which does not cancel; test_tanh_form compares the two.
static void real_gelu_tanh(mpfr_t result, float g) {
  tanh_argument(scratch, g);
  mpfr_mul_si(scratch, scratch, -2, MPFR_RNDN);
  mpfr_exp(scratch, scratch, MPFR_RNDN);
  mpfr_add_ui(scratch, scratch, 1, MPFR_RNDN);
  mpfr_set_flt(result, g, MPFR_RNDN);
  mpfr_div(result, result, scratch, MPFR_RNDN);
}

static void real_relu(mpfr_t result, float g) { mpfr_set_flt(result, g > 0 ? g : 0.0f, MPFR_RNDN); }
static void real_identity(mpfr_t result, float g) { mpfr_set_flt(result, g, MPFR_RNDN); }

static void real_tanh(mpfr_t result, float g) {
  mpfr_set_flt(result, g, MPFR_RNDN);
  mpfr_tanh(result, result, MPFR_RNDN);
}

static void real_sigmoid(mpfr_t result, float g) {
  mpfr_set_flt(scratch, -g, MPFR_RNDN);
  mpfr_exp(scratch, scratch, MPFR_RNDN);
  mpfr_add_ui(scratch, scratch, 1, MPFR_RNDN);
  mpfr_ui_div(result, 1, scratch, MPFR_RNDN);
}

struct function {
  const char *name;
  void (*real)(mpfr_t, float);
  double steep;  // below this the table's range begins or the function has died out: random g go down to it
  bool exact;    // must be RN16(act(g) * u) on every bit
};

static const struct function functions[] = {{"silu", real_silu, -60, false},
                                            {"gelu", real_gelu, -12, false},
                                            {"gelu_tanh", real_gelu_tanh, -12, false},
                                            {"relu", real_relu, -12, true},
                                            {"identity", real_identity, -12, true}};

// --- comparison ---

struct worst {
  double ulp, act_error;
  uint32_t g, u, act_g;
  uint64_t compared;
};

// Distance of h from `real` in ulp; a wrong sign, a NaN, or a finite number far off counts as what it is.
static double ulp_error(double real, uint16_t h) {
  if ((h & 0x7fff) > 0x7c00) return INFINITY;
  if (real != 0 && (real < 0) != (h >> 15)) return INFINITY;
  const double magnitude = fabs(real);
  const double result = (h & 0x7fff) == 0x7c00 ? 65536.0 : fabs(duplex_f16_to_double(h));
  if (result == 65536.0 && magnitude >= 65520.0) return 0;
  int exponent = -14;
  if (magnitude >= 0x1p-14) exponent = ilogb(magnitude);
  if (exponent > 15) exponent = 15;
  return ldexp(fabs(result - magnitude), 10 - exponent);
}

// RN16 of an mpfr number by MPFR's own rounding, as bits.
static uint16_t correctly_rounded(const mpfr_t real) {
  mpfr_t rounded;
  mpfr_init2(rounded, 11);
  const mpfr_exp_t emin = mpfr_get_emin();
  const mpfr_exp_t emax = mpfr_get_emax();
  mpfr_set_emin(-23);
  mpfr_set_emax(16);
  const int ternary = mpfr_check_range(rounded, mpfr_set(rounded, real, MPFR_RNDN), MPFR_RNDN);
  mpfr_subnormalize(rounded, ternary, MPFR_RNDN);
  mpfr_set_emin(emin);
  mpfr_set_emax(emax);
  const uint16_t sign = mpfr_signbit(rounded) ? 0x8000 : 0;
  uint16_t bits = 0x7c00;
  if (!mpfr_inf_p(rounded)) {
    int exponent;
    const double fraction = frexp(fabs(mpfr_get_d(rounded, MPFR_RNDN)), &exponent);
    if (exponent < -13)
      bits = (uint16_t)ldexp(fraction, exponent + 24);
    else
      bits = (uint16_t)((exponent + 14) * 1024 + ldexp(fraction, 11) - 1024);
    if (fraction == 0) bits = 0;
  }
  mpfr_clear(rounded);
  return bits | sign;
}

// Compares one (g, u); `act` holds the real act(g).
static void compare(const struct function *function, const struct duplex_activation_table *table, float g,
                    float u, bool gated, struct worst *worst) {
  const uint32_t g_bits = gated ? bits_of(g) : 0x7fc00000;
  const uint32_t u_bits = gated ? bits_of(u) : bits_of(g);
  const uint16_t h = duplex_activation(table, g_bits, u_bits, gated);
  mpfr_mul_d(product, act, gated ? (double)u : 1.0, MPFR_RNDN);
  const double real = mpfr_get_d(product, MPFR_RNDN);
  const double error = ulp_error(real, h);
  if (error > worst->ulp) {
    worst->ulp = error;
    worst->g = bits_of(g);
    worst->u = gated ? bits_of(u) : bits_of(1);
  }
  worst->compared++;
  if (error > 1)
    fail_msg("%s: g %08x (%g) u %08x (%g): h %04x, real %g: %g ulp", function->name, bits_of(g), (double)g,
             bits_of(u), (double)u, h, real, error);
  if (function->exact && real != 0 && h != correctly_rounded(product))
    fail_msg("%s: g %08x u %08x: h %04x, correctly rounded %04x", function->name, bits_of(g), bits_of(u), h,
             correctly_rounded(product));
}

// Relative error of the unit's act(g) before the factor.
static void compare_act(const struct function *function, const struct duplex_activation_table *table, float g,
                        struct worst *worst) {
  const double real = mpfr_get_d(act, MPFR_RNDN);
  if (fabs(real) < ACT_SMALLEST) return;
  struct duplex_activation_stages stages;
  duplex_activation_classify(bits_of(g), bits_of(1), true, &stages);
  duplex_activation_segment(table, &stages);
  duplex_activation_polynomial(&stages);
  duplex_activation_multiply(table, &stages);
  const double unit =
      ldexp(stages.act_negative ? -(double)stages.act : (double)stages.act, stages.act_exponent);
  const double error = fabs(unit / real - 1);
  if (error > worst->act_error) {
    worst->act_error = error;
    worst->act_g = bits_of(g);
  }
  if (!(error < ACT_ERROR_LIMIT))
    fail_msg("%s: act(%g): relative error 2^%.2f", function->name, (double)g, log2(error));
}

static void report(const struct function *function, const char *what, const struct worst *worst) {
  char act_text[64] = "exact";
  if (worst->act_error > 0)
    snprintf(act_text, sizeof act_text, "relative 2^%.2f at g %08x", log2(worst->act_error), worst->act_g);
  printf("%-9s %-8s %8llu compared, worst %.4f ulp at g %08x u %08x; act: %s\n", function->name, what,
         (unsigned long long)worst->compared, worst->ulp, worst->g, worst->u, act_text);
}

static void sweep(const struct function *function, const struct duplex_activation_table *table) {
  static const float factors[] = {
      1.0f, -1.0f, 0.75f, 3.1415927f, -1234.5677f, 0.001953124f, 0x1.fffffep47f, -0x1.234566p-40f, 5e-41f};
  struct worst worst = {0};
  for (uint32_t i = 0; i < 65536; i++) {
    if ((i & 0x7c00) == 0x7c00) continue;  // Inf and NaN: test_special_values
    const float g = (float)duplex_f16_to_double((duplex_f16)i);
    function->real(act, g);
    compare_act(function, table, g, &worst);
    compare(function, table, g, 1, false, &worst);
    for (unsigned k = 0; k < LENGTH(factors); k++) compare(function, table, g, factors[k], true, &worst);
  }
  report(function, "binary16", &worst);
}

// --- random operands of the GEMM's range: |.| < 2^48 ---

static float random_exponent(struct duplex_random *random, int from, int to) {
  const uint32_t bits = (uint32_t)duplex_random_u64(random) & 0x807fffff;
  return float_of(bits | (uint32_t)(from + (int)duplex_random_below(random, (uint64_t)(to - from + 1)) + 127)
                             << 23);
}

static float random_g(struct duplex_random *random, const struct function *function) {
  switch (duplex_random_below(random, 4)) {
    case 0:
      return (float)duplex_random_normal(random);
    case 1:
      return random_exponent(random, -30, 47);
    default:
      return (float)(function->steep + (24 - function->steep) * duplex_random_unit(random));
  }
}

// Half of the factors bring the result between 2^-27 and 2^17, if one below 2^48 can.
static float random_u(struct duplex_random *random) {
  if (duplex_random_below(random, 2) && mpfr_regular_p(act)) {
    long exponent = (long)duplex_random_below(random, 44) - 27 - (mpfr_get_exp(act) - 1);
    if (exponent > 47) exponent = 47;
    if (exponent < -126) exponent = -126;
    return random_exponent(random, (int)exponent, (int)exponent);
  }
  return duplex_random_below(random, 2) ? (float)(4 * duplex_random_normal(random))
                                        : random_exponent(random, -60, 47);
}

static void random_pairs(const struct function *function) {
  const struct duplex_activation_table *table = duplex_activation_builtin(function->name);
  // A share of them is enough where only the tools that watch the program look at it (DUPLEX_SHARE=20: one in
  // 20).
  const uint64_t pairs = environment_count("DUPLEX_CASES") * 400000 / environment_count("DUPLEX_SHARE");
  struct worst worst = {0};
  struct duplex_random random;
  duplex_random_seed(&random, environment_seed(), (uint64_t)(function - functions));
  for (uint64_t i = 0; i < pairs; i++) {
    const float g = random_g(&random, function);
    function->real(act, g);
    compare_act(function, table, g, &worst);
    compare(function, table, g, random_u(&random), true, &worst);
  }
  report(function, "random", &worst);
}

static void test_function(void **state) {
  const struct function *function = *state;
  sweep(function, duplex_activation_builtin(function->name));
  random_pairs(function);
}

// The form of gelu_tanh that the oracle uses is the one of its definition.
static void test_tanh_form(void **state) {
  (void)state;
  mpfr_t direct;
  mpfr_init2(direct, 500);
  for (int i = -400; i <= 400; i++) {
    const float g = (float)i / 32;
    real_gelu_tanh(act, g);
    tanh_argument(direct, g);
    mpfr_tanh(direct, direct, MPFR_RNDN);
    mpfr_add_ui(direct, direct, 1, MPFR_RNDN);
    mpfr_mul_d(direct, direct, g / 2.0, MPFR_RNDN);
    mpfr_sub(scratch, act, direct, MPFR_RNDN);
    if (i != 0) mpfr_div(scratch, scratch, direct, MPFR_RNDN);
    assert_true(fabs(mpfr_get_d(scratch, MPFR_RNDN)) < 0x1p-75);
  }
  mpfr_clear(direct);
}

// --- special values ---

#define INF 0x7f800000u
#define MINUS_INF 0xff800000u
#define NAN_F32 0x7fc00000u
#define ZERO 0x00000000u
#define MINUS_ZERO 0x80000000u
#define ONE 0x3f800000u
#define MINUS_ONE 0xbf800000u
#define MINUS_3E38 0xff61b1e6u
#define SMALLEST 0x00000001u
#define MINUS_SMALLEST 0x80000001u

static void test_special_values(void **state) {
  (void)state;
  static const char *const smooth[] = {"silu", "gelu", "gelu_tanh"};
  static const struct {
    uint32_t g, u;
    uint16_t smooth, relu, identity;  // smooth: silu and the gelus
  } cases[] = {
      {NAN_F32, ONE, 0x7e00, 0x7e00, 0x7e00},
      {ONE, NAN_F32, 0x7e00, 0x7e00, 0x7e00},
      {0xffffffff, ONE, 0x7e00, 0x7e00, 0x7e00},
      {0x7f800001, ZERO, 0x7e00, 0x7e00, 0x7e00},
      {INF, ONE, 0x7c00, 0x7c00, 0x7c00},
      {INF, MINUS_ONE, 0xfc00, 0xfc00, 0xfc00},
      {INF, ZERO, 0x7e00, 0x7e00, 0x7e00},
      {INF, INF, 0x7c00, 0x7c00, 0x7c00},
      {MINUS_INF, ONE, 0x8000, 0x0000, 0xfc00},
      {MINUS_INF, MINUS_ONE, 0x0000, 0x8000, 0x7c00},
      {MINUS_INF, ZERO, 0x8000, 0x0000, 0x7e00},
      {MINUS_INF, INF, 0x7e00, 0x7e00, 0xfc00},
      {ZERO, ONE, 0x0000, 0x0000, 0x0000},
      {MINUS_ZERO, ONE, 0x8000, 0x8000, 0x8000},
      {MINUS_ZERO, MINUS_ONE, 0x0000, 0x0000, 0x0000},
      {ZERO, INF, 0x7e00, 0x7e00, 0x7e00},
      {MINUS_ONE, INF, 0xfc00, 0x7e00, 0xfc00},
      {MINUS_3E38, INF, 0xfc00, 0x7e00, 0xfc00},
      {MINUS_3E38, ONE, 0x8000, 0x0000, 0xfc00},
      {MINUS_3E38, 0x7f7fffff, 0x8000, 0x0000, 0xfc00},
      {MINUS_3E38, 0xff7fffff, 0x0000, 0x8000, 0x7c00},
      {0x7f7fffff, 0x7f7fffff, 0x7c00, 0x7c00, 0x7c00},
      {SMALLEST, ONE, 0x0000, 0x0000, 0x0000},
      {MINUS_SMALLEST, ONE, 0x8000, 0x0000, 0x8000},
      {SMALLEST, INF, 0x7c00, 0x7c00, 0x7c00},
      {MINUS_SMALLEST, INF, 0xfc00, 0x7e00, 0xfc00},
      {ONE, ZERO, 0x0000, 0x0000, 0x0000},
      {MINUS_ONE, ZERO, 0x8000, 0x0000, 0x8000},
  };
  for (unsigned i = 0; i < LENGTH(cases); i++) {
    for (unsigned k = 0; k < LENGTH(smooth); k++)
      assert_int_equal(duplex_activation(duplex_activation_builtin(smooth[k]), cases[i].g, cases[i].u, true),
                       cases[i].smooth);
    assert_int_equal(duplex_activation(duplex_activation_builtin("relu"), cases[i].g, cases[i].u, true),
                     cases[i].relu);
    assert_int_equal(duplex_activation(duplex_activation_builtin("identity"), cases[i].g, cases[i].u, true),
                     cases[i].identity);
  }
  // Without a gate g is not looked at.
  const struct duplex_activation_table *silu = duplex_activation_builtin("silu");
  assert_int_equal(duplex_activation(silu, NAN_F32, MINUS_INF, false), 0x8000);
  assert_int_equal(duplex_activation(silu, NAN_F32, INF, false), 0x7c00);
  assert_int_equal(duplex_activation(silu, ONE, NAN_F32, false), 0x7e00);
  assert_null(duplex_activation_builtin("swish"));
  assert_null(duplex_activation_builtin(""));
}

// --- users' tables, made from the page of the format ---

static void put(uint8_t *file, unsigned entry, uint64_t bits) {
  for (unsigned i = 0; i < 8; i++) file[32 + 8 * entry + i] = (uint8_t)(bits >> (8 * i));
}

static uint64_t segment_bits(long c0, long c1, long c2, long c3, long e, bool ratio) {
  return ((uint64_t)c0 & 0x3ffff) | ((uint64_t)c1 & 0x7fff) << 18 | ((uint64_t)c2 & 0xfff) << 33 |
         ((uint64_t)c3 & 0x1ff) << 45 | ((uint64_t)e & 0x1ff) << 54 | (uint64_t)ratio << 63;
}

// The cubic through the function at four Chebyshev nodes of the segment that begins at `low`.
static uint64_t fit(const struct function *function, double low, double width, bool ratio) {
  double x[4], y[4];
  for (int i = 0; i < 4; i++) {
    x[i] = cos((2 * i + 1) * acos(-1.0) / 8) / 2;
    const float g = (float)(low + width * (x[i] + 0.5));
    x[i] = ((double)g - low) / width - 0.5;
    function->real(act, g);
    y[i] = mpfr_get_d(act, MPFR_RNDN) / (ratio ? (double)g : 1.0);
  }
  for (int k = 1; k < 4; k++) {
    for (int i = 3; i >= k; i--) y[i] = (y[i] - y[i - 1]) / (x[i] - x[i - k]);
  }
  double c[4] = {y[3], 0, 0, 0};
  for (int k = 2; k >= 0; k--) {
    for (int i = 3; i > 0; i--) c[i] = c[i - 1] - x[k] * c[i];
    c[0] = y[k] - x[k] * c[0];
  }
  long e = ilogb(c[0]) + 32 - 16;
  if (lround(ldexp(c[0], 32 - (int)e)) == 131072) e++;  // beyond the field by rounding
  const double unit = ldexp(1, (int)e - 32);
  return segment_bits(lround(c[0] / unit), lround(c[1] / unit / 4), lround(c[2] / unit / 16),
                      lround(c[3] / unit / 64), e, ratio);
}

static void begin_file(uint8_t *file, unsigned shift, int first, unsigned at_minus_inf,
                       unsigned at_plus_inf) {
  memset(file, 0, DUPLEX_ACTIVATION_FILE_BYTES);
  memcpy(file, "DUPLEXAT\1\0\0\0\0\2\0\0", 16);
  put(file, 0, ((uint64_t)first & 0xfff) | shift << 12 | at_minus_inf << 16 | at_plus_inf << 19);
}

static void make_tanh(uint8_t *file) {
  static const struct function function = {"tanh", real_tanh, -9, false};
  begin_file(file, 5, -256, 0, 0);
  put(file, 1, segment_bits(-65536, 0, 0, 0, 16, false));
  put(file, 2, segment_bits(65536, 0, 0, 0, 16, false));
  for (int k = 0; k < 512; k++) put(file, 4 + (unsigned)k, fit(&function, (k - 256) / 32.0, 1 / 32.0, true));
}

static void make_sigmoid(uint8_t *file) {
  static const struct function function = {"sigmoid", real_sigmoid, -40, false};
  begin_file(file, 2, -256, 1, 0);
  put(file, 1, segment_bits(1, 0, 0, 0, -256, false));
  put(file, 2, segment_bits(65536, 0, 0, 0, 16, false));
  for (int k = 0; k < 512; k++) put(file, 4 + (unsigned)k, fit(&function, (k - 256) / 4.0, 1 / 4.0, false));
}

static struct duplex_activation_table *loaded(const uint8_t *file) {
  const char *error = "not set";
  struct duplex_activation_table *table = duplex_activation_load(file, DUPLEX_ACTIVATION_FILE_BYTES, &error);
  if (!table) fail_msg("%s", error);
  assert_null(error);
  return table;
}

static void test_user_tables(void **state) {
  (void)state;
  static const struct function tanh_function = {"tanh", real_tanh, -9, false};
  static const struct function sigmoid_function = {"sigmoid", real_sigmoid, -40, false};
  uint8_t file[DUPLEX_ACTIVATION_FILE_BYTES];
  make_tanh(file);
  struct duplex_activation_table *table = loaded(file);
  sweep(&tanh_function, table);
  assert_int_equal(duplex_activation(table, INF, ONE, true), 0x3c00);
  assert_int_equal(duplex_activation(table, MINUS_INF, ONE, true), 0xbc00);
  assert_int_equal(duplex_activation(table, MINUS_ZERO, ONE, true), 0x8000);
  duplex_activation_free(table);
  make_sigmoid(file);
  table = loaded(file);
  sweep(&sigmoid_function, table);
  assert_int_equal(duplex_activation(table, INF, ONE, true), 0x3c00);
  assert_int_equal(duplex_activation(table, MINUS_INF, ONE, true), 0x0000);
  assert_int_equal(duplex_activation(table, MINUS_INF, INF, true), 0x7e00);
  assert_int_equal(duplex_activation(table, bits_of(-1e30f), INF, true), 0x7c00);
  assert_int_equal(duplex_activation(table, MINUS_ZERO, ONE, true), 0x3800);
  duplex_activation_free(table);
}

static void test_files(void **state) {
  (void)state;
  uint8_t good[DUPLEX_ACTIVATION_FILE_BYTES + 1], bad[DUPLEX_ACTIVATION_FILE_BYTES + 1];
  make_sigmoid(good);
  assert_int_equal(DUPLEX_ACTIVATION_FILE_BYTES, 4160);
  // What is changed, and a word of the message that names it.
  static const struct {
    size_t at;
    uint8_t value;
    const char *word;
  } faults[] = {{0, 'd', "begin"},      {8, 2, "version"},      {13, 4, "512"},
                {20, 1, "file header"}, {31, 1, "file header"}, {34, 0x40 | 0x01, "header word"},
                {39, 1, "header word"}, {56, 1, "header word"}, {34, 4, "-Inf"},
                {34, 7, "-Inf"},        {34, 0x21, "+Inf"},     {42, 4, "tail"},
                {53, 0x20, "tail"},     {45, 1, "tail"}};
  for (unsigned i = 0; i < LENGTH(faults); i++) {
    memcpy(bad, good, sizeof bad);
    bad[faults[i].at] = faults[i].value;
    const char *error = NULL;
    assert_null(duplex_activation_load(bad, DUPLEX_ACTIVATION_FILE_BYTES, &error));
    assert_non_null(error);
    if (!strstr(error, faults[i].word)) fail_msg("fault %u: %s", i, error);
  }
  for (size_t size = 0; size < DUPLEX_ACTIVATION_FILE_BYTES; size += 5)
    assert_non_null(duplex_activation_check(good, size));
  assert_non_null(duplex_activation_check(good, DUPLEX_ACTIVATION_FILE_BYTES + 1));
  // A tail that is multiplied by g has no value at Inf.
  memcpy(bad, good, sizeof bad);
  bad[32 + 16 + 7] |= 0x80;
  assert_non_null(strstr(duplex_activation_check(bad, DUPLEX_ACTIVATION_FILE_BYTES), "+Inf"));
}

// A built-in table written as a file, and word by word as the hardware takes it, is the same table.
static void test_images(void **state) {
  (void)state;
  for (unsigned i = 0; i < LENGTH(functions); i++) {
    const struct duplex_activation_table *builtin = duplex_activation_builtin(functions[i].name);
    uint8_t file[DUPLEX_ACTIVATION_FILE_BYTES];
    begin_file(file, 0, 0, 0, 0);
    duplex_activation_image(builtin, file + 32);
    struct duplex_activation_table *table = loaded(file);
    assert_memory_equal(table, builtin, sizeof *table);
    duplex_activation_free(table);
    struct duplex_activation_table words = {{0}};
    uint8_t garbage[32];
    memset(garbage, 0xa5, sizeof garbage);
    for (unsigned word = 0; word < 129; word++) duplex_activation_write(&words, word, file + 32 + 32 * word);
    for (unsigned word = 129; word < 256; word++) duplex_activation_write(&words, word, garbage);
    assert_memory_equal(&words, builtin, sizeof words);
  }
}

int main(void) {
  mpfr_inits2(PRECISION, act, product, scratch, (mpfr_ptr)0);
  printf("seed %llu\n", (unsigned long long)environment_seed());
  const struct CMUnitTest tests[] = {
      {"silu", test_function, NULL, NULL, (void *)&functions[0]},
      {"gelu", test_function, NULL, NULL, (void *)&functions[1]},
      {"gelu_tanh", test_function, NULL, NULL, (void *)&functions[2]},
      {"relu", test_function, NULL, NULL, (void *)&functions[3]},
      {"identity", test_function, NULL, NULL, (void *)&functions[4]},
      cmocka_unit_test(test_tanh_form),
      cmocka_unit_test(test_special_values),
      cmocka_unit_test(test_user_tables),
      cmocka_unit_test(test_files),
      cmocka_unit_test(test_images),
  };
  const int failed = cmocka_run_group_tests_name("activation", tests, NULL, NULL);
  mpfr_clears(act, product, scratch, (mpfr_ptr)0);
  mpfr_free_cache();
  return failed;
}
