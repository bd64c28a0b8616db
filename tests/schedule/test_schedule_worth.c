// SPDX-License-Identifier: Apache-2.0
// Whether a decision pays, by hand, and how much that loses for pairs in all kinds of experts; and what
// either side does alone, of every layout.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

// clang-format off: after what it needs
#include <cmocka.h>
// clang-format on

#include "device/charges.h"
#include "tests/common/environment.h"
#include "tests/schedule/model_table.h"

// Longer than the shortest way: in the mean of the layers of a kind; of all; of those that are spread evenly.
#define LOST_MOST 0.01
#define LOST_AT_ALL 0.4
#define LOST_SPREAD 0.03

enum { EXPERTS = 4, LAUNCH = 650 };

// Of the layers of a table by formulas: draws of each kind, models, and numbers of experts.
#define LAYERS 10u
enum { SPREAD, EVEN, ODD, FEW, ONE, HOT, ZIPF_LIKE, RANDOM, SHAPES };
static const char *const shape_names[SHAPES] = {"spread evenly", "even experts", "odd experts", "up to eight",
                                                "one expert",    "one hot",      "zipf",        "random"};

static struct schedule_times times;

// Experts in pairs of bundles, of which both sides take 100 clocks a group.
static struct schedule_ways make_table(schedule_predictor *predict, void *context) {
  times = (struct schedule_times){.clocks_per_unit = 1,
                                  .shape = {1024, 1024, EXPERTS, 1, 32, 1, 0, 0, 0},
                                  .placement = {SCHEDULE_ALTERNATE, 1, {1}, {{1024}}}};
  for (uint32_t g = 1; g <= SCHEDULE_GROUPS; g++) times.rows[g].pim[0][1] = times.rows[g].xpu[0][0] = 100 * g;
  times.slope = times.rows[1];
  return (struct schedule_ways){&times, predict, context};
}

static uint32_t groups_of(const uint16_t *counts) {
  uint32_t groups = 0;
  for (unsigned e = 0; e < EXPERTS; e++) groups += schedule_groups(counts[e]);
  return groups;
}

// The xPU takes 100 clocks a group, Logic-PIM 290 and 200 less, which is less for one group alone, both sides
// 60 and 2,000 besides: `best` gains 40 a group from 51 on. It is weighed with pairs that are spread evenly.
static uint64_t by_groups(void *context, enum schedule_policy policy, uint16_t *counts) {
  const uint32_t groups = groups_of(counts);
  if (policy != SCHEDULE_BEST) return policy == SCHEDULE_PIM_ALONE ? 290 * groups - 200 : 100 * groups;
  for (unsigned e = 1; e < EXPERTS; e++) assert_in_range(counts[0] - counts[e], 0, 1);
  ++*(unsigned *)context;
  return 2000 + 60 * groups;
}

// So many tokens of each expert, with a decision that takes so much longer than the launch that hides it.
static enum schedule_policy ask(const struct schedule_worth *worth, const struct schedule_ways *ways,
                                const uint16_t given[EXPERTS], uint32_t longer) {
  uint16_t counts[EXPERTS];
  memcpy(counts, given, sizeof counts);
  return schedule_worthwhile(worth, ways, counts, LAUNCH + longer);
}

// Steps are looked for by halves: what they take at least does not fall, though a table may tell of less for
// more groups.
static void test_falling(void **state) {
  (void)state;
  struct schedule_worth worth;
  unsigned asked = 0;
  const struct schedule_ways ways = make_table(by_groups, &asked);
  for (uint32_t g = 30; g < 40; g++) times.rows[g].pim[0][1] = times.rows[g].xpu[0][0] = 1500;
  schedule_weigh(&ways, LAUNCH, &worth);
  for (uint32_t step = 2; step <= worth.last; step++) assert_true(worth.least[step] >= worth.least[step - 1]);
}

// 76 groups gain 1,040 clocks. They are weighed with 608 pairs, in the middle of their step.
static void test_threshold(void **state) {
  (void)state;
  struct schedule_worth worth;
  unsigned asked = 0;
  const struct schedule_ways ways = make_table(by_groups, &asked);
  schedule_weigh(&ways, LAUNCH, &worth);
  assert_int_equal(asked, worth.last);
  assert_int_equal(ask(&worth, &ways, (uint16_t[]){0, 0, 0, 0}, 0), SCHEDULE_XPU_ALONE);
  assert_int_equal(ask(&worth, &ways, (uint16_t[]){1, 0, 0, 0}, 0), SCHEDULE_PIM_ALONE);
  assert_int_equal(ask(&worth, &ways, (uint16_t[]){1, 1, 0, 0}, 0), SCHEDULE_XPU_ALONE);
  assert_int_equal(ask(&worth, &ways, (uint16_t[]){152, 152, 152, 152}, 1039), SCHEDULE_BEST);
  assert_int_equal(ask(&worth, &ways, (uint16_t[]){152, 152, 152, 152}, 1040), SCHEDULE_XPU_ALONE);
  assert_int_equal(ask(&worth, &ways, (uint16_t[]){145, 145, 145, 145}, 1039), SCHEDULE_BEST);
  // 12 groups of each expert gain nothing, and 13 gain 80, of which a shorter decision takes nothing.
  assert_int_equal(ask(&worth, &ways, (uint16_t[]){96, 96, 96, 96}, 0), SCHEDULE_XPU_ALONE);
  assert_int_equal(ask(&worth, &ways, (uint16_t[]){104, 104, 104, 104}, 79), SCHEDULE_BEST);
  assert_int_equal(ask(&worth, &ways, (uint16_t[]){104, 104, 104, 104}, 80), SCHEDULE_XPU_ALONE);
  uint16_t few[EXPERTS] = {104, 104, 104, 104};
  assert_int_equal(schedule_worthwhile(&worth, &ways, few, 0), SCHEDULE_BEST);
}

// As many pairs, of two experts: in either pair of bundles they take as if spread evenly, in one of them
// both sides take turns, as with twice as many pairs.
static void test_classes(void **state) {
  (void)state;
  struct schedule_worth worth;
  unsigned asked = 0;
  const struct schedule_ways ways = make_table(by_groups, &asked);
  schedule_weigh(&ways, LAUNCH, &worth);
  assert_int_equal(ask(&worth, &ways, (uint16_t[]){304, 0, 0, 304}, 1000), SCHEDULE_BEST);
  assert_int_equal(ask(&worth, &ways, (uint16_t[]){0, 304, 304, 0}, 1000), SCHEDULE_BEST);
  assert_int_equal(ask(&worth, &ways, (uint16_t[]){304, 0, 304, 0}, 0), SCHEDULE_XPU_ALONE);
  assert_int_equal(ask(&worth, &ways, (uint16_t[]){0, 304, 0, 304}, 0), SCHEDULE_XPU_ALONE);
  // With two copies there is one class.
  times.placement.layout = SCHEDULE_REPLICATED;
  schedule_weigh(&ways, LAUNCH, &worth);
  assert_int_equal(ask(&worth, &ways, (uint16_t[]){304, 0, 304, 0}, 1000), SCHEDULE_BEST);
}

// Evenly spread pairs gain much by a decision, and one side takes the other's time or longer.
static uint64_t by_turns(void *context, enum schedule_policy policy, uint16_t *counts) {
  (void)context;
  return (policy == SCHEDULE_BEST        ? 10
          : policy == SCHEDULE_PIM_ALONE ? 110
                                         : 100) *
         (uint64_t)groups_of(counts);
}

// Where both sides take turns and one of them takes no longer for any expert, it has all.
static void test_one_side(void **state) {
  (void)state;
  struct schedule_worth worth;
  const struct schedule_ways ways = make_table(by_turns, NULL);
  schedule_weigh(&ways, LAUNCH, &worth);
  assert_int_equal(ask(&worth, &ways, (uint16_t[]){304, 0, 0, 304}, 0), SCHEDULE_BEST);
  assert_int_equal(ask(&worth, &ways, (uint16_t[]){304, 0, 304, 0}, 0), SCHEDULE_XPU_ALONE);
}

// Logic-PIM takes 50 clocks a group, both sides 40 and 2,000 besides, and the xPU 51: 10 a group is what
// `best` gains, and Logic-PIM has what no decision pays for.
static uint64_t by_pim(void *context, enum schedule_policy policy, uint16_t *counts) {
  const uint32_t groups = groups_of(counts);
  (void)context;
  if (policy == SCHEDULE_BEST) return 2000 + 40 * groups;
  return (policy == SCHEDULE_PIM_ALONE ? 50 : 51) * (uint64_t)groups;
}

static void test_pim(void **state) {
  (void)state;
  struct schedule_worth worth;
  const struct schedule_ways ways = make_table(by_pim, NULL);
  schedule_weigh(&ways, LAUNCH, &worth);
  assert_int_equal(ask(&worth, &ways, (uint16_t[]){8, 0, 0, 0}, 0), SCHEDULE_PIM_ALONE);
  assert_int_equal(ask(&worth, &ways, (uint16_t[]){432, 432, 432, 432}, 159), SCHEDULE_BEST);  // 216 groups
  assert_int_equal(ask(&worth, &ways, (uint16_t[]){432, 432, 432, 432}, 160), SCHEDULE_PIM_ALONE);
}

// More pairs than the last step has gain as much of what they take as those of that step: 272 groups take
// 18,320 clocks instead of 27,200, and 2,048 groups 137,939 of 204,800.
static void test_last(void **state) {
  (void)state;
  struct schedule_worth worth;
  unsigned asked = 0;
  struct schedule_ways ways = make_table(by_groups, &asked);
  schedule_weigh(&ways, LAUNCH, &worth);
  assert_int_equal(ask(&worth, &ways, (uint16_t[]){4096, 4096, 4096, 4096}, 66800), SCHEDULE_BEST);
  assert_int_equal(ask(&worth, &ways, (uint16_t[]){4096, 4096, 4096, 4096}, 66900), SCHEDULE_XPU_ALONE);
  times.shape.experts = SCHEDULE_EXPERTS;
  ways.predict = by_pim;
  schedule_weigh(&ways, LAUNCH, &worth);
  assert_int_equal(worth.last, SCHEDULE_STEPS - 1);
}

// A way by the table: what a decision goes by, and its memory.
struct formulas {
  struct schedule_times times;
  struct schedule_work work;
};

static uint64_t by_formulas(void *context, enum schedule_policy policy, uint16_t *counts) {
  struct formulas *f = context;
  struct schedule_decision decision;
  struct schedule_phase phases[2];
  struct schedule_prediction prediction;
  schedule_divide(policy, &f->times, counts, &f->work, &decision);
  schedule_phases(&f->times, counts, &decision, phases);
  schedule_predict(schedule_costs_of(&f->times, &decision), phases, &prediction);
  return prediction.total + LAUNCH * (schedule_phase_works(&phases[0]) + schedule_phase_works(&phases[1]));
}

static void spread(uint32_t pairs, uint32_t experts, uint16_t *counts) {
  for (uint32_t e = 0; e < experts; e++) counts[e] = (uint16_t)(pairs / experts + (e < pairs % experts));
}

// Pairs that choose their experts one by one, as likely as these weights; 4,096 of one at most.
static void draw_pairs(struct duplex_random *random, const double *sums, uint32_t experts, uint32_t pairs,
                       uint16_t *counts) {
  for (uint32_t i = 0; i < pairs; i++) {
    const uint32_t expert = draw_expert(random, sums, experts);
    counts[expert] += counts[expert] < 4096;
  }
}

static void draw_layer(struct duplex_random *random, unsigned shape, uint32_t experts, uint16_t *counts) {
  const uint32_t pairs = draw_scale(random, 512 * experts);
  const uint32_t used = 1 + (uint32_t)duplex_random_below(random, 8);
  double sums[SCHEDULE_EXPERTS];
  memset(counts, 0, SCHEDULE_EXPERTS * sizeof *counts);
  if (shape == SPREAD) {
    spread(pairs, experts, counts);
    return;
  }
  draw_weights(random, shape == HOT ? ONE_HOT : shape == ZIPF_LIKE ? ZIPF : UNIFORM, experts, sums);
  bool taken[SCHEDULE_EXPERTS];
  for (uint32_t e = 0; e < experts; e++) taken[e] = shape == ODD ? e % 2 : shape != EVEN || e % 2 == 0;
  if (shape == FEW || shape == ONE) {
    memset(taken, 0, sizeof taken);
    for (uint32_t i = 0; i < (shape == ONE ? 1 : used); i++)
      taken[duplex_random_below(random, experts)] = true;
  }
  double sum = 0;
  double before = 0;
  for (uint32_t e = 0; e < experts; e++) {
    const double weight = sums[e] - before;
    before = sums[e];
    sums[e] = sum += taken[e] ? weight : 0;
  }
  draw_pairs(random, sums, experts, pairs, counts);
}

// What layers take longer than the shortest of all three ways, with the decision: by the rule, and by one
// that knows the number of pairs alone.
struct lost {
  double sum, most;
  unsigned layers, slower;  // by more than 2%
};

static void add_lost(const uint64_t clocks[3], unsigned chosen, struct lost *lost) {
  uint64_t least = clocks[0];
  for (unsigned i = 1; i < 3; i++) least = clocks[i] < least ? clocks[i] : least;
  const double loss = (double)clocks[chosen] / (double)least - 1;
  lost->layers++;
  lost->sum += loss;
  lost->slower += loss > 0.02;
  lost->most = loss > lost->most ? loss : lost->most;
}

static unsigned number_of(enum schedule_policy policy) {
  return policy == SCHEDULE_BEST ? 0 : policy == SCHEDULE_XPU_ALONE ? 1 : 2;
}

static void add_layer(const struct schedule_worth *worth, const struct schedule_ways *ways, uint16_t *counts,
                      struct lost lost[2]) {
  const struct formulas *f = ways->context;
  const uint32_t experts = f->times.shape.experts;
  uint16_t evenly[SCHEDULE_EXPERTS];
  uint32_t pairs = 0;
  for (uint32_t e = 0; e < experts; e++) pairs += counts[e];
  spread(pairs, experts, evenly);
  const uint64_t decision = charges_decision(counts, experts, &f->times.placement);
  const uint64_t clocks[] = {
      by_formulas(ways->context, SCHEDULE_BEST, counts) + (decision > LAUNCH ? decision - LAUNCH : 0),
      by_formulas(ways->context, SCHEDULE_XPU_ALONE, counts),
      by_formulas(ways->context, SCHEDULE_PIM_ALONE, counts)};
  add_lost(clocks, number_of(schedule_worthwhile(worth, ways, counts, decision)), &lost[0]);
  add_lost(clocks, number_of(schedule_worthwhile(worth, ways, evenly, decision)), &lost[1]);
}

static void add_layers(unsigned model, uint32_t experts, uint32_t replicated, struct lost lost[SHAPES][2]) {
  static struct formulas f;
  struct schedule_worth worth;
  const struct schedule_ways ways = {&f.times, by_formulas, &f};
  make_model(&f.times, model, experts, replicated);
  schedule_weigh(&ways, LAUNCH, &worth);
  for (unsigned shape = 0; shape < SHAPES; shape++) {
    struct duplex_random random;
    duplex_random_seed(&random, environment_seed(), model * SHAPES + shape);
    for (unsigned i = 0; i < LAYERS; i++) {
      uint16_t counts[SCHEDULE_EXPERTS];
      draw_layer(&random, shape, experts, counts);
      add_layer(&worth, &ways, counts, lost[shape]);
    }
  }
}

// Whatever experts the pairs are in: the rule loses little, and where they are spread evenly hardly anything.
static void test_skewed(void **state) {
  (void)state;
  for (uint32_t replicated = 0; replicated < 2; replicated++) {
    struct lost lost[SHAPES][2] = {{{0}}};
    for (unsigned model = 0; model < MODELS; model++)
      for (uint32_t experts = 2; experts <= SCHEDULE_EXPERTS; experts *= 2)
        add_layers(model, experts, replicated, lost);
    printf(
        "%s: longer than the shortest way, mean, most, and layers by more than 2%%; if pairs alone count\n",
        replicated ? "two copies" : "one copy");
    for (unsigned shape = 0; shape < SHAPES; shape++) {
      const struct lost *rule = lost[shape];
      printf("%-13s", shape_names[shape]);
      for (unsigned i = 0; i < 2; i++)
        printf(" | %6.2f%% %6.1f%% %4u of %u", 100 * rule[i].sum / rule[i].layers, 100 * rule[i].most,
               rule[i].slower, rule[i].layers);
      printf("\n");
      assert_true(rule[0].sum <= LOST_MOST * rule[0].layers);
      assert_true(rule[0].most <= (shape == SPREAD ? LOST_SPREAD : LOST_AT_ALL));
    }
  }
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
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_threshold), cmocka_unit_test(test_falling),
                                     cmocka_unit_test(test_classes),   cmocka_unit_test(test_one_side),
                                     cmocka_unit_test(test_pim),       cmocka_unit_test(test_last),
                                     cmocka_unit_test(test_skewed),    cmocka_unit_test(test_alone)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
