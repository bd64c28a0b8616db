// SPDX-License-Identifier: Apache-2.0
// Choices of tokens: greedy with ties and NaN, draws against a plain softmax, the same whatever came before.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
// CMocka needs the four above first.
#include <cmocka.h>
#include <math.h>

#include "duplex/random.h"
#include "model/sampler.h"
#include "tests/common/environment.h"
#include "tests/numerics/f32_bits.h"

#define VOCABULARY 12u
#define DRAWS 40000u

static size_t choose(const float *logits, const struct sampler_options *options, uint64_t request,
                     size_t position) {
  uint32_t bits[VOCABULARY];
  struct sampler *sampler = sampler_new(VOCABULARY);
  for (unsigned i = 0; i < VOCABULARY; i++) bits[i] = bits_of(logits[i]);
  const size_t token = sampler_choose(sampler, options, bits, request, position);
  sampler_free(sampler);
  return token;
}

static void test_greedy(void **state) {
  (void)state;
  const struct sampler_options greedy = {.top_p = 1};
  float logits[VOCABULARY] = {1, 3, 2, 3, -1, NAN, 3, 0, 0, 0, 0, 0};
  assert_int_equal(choose(logits, &greedy, 0, 0), 1);
  logits[0] = NAN;
  logits[1] = -INFINITY;
  assert_int_equal(choose(logits, &greedy, 0, 0), 3);
  for (unsigned i = 0; i < VOCABULARY; i++) logits[i] = NAN;
  assert_int_equal(choose(logits, &greedy, 0, 0), 0);
  logits[7] = -INFINITY;
  assert_int_equal(choose(logits, &greedy, 0, 0), 7);
  logits[8] = -0.0F;
  logits[9] = 0.0F;
  assert_int_equal(choose(logits, &greedy, 0, 0), 8);
}

// Without a number among the logits it is the first token, drawn or not.
static void test_no_numbers(void **state) {
  (void)state;
  float logits[VOCABULARY];
  for (unsigned i = 0; i < VOCABULARY; i++) logits[i] = i % 2 ? NAN : -NAN;
  const struct sampler_options options[] = {
      {.top_p = 1}, {.temperature = 1, .top_p = 1}, {.temperature = 2, .top_p = 0.5F, .top_k = 3}};
  for (unsigned i = 0; i < sizeof options / sizeof *options; i++)
    assert_int_equal(choose(logits, &options[i], 1, 2), 0);
}

// Shares of the tokens that the options leave, by their definition in binary64.
static void shares_of(const float *logits, const struct sampler_options *options, double *shares) {
  unsigned rank[VOCABULARY];
  double sum = 0;
  double kept = 0;
  for (unsigned i = 0; i < VOCABULARY; i++) {
    rank[i] = 0;
    for (unsigned j = 0; j < VOCABULARY; j++)
      rank[i] += logits[j] > logits[i] || (logits[j] == logits[i] && j < i);
  }
  for (unsigned i = 0; i < VOCABULARY; i++) {
    const bool in = !options->top_k || rank[i] < options->top_k;
    shares[i] = in ? exp((double)logits[i] / (double)options->temperature) : 0;
    sum += shares[i];
  }
  for (unsigned r = 0; r < VOCABULARY; r++)
    for (unsigned i = 0; i < VOCABULARY; i++) {
      if (rank[i] != r) continue;
      const bool in = options->top_p == 1 || kept < (double)options->top_p * sum;
      if (in) kept += shares[i];
      shares[i] = in ? shares[i] : 0;
    }
  for (unsigned i = 0; i < VOCABULARY; i++) shares[i] /= kept;
}

static void check_draws(const float *logits, const struct sampler_options *options) {
  unsigned count[VOCABULARY] = {0};
  double shares[VOCABULARY];
  shares_of(logits, options, shares);
  for (unsigned i = 0; i < DRAWS; i++) count[choose(logits, options, i % 7, i / 7)]++;
  for (unsigned i = 0; i < VOCABULARY; i++) {
    // Six deviations of a binomial count.
    const double most = 6 * sqrt(DRAWS * shares[i] * (1 - shares[i]));
    if (fabs(count[i] - DRAWS * shares[i]) > most)
      fail_msg("token %u: %u of %u draws, expected %.0f within %.0f", i, count[i], DRAWS, DRAWS * shares[i],
               most);
  }
}

static void test_draws(void **state) {
  (void)state;
  const float logits[VOCABULARY] = {0.5F, 2, -1, 2, 1.25F, -30, 0, 0.25F, 1, -0.5F, 1.5F, -INFINITY};
  const struct sampler_options options[] = {
      {.temperature = 1, .top_p = 1, .seed = environment_seed()},
      {.temperature = 0.5F, .top_p = 1, .seed = environment_seed()},
      {.temperature = 2, .top_p = 1, .top_k = 3, .seed = environment_seed()},
      {.temperature = 1, .top_p = 0.6F, .seed = environment_seed()},
      {.temperature = 1, .top_p = 0.5F, .top_k = 1, .seed = environment_seed()},
  };
  for (unsigned i = 0; i < sizeof options / sizeof *options; i++) check_draws(logits, &options[i]);
}

// A draw depends on seed, request and position: on each of them, and on nothing that was drawn before.
static void test_what_counts(void **state) {
  (void)state;
  float logits[VOCABULARY] = {0};
  const struct sampler_options one = {.temperature = 1, .top_p = 1, .seed = 1};
  const struct sampler_options other = {.temperature = 1, .top_p = 1, .seed = 2};
  unsigned seeds = 0;
  unsigned requests = 0;
  unsigned positions = 0;
  for (unsigned i = 0; i < 200; i++) {
    const size_t token = choose(logits, &one, 3, i);
    assert_int_equal(token, choose(logits, &one, 3, i));
    seeds += token != choose(logits, &other, 3, i);
    requests += token != choose(logits, &one, 4, i);
    positions += token != choose(logits, &one, 3, i + 1);
  }
  assert_true(seeds > 150 && requests > 150 && positions > 150);
}

int main(void) {
  printf("seed %llu\n", (unsigned long long)environment_seed());
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_greedy),
      cmocka_unit_test(test_no_numbers),
      cmocka_unit_test(test_draws),
      cmocka_unit_test(test_what_counts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
