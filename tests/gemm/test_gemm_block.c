// SPDX-License-Identifier: Apache-2.0
// The fast path of a block against the plain one and against GMP, with every kernel and every tier.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
// CMocka needs the four above first.
#include <cmocka.h>
#include <fenv.h>

#include "duplex/gemm.h"
#include "tests/common/environment.h"
#include "tests/numerics/oracle.h"

#define LANES DUPLEX_LANES
#define WIDTH DUPLEX_WIDTH

static uint64_t seed, scale;

struct block {
  unsigned rows, k_tiles, lanes;
  enum duplex_tile_format format;
  uint16_t *weights, *x;
  struct duplex_sum *plain, *fast;
};

static void make_block(struct block *b, unsigned rows, unsigned k_tiles, unsigned lanes) {
  *b = (struct block){rows, k_tiles, lanes, DUPLEX_TILE_F16, NULL, NULL, NULL, NULL};
  b->weights = calloc((size_t)rows * k_tiles * WIDTH, sizeof *b->weights);
  b->x = calloc((size_t)k_tiles * WIDTH * LANES, sizeof *b->x);
  b->plain = calloc((size_t)rows * LANES, sizeof *b->plain);
  b->fast = calloc((size_t)rows * LANES, sizeof *b->fast);
  assert_true(b->weights && b->x && b->plain && b->fast);
}

static void free_block(struct block *b) {
  free(b->weights);
  free(b->x);
  free(b->plain);
  free(b->fast);
}

static uint16_t draw_x(const struct block *b, struct duplex_random *random, enum operand_class x) {
  return b->format == DUPLEX_TILE_P16 ? draw_weight(random, x) : draw_operand(random, x);
}

static void fill(struct block *b, struct duplex_random *random, enum operand_class weights,
                 enum operand_class x) {
  for (size_t i = 0; i < (size_t)b->rows * b->k_tiles * WIDTH; i++)
    b->weights[i] = draw_operand(random, weights);
  for (size_t i = 0; i < (size_t)b->k_tiles * WIDTH * LANES; i++)
    b->x[i] = i % LANES < b->lanes ? draw_x(b, random, x) : 0;
}

static void run_both(struct block *b, struct duplex_gemm_tiers *tiers) {
  struct duplex_gemm_panel *panel = duplex_gemm_panel_new(b->x, b->k_tiles, b->format);
  assert_non_null(panel);
  duplex_gemm_block_reference(b->weights, b->rows, b->k_tiles, b->x, b->format, b->plain);
  duplex_gemm_block_fast(b->weights, b->rows, b->k_tiles, panel, b->fast, tiers);
  duplex_gemm_panel_free(panel);
}

static bool same_sums(const struct block *b) {
  for (size_t i = 0; i < (size_t)b->rows * LANES; i++)
    if (b->plain[i].low != b->fast[i].low || b->plain[i].high != b->fast[i].high ||
        b->plain[i].flags != b->fast[i].flags)
      return false;
  return true;
}

static void check_against_gmp(const struct block *b, unsigned row, unsigned lane) {
  struct oracle_sum oracle;
  mpz_init(oracle.units);
  oracle_clear(&oracle);
  for (unsigned k = 0; k < b->k_tiles * WIDTH; k++) {
    const uint16_t w = b->weights[((size_t)(k / WIDTH) * b->rows + row) * WIDTH + k % WIDTH];
    const uint16_t x = b->x[(size_t)k * LANES + lane];
    b->format == DUPLEX_TILE_P16 ? oracle_add_weighted(&oracle, x, w) : oracle_add(&oracle, w, x);
  }
  assert_true(oracle_equal(&oracle, &b->plain[row * LANES + lane]));
  assert_true(oracle_equal(&oracle, &b->fast[row * LANES + lane]));
  mpz_clear(oracle.units);
}

static void random_blocks(const char *kernel) {
  struct duplex_gemm_tiers tiers = {0};
  setenv("DUPLEX_KERNEL", kernel, 1);
  for (uint64_t number = 0; number < 600 * scale; number++) {
    struct duplex_random random;
    struct block b;
    duplex_random_seed(&random, seed, number);
    make_block(&b, 1 + (unsigned)duplex_random_below(&random, 64),
               1 + (unsigned)duplex_random_below(&random, 8),
               number % 4 == 0 ? 1 : 1 + (unsigned)duplex_random_below(&random, LANES));
    if (duplex_random_below(&random, 3) == 0) b.format = DUPLEX_TILE_P16;
    const unsigned classes = number % 6 ? SPECIAL : OPERAND_CLASSES;
    const enum operand_class w = (enum operand_class)duplex_random_below(&random, classes);
    const enum operand_class x = (enum operand_class)duplex_random_below(&random, classes);
    fill(&b, &random, w, x);
    run_both(&b, &tiers);
    if (!same_sums(&b))
      fail_msg("kernel %s, case %llu of seed %llu: fast and plain sums differ", kernel,
               (unsigned long long)number, (unsigned long long)seed);
    check_against_gmp(&b, (unsigned)duplex_random_below(&random, b.rows),
                      (unsigned)duplex_random_below(&random, LANES));
    free_block(&b);
  }
  printf("%s: rows by tier: direct %llu, split %llu, wide %llu\n", kernel, (unsigned long long)tiers.direct,
         (unsigned long long)tiers.split, (unsigned long long)tiers.wide);
  assert_true(tiers.direct && tiers.wide);
}

static void test_portable_kernel(void **state) {
  (void)state;
  random_blocks("portable");
}

static void test_avx2_kernel(void **state) {
  (void)state;
  random_blocks("avx2");
}

static void test_fastest_kernel(void **state) {
  (void)state;
  random_blocks("fastest");
}

// Values whose sum over all of K needs more than 53 bits, but that of a tile does not.
static void test_split_tier(void **state) {
  (void)state;
  static const char *const kernels[] = {"portable", "avx2", "fastest"};
  for (int i = 0; i < 3; i++) {
    struct duplex_gemm_tiers tiers = {0};
    struct block b;
    setenv("DUPLEX_KERNEL", kernels[i], 1);
    make_block(&b, 3, 4, 2);
    b.x[0] = b.x[1] = 0x7bff;  // the largest in the first tile
    b.weights[0] = 0x7bff;     // row 0: large plus, in a later tile, the smallest product
    b.weights[(size_t)3 * WIDTH * 2] = 0x0001;
    b.x[(size_t)2 * WIDTH * LANES] = 0x0001;
    run_both(&b, &tiers);
    assert_true(same_sums(&b));
    for (unsigned row = 0; row < 3; row++) check_against_gmp(&b, row, 0);
    assert_int_equal(tiers.split, 1);
    assert_int_equal(tiers.direct, 2);
    free_block(&b);
  }
}

// K = 65,536 of the largest products: the sum stays inside 97 bits and no tier loses a unit.
static void test_largest_k(void **state) {
  (void)state;
  struct block b;
  struct duplex_random random;
  unsetenv("DUPLEX_KERNEL");
  duplex_random_seed(&random, seed, 7);
  make_block(&b, 2, DUPLEX_K_TILES_MAX, 8);
  fill(&b, &random, EXTREME, EXTREME);
  for (size_t i = 0; i < (size_t)DUPLEX_K_TILES_MAX * WIDTH; i++)
    b.weights[(i / WIDTH * 2 + 1) * WIDTH + i % WIDTH] = 0x7bff, b.x[i * LANES + 1] = 0xfbff;
  run_both(&b, NULL);
  assert_true(same_sums(&b));
  check_against_gmp(&b, 0, 0);
  check_against_gmp(&b, 1, 1);
  assert_true(b.plain[LANES + 1].high >= -(INT64_C(1) << 32));  // above -2^96
  free_block(&b);
}

// The caller's rounding mode and flags neither matter nor change.
static void test_floating_point_mode(void **state) {
  (void)state;
  struct block b;
  struct duplex_random random;
  unsetenv("DUPLEX_KERNEL");
  duplex_random_seed(&random, seed, 8);
  make_block(&b, 20, 5, 8);
  fill(&b, &random, MODERATE, ANY_BITS);
  fesetround(FE_UPWARD);
  feclearexcept(FE_ALL_EXCEPT);
  run_both(&b, NULL);
  assert_int_equal(fegetround(), FE_UPWARD);
  assert_int_equal(fetestexcept(FE_INEXACT), 0);
  fesetround(FE_TONEAREST);
  assert_true(same_sums(&b));
  free_block(&b);
}

// Inf and NaN weights reach lanes without a token too: 0 x Inf is NaN.
static void test_special_weights_and_empty_lanes(void **state) {
  (void)state;
  struct block b;
  unsetenv("DUPLEX_KERNEL");
  for (unsigned lanes = 0; lanes <= 2; lanes++) {
    make_block(&b, 9, 2, lanes);
    for (unsigned k = 0; k < 2 * WIDTH; k++)
      for (unsigned lane = 0; lane < lanes; lane++) b.x[k * LANES + lane] = 0x3c00;
    b.weights[5] = 0x7c00;
    b.weights[(9 + 3) * WIDTH] = 0x7e00;
    run_both(&b, NULL);
    assert_true(same_sums(&b));
    assert_int_equal(b.fast[0].flags, lanes ? DUPLEX_SUM_POS_INF : DUPLEX_SUM_NAN);
    assert_int_equal(b.fast[7].flags, DUPLEX_SUM_NAN);
    free_block(&b);
  }
}

int main(void) {
  seed = environment_seed();
  scale = environment_number("DUPLEX_CASES", 1);
  printf("seed %llu\n", (unsigned long long)seed);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_portable_kernel),
      cmocka_unit_test(test_avx2_kernel),
      cmocka_unit_test(test_fastest_kernel),
      cmocka_unit_test(test_split_tier),
      cmocka_unit_test(test_largest_k),
      cmocka_unit_test(test_floating_point_mode),
      cmocka_unit_test(test_special_weights_and_empty_lanes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
