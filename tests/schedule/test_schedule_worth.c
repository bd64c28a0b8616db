// SPDX-License-Identifier: Apache-2.0
// Whether a decision pays, by hand; and what either side does alone, of every layout.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

// clang-format off: after what it needs
#include <cmocka.h>
// clang-format on

#include "schedule/schedule.h"

enum { EXPERTS = 4, LAUNCH = 650, DECISION = 1650 };

static uint32_t pairs_of(const uint16_t *counts, unsigned experts) {
  uint32_t pairs = 0;
  for (unsigned e = 0; e < experts; e++) pairs += counts[e];
  return pairs;
}

// The xPU takes 100 clocks a pair, Logic-PIM 290 and 200 less, which is less for one pair alone, both sides
// 60 and 2,000 besides: `best` gains 40 a pair from 51 on.
static uint64_t by_pairs(void *context, enum schedule_policy policy, uint16_t *counts) {
  const uint32_t pairs = pairs_of(counts, EXPERTS);
  for (unsigned e = 1; e < EXPERTS; e++) assert_in_range(counts[0] - counts[e], 0, 1);
  ++*(unsigned *)context;
  if (policy == SCHEDULE_BEST) return 2000 + 60 * pairs;
  return policy == SCHEDULE_PIM_ALONE ? 290 * pairs - 200 : 100 * pairs;
}

// The decision costs 1,000 clocks more than the launch that hides behind it, which takes 75 pairs. That of 72
// to 79 pairs is weighed at 76.
static void test_threshold(void **state) {
  (void)state;
  struct schedule_worth worth;
  unsigned asked = 0;
  schedule_weigh(EXPERTS, LAUNCH, by_pairs, &asked, &worth);
  assert_int_equal(asked, 3 * worth.last);
  assert_int_equal(schedule_worthwhile(&worth, 0, DECISION), SCHEDULE_XPU_ALONE);
  assert_int_equal(schedule_worthwhile(&worth, 1, DECISION), SCHEDULE_PIM_ALONE);
  assert_int_equal(schedule_worthwhile(&worth, 2, DECISION), SCHEDULE_XPU_ALONE);
  assert_int_equal(schedule_worthwhile(&worth, 71, DECISION), SCHEDULE_XPU_ALONE);
  assert_int_equal(schedule_worthwhile(&worth, 72, DECISION), SCHEDULE_BEST);
  assert_int_equal(schedule_worthwhile(&worth, 79, DECISION), SCHEDULE_BEST);
  assert_int_equal(schedule_worthwhile(&worth, 79, DECISION + 40), SCHEDULE_XPU_ALONE);  // not what it gains
  assert_int_equal(schedule_worthwhile(&worth, 79, DECISION + 39), SCHEDULE_BEST);
  assert_int_equal(schedule_worthwhile(&worth, 80, DECISION + 40), SCHEDULE_BEST);
  // A decision shorter than the launch costs nothing.
  assert_int_equal(schedule_worthwhile(&worth, 47, 0), SCHEDULE_XPU_ALONE);
  assert_int_equal(schedule_worthwhile(&worth, 52, 0), SCHEDULE_BEST);
  assert_int_equal(schedule_worthwhile(&worth, 52, LAUNCH), SCHEDULE_BEST);
}

// Logic-PIM takes 50 clocks a pair, both sides 40 and 2,000 besides, and the xPU 51: 10 a pair is what `best`
// gains, and Logic-PIM has what no decision pays for.
static uint64_t by_pim(void *context, enum schedule_policy policy, uint16_t *counts) {
  const uint32_t pairs = pairs_of(counts, EXPERTS);
  (void)context;
  if (policy == SCHEDULE_BEST) return 2000 + 40 * pairs;
  return (policy == SCHEDULE_PIM_ALONE ? 50 : 51) * (uint64_t)pairs;
}

static void test_pim(void **state) {
  (void)state;
  struct schedule_worth worth;
  schedule_weigh(EXPERTS, 0, by_pim, NULL, &worth);
  assert_int_equal(schedule_worthwhile(&worth, 1, 0), SCHEDULE_PIM_ALONE);
  assert_int_equal(schedule_worthwhile(&worth, 199, 0), SCHEDULE_PIM_ALONE);  // of 192 to 207: 200
  assert_int_equal(schedule_worthwhile(&worth, 208, 159), SCHEDULE_BEST);     // of 208 to 223: 216
  assert_int_equal(schedule_worthwhile(&worth, 223, 160), SCHEDULE_PIM_ALONE);
  assert_int_equal(schedule_worthwhile(&worth, UINT32_MAX, UINT64_MAX), SCHEDULE_PIM_ALONE);
}

// Every number of pairs is in a step whose middle is within a sixteenth of it, and more than the last step
// has are in that one.
static void test_steps(void **state) {
  (void)state;
  struct schedule_worth worth;
  unsigned asked = 0;
  schedule_weigh(EXPERTS, 0, by_pairs, &asked, &worth);
  const uint32_t most = EXPERTS * SCHEDULE_GROUPS * 8;
  for (uint32_t pairs = 64; pairs <= most; pairs++) {
    const uint64_t gain = 40 * (uint64_t)pairs - 2000;
    const uint64_t error = 40 * (uint64_t)pairs / 16 + 40;
    assert_int_equal(schedule_worthwhile(&worth, pairs, gain - (gain < error ? gain : error)), SCHEDULE_BEST);
    assert_int_equal(schedule_worthwhile(&worth, pairs, gain + error), SCHEDULE_XPU_ALONE);
  }
  assert_int_equal(schedule_worthwhile(&worth, UINT32_MAX, worth.gain[worth.last] - 1), SCHEDULE_BEST);
  assert_int_equal(schedule_worthwhile(&worth, UINT32_MAX, worth.gain[worth.last]), SCHEDULE_XPU_ALONE);
  schedule_weigh(SCHEDULE_EXPERTS, 0, by_pairs, &asked, &worth);
  assert_int_equal(worth.last, SCHEDULE_STEPS - 1);
}

// All cuts of experts with tokens are the last ones, and Logic-PIM has its pieces where they lie: in one
// phase those that lie everywhere or twice, else those of either pair of bundles in its own.
static void check_pim_alone(const struct schedule_times *times, const uint16_t *counts) {
  const struct schedule_placement *placement = &times->placement;
  const bool one = placement->layout == SCHEDULE_STRIPED || placement->layout == SCHEDULE_REPLICATED;
  struct schedule_work work;
  struct schedule_decision decision = {.cut = {{0, 1}, {0, 1}}, .xpu = {1, 1}};
  struct schedule_phase phases[2];
  uint64_t expected[2] = {0};
  schedule_divide(SCHEDULE_PIM_ALONE, times, counts, &work, &decision);
  for (unsigned e = 0; e < times->shape.experts; e++)
    for (unsigned q = 0; q < placement->pieces; q++) {
      const uint32_t groups = schedule_groups(counts[e]);
      const unsigned phase = !one && schedule_bundles(placement, e, q) == 12;
      expected[phase] += SCHEDULE_TIME(times, groups, pim[q][placement->parts[q]]);
      assert_int_equal(decision.cut[q][e], groups ? placement->parts[q] : 0);
    }
  if (placement->layout == SCHEDULE_REPLICATED)
    assert_memory_equal(decision.cut[0], decision.cut[1], times->shape.experts);
  assert_int_equal(decision.owned[0], placement->layout == SCHEDULE_STRIPED      ? SCHEDULE_ALL_BUNDLES
                                      : placement->layout == SCHEDULE_REPLICATED ? SCHEDULE_COPIED_BUNDLES
                                                                                 : 3);
  assert_int_equal(decision.owned[1], one ? 0 : 12);
  assert_int_equal(decision.xpu[0] + decision.xpu[1], 0);
  assert_int_equal(decision.total, expected[0] + expected[1]);
  schedule_phases(times, counts, &decision, phases);
  for (unsigned i = 0; i < 2; i++) {
    assert_int_equal(phases[i].pim, expected[i] * times->clocks_per_unit);
    assert_int_equal(phases[i].xpu, 0);
  }
}

// All cuts are 0 and the xPU has one phase, with whole experts or with its copies: Logic-PIM keeps the
// bundles of its own then.
static void check_alone(struct schedule_shape shape, enum schedule_layout layout) {
  struct schedule_placement placement;
  struct schedule_times times;
  struct schedule_work work;
  struct schedule_decision decision = {.cut = {{1, 1}, {1, 1}}};
  struct schedule_phase phases[2];
  uint16_t counts[SCHEDULE_EXPERTS] = {9, 0, 600};
  assert_true(schedule_place(&shape, &placement));
  assert_int_equal(placement.layout, layout);
  schedule_formula(&shape, &placement, &times);
  schedule_divide(SCHEDULE_XPU_ALONE, &times, counts, &work, &decision);
  const bool copied = layout == SCHEDULE_REPLICATED;
  uint32_t expected = 0;
  for (unsigned e = 0; e < shape.experts; e++) {
    const uint32_t groups = schedule_groups(counts[e]);
    expected += copied ? SCHEDULE_TIME(&times, groups, xpu[0][0]) : SCHEDULE_TIME(&times, groups, whole);
    assert_int_equal(decision.cut[0][e] + decision.cut[1][e], 0);
  }
  assert_int_equal(decision.total, expected);
  assert_int_equal(decision.owned[0], copied ? SCHEDULE_COPIED_BUNDLES : SCHEDULE_ALL_BUNDLES);
  assert_int_equal(decision.owned[1], 0);
  schedule_phases(&times, counts, &decision, phases);
  assert_int_equal(phases[!copied].xpu, (uint64_t)expected * times.clocks_per_unit);
  assert_false(schedule_phase_works(&phases[copied]));
  assert_int_equal(phases[0].jobs + phases[0].groups + phases[0].sums, 0);
  check_pim_alone(&times, counts);
}

static void test_alone(void **state) {
  (void)state;
  check_alone((struct schedule_shape){4096, 14336, 8, 5, 32, 1, 0, 0, 0}, SCHEDULE_HALVED);
  check_alone((struct schedule_shape){4096, 14336, 8, 5, 32, 1, 0, 1, 0}, SCHEDULE_REPLICATED);
  check_alone((struct schedule_shape){4096, 14336, 64, 5, 32, 1, 0, 0, 0}, SCHEDULE_SPLIT);
  check_alone((struct schedule_shape){2048, 768, 16, 5, 32, 1, 0, 0, 0}, SCHEDULE_ALTERNATE);
  check_alone((struct schedule_shape){2048, 64, 1, 5, 32, 1, 0, 0, 0}, SCHEDULE_STRIPED);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_threshold), cmocka_unit_test(test_pim),
                                     cmocka_unit_test(test_steps), cmocka_unit_test(test_alone)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
