// SPDX-License-Identifier: Apache-2.0
// Percentiles, exponential waits and tokens of experts against their definitions.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

// clang-format off: after what it needs
#include <cmocka.h>
// clang-format on

#include "serving/arrivals.h"
#include "serving/routing.h"
#include "serving/samples.h"

static void test_percentiles(void **state) {
  struct samples s = {0};
  (void)state;
  for (unsigned i = 100; i > 0; i--) assert_int_equal(samples_add(&s, i, 1), 0);
  const struct serving_percentiles p = samples_percentiles(&s);
  assert_true(p.p50 == 50 && p.p90 == 90 && p.p99 == 99 && p.mean == 50.5 && p.count == 100);
  samples_free(&s);
  assert_int_equal(samples_add(&s, 2, 98), 0);
  assert_int_equal(samples_add(&s, 7, 2), 0);
  const struct serving_percentiles q = samples_percentiles(&s);
  assert_true(q.p50 == 2 && q.p90 == 2 && q.p99 == 7);
  samples_free(&s);
  const struct serving_percentiles none = samples_percentiles(&s);
  assert_true(none.p50 == 0 && none.count == 0);
}

// Mean and variance 1, and the share above 2 of exp(-2): each within five deviations of its estimate.
static void test_exponential(void **state) {
  enum { DRAWS = 200000 };
  struct duplex_random random;
  double sum = 0;
  double squares = 0;
  double above = 0;
  (void)state;
  duplex_random_seed(&random, 11, 0);
  for (unsigned i = 0; i < DRAWS; i++) {
    const double x = arrivals_exponential(&random);
    assert_true(x >= 0);
    sum += x;
    squares += x * x;
    above += x > 2;
  }
  assert_true(fabs(sum / DRAWS - 1) < 5 / sqrt(DRAWS));
  assert_true(fabs(squares / DRAWS - 2) < 5 * sqrt(20.0 / DRAWS));
  assert_true(fabs(above / DRAWS - exp(-2)) < 5 * sqrt(exp(-2) / DRAWS));
}

// Sum, mean, variance and covariance of the counts, with few tokens and with many.
static void check_routing(unsigned tokens, unsigned experts, unsigned top_k) {
  enum { DRAWS = 20000 };
  struct duplex_random random;
  unsigned counts[64];
  double mean = 0;
  double variance = 0;
  double covariance = 0;
  const double p = (double)top_k / experts;
  duplex_random_seed(&random, tokens, experts);
  for (unsigned i = 0; i < DRAWS; i++) {
    unsigned sum = 0;
    routing_draw(&random, tokens, experts, top_k, counts);
    for (unsigned e = 0; e < experts; e++) {
      assert_true(counts[e] <= tokens);
      sum += counts[e];
    }
    assert_int_equal(sum, tokens * top_k);
    const double a = counts[0] - tokens * p;
    const double b = counts[experts - 1] - tokens * p;
    mean += a;
    variance += a * a;
    covariance += a * b;
  }
  const double expected = tokens * p * (1 - p);
  assert_true(fabs(mean / DRAWS) <= 5 * sqrt(expected / DRAWS));
  assert_true(fabs(variance / DRAWS - expected) < 0.06 * expected + 0.1);
  assert_true(fabs(covariance / DRAWS + expected / (experts - 1)) < 0.06 * expected + 0.1);
}

static void test_routing(void **state) {
  (void)state;
  check_routing(16, 8, 2);
  check_routing(2048, 8, 2);
  check_routing(40, 64, 2);
  check_routing(3000, 64, 4);
  check_routing(5, 4, 4);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_percentiles), cmocka_unit_test(test_exponential),
                                     cmocka_unit_test(test_routing)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
