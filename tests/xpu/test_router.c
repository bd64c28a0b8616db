// SPDX-License-Identifier: Apache-2.0
// The router against GMP (logits), MPFR (every operation of the scores) and a plain choice.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
// CMocka needs the four above first.
#include <cmocka.h>
#include <fenv.h>

#include "duplex/error.h"
#include "tests/common/environment.h"
#include "tests/numerics/oracle.h"
#include "tests/xpu/oracle_binary32.h"
#include "xpu/router.h"

#define EXPERTS_MOST 70
#define COLUMNS_MOST 40

static uint64_t seed, scale;

static float power(float x) { return float_of(oracle_exponential(bits_of(x))); }

static bool is_chosen(const bool *chosen, unsigned expert) { return !chosen || chosen[expert]; }

// Softmax over the experts of `taken` (NULL: all).
static void oracle_softmax(const float *logits, unsigned experts, const bool *taken, float *weights) {
  float most = -INFINITY;
  float sum = 0;
  for (unsigned e = 0; e < experts; e++)
    if (is_chosen(taken, e) && logits[e] > most) most = logits[e];
  for (unsigned e = 0; e < experts; e++) {
    weights[e] = power(oracle_apply(mpfr_sub, logits[e], most));
    if (is_chosen(taken, e)) sum = oracle_apply(mpfr_add, sum, weights[e]);
  }
  for (unsigned e = 0; e < experts; e++) weights[e] = oracle_apply(mpfr_div, weights[e], sum);
}

static void oracle_weights(enum xpu_score score, bool renormalise, const float *logits, unsigned experts,
                           const bool *chosen, float *weights) {
  if (score == XPU_SCORE_SIGMOID) {
    for (unsigned e = 0; e < experts; e++)
      weights[e] = oracle_apply(mpfr_div, 1, oracle_apply(mpfr_add, 1, power(-logits[e])));
  } else {
    oracle_softmax(logits, experts, score == XPU_SCORE_SOFTMAX ? NULL : chosen, weights);
  }
  float sum = 0;
  for (unsigned e = 0; e < experts; e++)
    if (chosen[e]) sum = oracle_apply(mpfr_add, sum, weights[e]);
  for (unsigned e = 0; renormalise && e < experts; e++) weights[e] = oracle_apply(mpfr_div, weights[e], sum);
}

// Expert `e` is chosen if fewer than k others rank above it.
static void oracle_choose(const float *logits, unsigned experts, unsigned k, bool *chosen) {
  for (unsigned e = 0; e < experts; e++) {
    unsigned above = 0;
    for (unsigned other = 0; other < experts; other++) {
      const bool both_nan = isnan(logits[e]) && isnan(logits[other]);
      const bool equal = both_nan || logits[other] == logits[e];
      const bool larger = logits[other] > logits[e] || (isnan(logits[e]) && !isnan(logits[other]));
      above += larger || (equal && other < e);
    }
    chosen[e] = above < k;
  }
}

// The same where scores with a bias choose, in the groups with the largest sums of their two best.
static void oracle_choose_grouped(const struct xpu_choice *choice, const float *scores, unsigned experts,
                                  unsigned k, bool *chosen) {
  float values[EXPERTS_MOST], inside[EXPERTS_MOST], ranks[EXPERTS_MOST];
  bool taken[EXPERTS_MOST], best[EXPERTS_MOST];
  const unsigned size = experts / choice->groups;
  unsigned count = 0;
  for (unsigned e = 0; e < experts; e++)
    values[e] = choice->bias ? oracle_apply(mpfr_add, scores[e], float_of(choice->bias[e])) : scores[e];
  for (unsigned g = 0; g < choice->groups && choice->groups > 1; g++) {
    float pair[2];
    unsigned place = 0;
    oracle_choose(values + g * size, size, 2, best);
    for (unsigned i = 0; i < size; i++)
      if (best[i]) pair[place++] = values[g * size + i];
    ranks[g] = oracle_apply(mpfr_add, pair[0], pair[1]);
  }
  ranks[0] = choice->groups > 1 ? ranks[0] : 0;
  oracle_choose(ranks, choice->groups, choice->groups_taken, taken);
  for (unsigned e = 0; e < experts; e++)
    if (taken[e / size]) inside[count++] = values[e];
  oracle_choose(inside, count, k, best);
  count = 0;
  for (unsigned e = 0; e < experts; e++) chosen[e] = taken[e / size] && best[count++];
}

// Weights of such a choice from the scores, in place.
static void oracle_scale(const struct xpu_router *router, const bool *chosen, float *weights) {
  float sum = 0;
  for (unsigned e = 0; e < router->experts; e++)
    if (chosen[e]) sum = oracle_apply(mpfr_add, sum, weights[e]);
  sum = oracle_apply(mpfr_add, sum, 1e-20F);
  for (unsigned e = 0; e < router->experts; e++) {
    if (router->renormalise) weights[e] = oracle_apply(mpfr_div, weights[e], sum);
    weights[e] = oracle_apply(mpfr_mul, weights[e], float_of(router->choice->scale));
  }
}

static float oracle_logit(const uint16_t *x, const uint16_t *r, unsigned columns, int exponent) {
  struct oracle_sum sum;
  mpz_init(sum.units);
  oracle_clear(&sum);
  for (unsigned i = 0; i < columns; i++) oracle_add(&sum, x[i], r[i]);
  const float logit = float_of(oracle_round(&sum, exponent, 24, 8));
  mpz_clear(sum.units);
  return logit;
}

static void check_token(const struct xpu_router *router, const uint16_t *r, size_t token,
                        const uint32_t *chosen, const uint32_t *weights) {
  float logits[EXPERTS_MOST], expected[EXPERTS_MOST];
  bool taken[EXPERTS_MOST] = {false};
  for (unsigned e = 0; e < router->experts; e++)
    logits[e] = oracle_logit(router->x + token * router->x_stride, r + e * router->columns, router->columns,
                             router->exponents ? router->exponents[e] : 0) +
                (router->bias ? float_of(router->bias[e]) : 0);
  if (router->choice) {
    oracle_weights(router->score, false, logits, router->experts, taken, expected);
    oracle_choose_grouped(router->choice, expected, router->experts, router->top_k, taken);
    oracle_scale(router, taken, expected);
  } else {
    oracle_choose(logits, router->experts, router->top_k, taken);
    oracle_weights(router->score, router->renormalise, logits, router->experts, taken, expected);
  }
  unsigned place = 0;
  for (unsigned e = 0; e < router->experts; e++) {
    if (!taken[e]) continue;
    assert_int_equal(chosen[place], e);
    assert_int_equal(weights[place], isnan(expected[e]) ? 0x7fc00000u : bits_of(expected[e]));
    place++;
  }
  assert_int_equal(place, router->top_k);
}

static duplex_f32 biases[EXPERTS_MOST], score_biases[EXPERTS_MOST];
static struct xpu_choice drawn_choice;

// Groups of one size, of which there are one to all; every second bias is that of the expert before.
static void draw_choice(struct duplex_random *random, struct xpu_router *router) {
  const unsigned size = 2 + (unsigned)duplex_random_below(random, 4);
  const unsigned groups = 1 + (unsigned)duplex_random_below(random, EXPERTS_MOST / size);
  router->experts = groups * size;
  drawn_choice = (struct xpu_choice){.groups = groups,
                                     .groups_taken = 1 + (unsigned)duplex_random_below(random, groups),
                                     .scale = bits_of((float)duplex_random_normal(random))};
  for (unsigned e = 0; e < router->experts; e++)
    score_biases[e] = e % 2 && duplex_random_below(random, 2)
                          ? score_biases[e - 1]
                          : bits_of(0.3F * (float)duplex_random_normal(random));
  drawn_choice.bias = duplex_random_below(random, 4) ? score_biases : NULL;
  router->score = XPU_SCORE_SIGMOID;
  router->choice = &drawn_choice;
  router->top_k = 1 + (unsigned)duplex_random_below(random, drawn_choice.groups_taken * size);
}

static const struct xpu_router *draw_router(struct duplex_random *random, struct xpu_router *router,
                                            struct xpu_dense *dense, uint16_t *x, uint16_t *r,
                                            int8_t *exponents) {
  static const enum operand_class classes[] = {MODERATE, MODERATE, SUBNORMAL, EXTREME,
                                               ZEROS,    SPECIAL,  ANY_BITS};
  router->columns = 1 + (unsigned)duplex_random_below(random, COLUMNS_MOST);
  router->experts =
      1 + (unsigned)duplex_random_below(random, duplex_random_below(random, 2) ? 4 : EXPERTS_MOST);
  router->tokens = 1 + (unsigned)duplex_random_below(random, 9);
  router->top_k = 1 + (unsigned)duplex_random_below(random, router->experts);
  router->score = (enum xpu_score)duplex_random_below(random, XPU_SCORES);
  router->renormalise = duplex_random_below(random, 2);
  router->threads = (unsigned)duplex_random_below(random, 3);
  router->choice = NULL;
  if (duplex_random_below(random, 3) == 0) draw_choice(random, router);
  for (unsigned e = 0; e < router->experts; e++) biases[e] = bits_of((float)duplex_random_normal(random));
  router->bias = duplex_random_below(random, 2) ? biases : NULL;
  router->x = x;
  router->x_stride = router->columns + 1;
  const enum operand_class class_x = classes[duplex_random_below(random, 7)];
  const enum operand_class class_r = classes[duplex_random_below(random, 7)];
  const uint64_t every = duplex_random_below(random, 2) ? 2 : 1000000;  // rows like the one before: ties
  for (size_t i = 0; i < router->tokens * router->x_stride; i++) x[i] = draw_operand(random, class_x);
  for (unsigned e = 0; e < router->experts; e++) {
    const bool repeated = e && duplex_random_below(random, every) == 0;
    uint16_t *row = r + e * router->columns;
    for (unsigned i = 0; i < router->columns; i++)
      row[i] = repeated ? (row - router->columns)[i] : draw_operand(random, e % 3 ? class_r : MODERATE);
  }
  for (unsigned e = 0; e < router->experts; e++) exponents[e] = (int8_t)duplex_random_below(random, 256);
  router->exponents = duplex_random_below(random, 2) ? exponents : NULL;
  *dense = (struct xpu_dense){r, router->columns};
  router->weights = xpu_dense_weights(dense);
  return router;
}

static void test_random(void **state) {
  (void)state;
  static const int directions[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
  static uint16_t x[9 * (COLUMNS_MOST + 1)], r[EXPERTS_MOST * COLUMNS_MOST];
  static uint32_t chosen[9 * EXPERTS_MOST], weights[9 * EXPERTS_MOST];
  static int8_t exponents[EXPERTS_MOST];
  for (uint64_t i = 0; i < 400 * scale; i++) {
    struct duplex_random random;
    struct xpu_router router;
    struct xpu_dense dense;
    duplex_random_seed(&random, seed, i);
    draw_router(&random, &router, &dense, x, r, exponents);
    fesetround(directions[i % 4]);
    feclearexcept(FE_ALL_EXCEPT);
    const int error = xpu_route(&router, chosen, weights);
    assert_int_equal(fetestexcept(FE_ALL_EXCEPT), 0);
    fesetround(FE_TONEAREST);
    assert_int_equal(error, DUPLEX_OK);
    for (size_t token = 0; token < router.tokens; token++)
      check_token(&router, r, token, chosen + token * router.top_k, weights + token * router.top_k);
  }
}

// Ties, zeros of both signs, NaN and infinities among the logits, by hand.
static void test_special(void **state) {
  (void)state;
  const uint32_t one = 0x3f800000;
  const uint32_t half = 0x3f000000;
  const uint32_t nan = 0x7fc00000;
  const uint32_t infinity = 0x7f800000;
  const uint32_t both[] = {0, 1};
  const uint32_t second[] = {1};
  uint32_t weights[2];
  xpu_score_token(XPU_SCORE_TOP_K_SOFTMAX, false, (uint32_t[]){0x80000000, 0}, 2, both, 2, weights);
  assert_int_equal(weights[0], half);
  assert_int_equal(weights[1], half);
  xpu_score_token(XPU_SCORE_TOP_K_SOFTMAX, false, (uint32_t[]){one, infinity | 0x80000000}, 2, both, 2,
                  weights);
  assert_int_equal(weights[0], one);
  assert_int_equal(weights[1], 0);
  xpu_score_token(XPU_SCORE_TOP_K_SOFTMAX, false, (uint32_t[]){one, infinity}, 2, both, 2, weights);
  assert_int_equal(weights[0], nan);
  assert_int_equal(weights[1], nan);
  // A NaN beside the chosen one counts where the softmax is over all experts.
  xpu_score_token(XPU_SCORE_TOP_K_SOFTMAX, false, (uint32_t[]){nan, one}, 2, second, 1, weights);
  assert_int_equal(weights[0], one);
  xpu_score_token(XPU_SCORE_SOFTMAX, false, (uint32_t[]){nan, one}, 2, second, 1, weights);
  assert_int_equal(weights[0], nan);
  xpu_score_token(XPU_SCORE_SIGMOID, false, (uint32_t[]){nan, infinity}, 2, both, 2, weights);
  assert_int_equal(weights[0], nan);
  assert_int_equal(weights[1], one);
  // Two sigmoids of zero cannot be renormalised.
  xpu_score_token(XPU_SCORE_SIGMOID, true, (uint32_t[]){0xc3000000, 0xc3000000}, 2, both, 2, weights);
  assert_int_equal(weights[0], nan);
}

// The example of docs/xpu_numerics.md.
static void test_page(void **state) {
  (void)state;
  static const uint32_t logits[] = {0x3fc00000, 0x40000000, 0xbe800000};
  static const struct {
    enum xpu_score score;
    bool renormalise;
    uint32_t weights[2];
  } rows[] = {{XPU_SCORE_TOP_K_SOFTMAX, false, {0x3ec14d03, 0x3f1f597f}},
              {XPU_SCORE_TOP_K_SOFTMAX, true, {0x3ec14d03, 0x3f1f597f}},
              {XPU_SCORE_SOFTMAX, false, {0x3eb56658, 0x3f1589f1}},
              {XPU_SCORE_SOFTMAX, true, {0x3ec14d03, 0x3f1f597f}},
              {XPU_SCORE_SIGMOID, false, {0x3f514c8f, 0x3f617bea}},
              {XPU_SCORE_SIGMOID, true, {0x3ef67866, 0x3f04c3ce}}};
  for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
    uint32_t weights[2];
    xpu_score_token(rows[i].score, rows[i].renormalise, logits, 3, (uint32_t[]){0, 1}, 2, weights);
    assert_int_equal(weights[0], rows[i].weights[0]);
    assert_int_equal(weights[1], rows[i].weights[1]);
  }
}

static void test_refusals(void **state) {
  (void)state;
  const uint16_t x[2] = {0x3c00, 0x3c00};
  const struct xpu_dense dense = {x, 1};
  uint32_t chosen[2], weights[2];
  const struct xpu_router good = {.x = x,
                                  .x_stride = 1,
                                  .tokens = 1,
                                  .columns = 1,
                                  .experts = 2,
                                  .weights = xpu_dense_weights(&dense),
                                  .top_k = 2};
  assert_int_equal(xpu_route(&good, chosen, weights), DUPLEX_OK);
  assert_int_equal(xpu_route(NULL, chosen, weights), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(xpu_route(&good, NULL, weights), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(xpu_route(&good, chosen, NULL), DUPLEX_ERROR_ARGUMENT);
  enum { BAD = 14 };
  struct xpu_router bad[BAD];
  for (int i = 0; i < BAD; i++) bad[i] = good;
  bad[0].top_k = 0;
  bad[1].top_k = 3;
  bad[2].score = XPU_SCORES;
  bad[3].experts = 0;
  bad[4].tokens = 0;
  bad[5].columns = 0;
  bad[6].x = NULL;
  static const struct xpu_choice choices[] = {{NULL, 0, 1, 0}, {NULL, 1, 0, 0}, {NULL, 1, 2, 0},
                                              {NULL, 2, 1, 0}, {NULL, 3, 1, 0}, {NULL, 1, 1, 0}};
  for (int i = 0; i < 6; i++) {
    bad[7 + i].score = XPU_SCORE_SIGMOID;
    bad[7 + i].choice = &choices[i];
  }
  bad[12].score = XPU_SCORE_SOFTMAX;  // the last choice is good
  bad[13].score = XPU_SCORE_SIGMOID;
  bad[13].choice = &choices[5];
  assert_int_equal(xpu_route(&bad[13], chosen, weights), DUPLEX_OK);
  bad[13].top_k = 3;
  for (int i = 0; i < BAD; i++) assert_int_equal(xpu_route(&bad[i], chosen, weights), DUPLEX_ERROR_ARGUMENT);
}

int main(void) {
  seed = environment_seed();
  scale = environment_count("DUPLEX_CASES");
  printf("test_router: seed %lu, cases x%lu\n", (unsigned long)seed, (unsigned long)scale);
  oracle_binary32_begin();
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_random), cmocka_unit_test(test_special),
                                     cmocka_unit_test(test_page), cmocka_unit_test(test_refusals)};
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  mpfr_free_cache();
  return failed;
}
