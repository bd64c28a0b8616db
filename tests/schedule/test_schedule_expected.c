// SPDX-License-Identifier: Apache-2.0
// Layers as they are to be expected: every pair has an expert, any of them as likely as another.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// CMocka needs the three above first.
#include <cmocka.h>
#include <string.h>

#include "schedule/schedule.h"

static uint32_t sum_of(const uint16_t *counts, uint32_t experts) {
  uint32_t sum = 0;
  for (uint32_t e = 0; e < experts; e++) sum += counts[e];
  return sum;
}

static void test_spread(void **state) {
  const uint16_t expected[] = {3, 3, 2};
  uint16_t counts[SCHEDULE_EXPERTS];
  (void)state;
  schedule_spread(3, 8, counts);
  assert_memory_equal(counts, expected, sizeof expected);
  schedule_spread(SCHEDULE_EXPERTS, SCHEDULE_EXPERTS * 65535u, counts);
  for (uint32_t e = 0; e < SCHEDULE_EXPERTS; e++) assert_int_equal(counts[e], 65535);
  schedule_spread(1, 0, counts);
  assert_int_equal(counts[0], 0);
}

// No pair is lost, a number has one layer, and from 64 pairs an expert on all have as many.
static void test_pairs(void **state) {
  static const uint32_t experts[] = {1, 2, 3, 8, 100, SCHEDULE_EXPERTS};
  (void)state;
  for (unsigned i = 0; i < sizeof experts / sizeof *experts; i++)
    for (uint32_t pairs = 0; pairs <= 65 * experts[i]; pairs += pairs / 7 + 1) {
      uint16_t counts[SCHEDULE_EXPERTS], again[SCHEDULE_EXPERTS], even[SCHEDULE_EXPERTS];
      schedule_expect(experts[i], pairs, pairs % 16, counts);
      schedule_expect(experts[i], pairs, pairs % 16, again);
      schedule_spread(experts[i], pairs, even);
      assert_int_equal(sum_of(counts, experts[i]), pairs);
      assert_memory_equal(counts, again, experts[i] * sizeof *counts);
      if (pairs >= 64 * experts[i]) assert_memory_equal(counts, even, experts[i] * sizeof *counts);
    }
}

// Over many layers each of 8 experts has an eighth, within five standard deviations of a binomial number; the
// variance in a layer is a binomial one's within a tenth; and any two layers differ.
static void test_chances(void **state) {
  enum { EXPERTS = 8, PAIRS = 64, LAYERS = 4000 };
  static uint16_t counts[LAYERS][EXPERTS];
  uint32_t sums[EXPERTS] = {0};
  double squares = 0;
  unsigned same = 0;
  (void)state;
  for (uint32_t i = 0; i < LAYERS; i++) {
    schedule_expect(EXPERTS, PAIRS, i, counts[i]);
    same += i && memcmp(counts[i], counts[i - 1], sizeof counts[i]) == 0;
    for (uint32_t e = 0; e < EXPERTS; e++) {
      const double off = counts[i][e] - (double)PAIRS / EXPERTS;
      sums[e] += counts[i][e];
      squares += off * off;
    }
  }
  for (uint32_t e = 0; e < EXPERTS; e++)  // 32,000 on average, 167 of a deviation
    assert_in_range(sums[e], 32000 - 5 * 167, 32000 + 5 * 167);
  const double variance = squares / (LAYERS * EXPERTS);
  assert_true(variance > 6.3 && variance < 7.7);  // 64 (1 / 8) (7 / 8) = 7
  assert_int_equal(same, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_spread), cmocka_unit_test(test_pairs),
                                     cmocka_unit_test(test_chances)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
