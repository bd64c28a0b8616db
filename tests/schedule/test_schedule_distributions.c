// SPDX-License-Identifier: Apache-2.0
// Random layers of five models: how close `best` comes to the bound, and what it gains over the other
// policies.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
// CMocka needs the four above first.
#include <cmocka.h>

#include "tests/common/environment.h"
#include "tests/schedule/attainable.h"
#include "tests/schedule/distributions.h"
#include "tests/schedule/in_place.h"
#include "tests/schedule/recount.h"

// DUPLEX_CASES thousands of layers.
enum { CASES = 1000, FEW = 4, LAYERS = 100 };
enum { COPIES = 2 };  // of each expert, less one
// A layer of up to APART experts has the placement of its number of experts, as on a device, and one of more
// experts that of the power of two below: there it hardly depends on it.
enum { APART = 16, OCTAVES = 4, FORMS = APART + OCTAVES };

#define MOST_IN_PLACE 1.007  // of the time of `paper` with its division of the experts, for `best`

static struct schedule_times tables[COPIES][MODELS][FORMS];
static struct schedule_work work;
static struct schedule_decision decided[SCHEDULE_TURNS + 1];

// The other policies with weights where these want them: `paper` with a bundle an expert, and over all
// bundles each expert on its faster side, which is no slower than `pim` and `xpu`.
enum { SPACES, STRIPES, OTHERS };
static const enum schedule_policy others[OTHERS] = {SCHEDULE_SPACES, SCHEDULE_TURNS};

// slower: than another policy, and than each. forbidden: the time that can be attained over the bound;
// missed: that of `best` over what can be attained; binds: layers whose bound cannot be attained within 5%.
struct tally {
  unsigned cases, slower, slower_than[OTHERS], binds;
  double loss, worst, gain, slowest[OTHERS];
  double loss_squares, gain_squares;
  double forbidden, most_forbidden, missed, most_missed;
};

static uint32_t octave_of(uint32_t experts) {
  uint32_t octave = 0;
  while (experts >> (octave + 1)) octave++;
  return octave;
}

// The table of a layer with so many experts.
static struct schedule_times *table_of(unsigned copies, unsigned model, uint32_t experts) {
  const uint32_t form = experts <= APART ? experts - 1 : APART + octave_of(experts / APART) - 1;
  struct schedule_times *times = &tables[copies][model][form];
  times->shape.experts = experts;
  return times;
}

static int make_tables(void **state) {
  (void)state;
  for (unsigned copies = 0; copies < COPIES; copies++)
    for (unsigned model = 0; model < MODELS; model++)
      for (uint32_t experts = 1; experts <= SCHEDULE_EXPERTS; experts += experts < APART ? 1 : experts) {
        struct schedule_shape shape = model_shape(model, experts);
        struct schedule_placement placement;
        shape.replicated = copies;
        if (!schedule_place(&shape, &placement)) return -1;
        schedule_formula(&shape, &placement, table_of(copies, model, experts));
      }
  return 0;
}

static void count_in(struct tally *tally, double bound, double floor) {
  const double total = decided[SCHEDULE_BEST].total;
  const double loss = total / bound;
  const double gain = decided[SCHEDULE_PAPER].total / total;
  bool slower = false;
  tally->cases++;
  tally->loss += loss;
  tally->loss_squares += loss * loss;
  tally->gain += gain;
  tally->gain_squares += gain * gain;
  if (loss > tally->worst) tally->worst = loss;
  for (unsigned other = 0; other < OTHERS; other++) {
    const double ratio = total / decided[others[other]].total;
    slower |= ratio > 1;
    tally->slower_than[other] += ratio > 1;
    if (ratio > tally->slowest[other]) tally->slowest[other] = ratio;
  }
  tally->slower += slower;
  tally->forbidden += floor / bound;
  if (floor / bound > tally->most_forbidden) tally->most_forbidden = floor / bound;
  tally->missed += total / floor;
  if (total / floor > tally->most_missed) tally->most_missed = total / floor;
  tally->binds += floor > 1.05 * bound;
}

// The time of the division of `paper` over its bundles, if the experts lie twice. `best` has it or another
// one that is no longer, but for a few layers of hot experts, 4 of 240,000 with 24 seeds.
static uint32_t spaces_in_place(const struct schedule_times *times, const uint16_t *counts) {
  const uint32_t last = times->placement.parts[0];
  uint32_t pim = 0;
  uint32_t xpu = 0;
  for (uint32_t e = 0; e < times->shape.experts; e++) {
    const uint32_t groups = schedule_groups(counts[e]);
    const uint32_t cut = decided[SCHEDULE_SPACES].cut[0][e] ? last : 0;
    pim += SCHEDULE_TIME(times, groups, pim[0][cut]);
    xpu += SCHEDULE_TIME(times, groups, xpu[0][cut]);
  }
  return (uint32_t)duplex_larger(pim, xpu);
}

// The cuts are those whose times are told, experts without tokens have none, and no other policy is faster
// with the weights where they are.
static void assert_consistent(const struct schedule_times *times, const uint16_t *counts) {
  const struct schedule_decision *best = &decided[SCHEDULE_BEST];
  static struct schedule_decision counted;
  counted = *best;
  recount(times, counts, &counted);
  assert_memory_equal(counted.pim, best->pim, sizeof counted.pim);
  assert_memory_equal(counted.xpu, best->xpu, sizeof counted.xpu);
  assert_int_equal(counted.total, best->total);
  assert_true(best->total <= decided[SCHEDULE_XPU].total);
  assert_true(best->total <= in_place_least(times, counts));
  if (times->placement.layout == SCHEDULE_REPLICATED)
    assert_true(best->total <= MOST_IN_PLACE * spaces_in_place(times, counts));
  for (uint32_t e = 0; e < times->shape.experts; e++)
    for (uint32_t q = 0; q < times->placement.pieces; q++)
      assert_true(best->cut[q][e] <= (counts[e] ? times->placement.parts[q] : 0));
}

static void print_tally(const char *name, const struct tally *t) {
  print_message(
      "%-14s %6u layers: time / bound %.4f on average, %.3f at most; paper / best %.3f; slower than "
      "another policy in %u: than a bundle an expert in %u, by %.1f%% at most, than stripes in %u, by "
      "%.1f%%\n",
      name, t->cases, t->loss / t->cases, t->worst, t->gain / t->cases, t->slower, t->slower_than[SPACES],
      100 * (t->slowest[SPACES] - 1), t->slower_than[STRIPES], 100 * (t->slowest[STRIPES] - 1));
}

// What of the loss the bound forbids, and what is ours.
static void print_attainable(const char *name, const struct tally *t) {
  print_message(
      "%-14s attainable / bound %.4f on average, %.3f at most, above 1.05 in %4.1f%%; best / attainable %.4f "
      "on average, %.3f at most\n",
      name, t->forbidden / t->cases, t->most_forbidden, 100. * t->binds / t->cases, t->missed / t->cases,
      t->most_missed);
}

// What a draw of layers comes to, with one copy and with two.
struct draw {
  struct tally by_model[COPIES][MODELS], all[COPIES];
};

static void print_draw(const char *name, const struct draw *draw) {
  for (unsigned copies = 0; copies < COPIES; copies++) {
    const struct tally *by_model = draw->by_model[copies];
    print_message("1 to 256 experts, %s as likely as each other, %s:\n", name,
                  copies ? "each lies twice" : "each lies once");
    for (unsigned model = 0; model < MODELS; model++) print_tally(model_names[model], &by_model[model]);
    print_tally("all", &draw->all[copies]);
    for (unsigned model = 0; model < MODELS; model++) print_attainable(model_names[model], &by_model[model]);
    print_attainable("all", &draw->all[copies]);
  }
}

// A layer of a model, with one copy and with two: neither takes less than what can be attained.
static void run_layer(unsigned model, uint32_t experts, const uint16_t *counts, struct draw *draw) {
  double floor = 0;
  for (unsigned copies = 0; copies < COPIES; copies++) {
    struct schedule_times *times = table_of(copies, model, experts);
    for (unsigned policy = 0; policy <= SCHEDULE_TURNS; policy++)
      schedule_decide(policy, times, counts, &work, &decided[policy]);
    assert_consistent(times, counts);
    const double bound = schedule_bound(times, counts);
    if (!copies) floor = attainable_time(times, counts);
    assert_true(decided[SCHEDULE_BEST].total >= floor * 0.999);  // times of a table are rounded
    count_in(&draw->by_model[copies][model], bound, floor > bound ? floor : bound);
    count_in(&draw->all[copies], bound, floor > bound ? floor : bound);
  }
}

// uniform: any number of experts is as likely; else any octave.
static void run_layers(bool uniform, struct draw *draw) {
  for (uint64_t i = 0; i < CASES * environment_count("DUPLEX_CASES"); i++) {
    struct duplex_random random;
    uint16_t counts[SCHEDULE_EXPERTS];
    duplex_random_seed(&random, environment_seed(), i);
    const unsigned model = i % MODELS;
    const unsigned kind = i / MODELS % KINDS;
    const uint32_t experts = uniform ? 1 + (uint32_t)duplex_random_below(&random, SCHEDULE_EXPERTS)
                                     : draw_scale(&random, SCHEDULE_EXPERTS);
    const uint32_t tokens = draw_scale(&random, 4096);
    draw_counts(&random, kind, experts, tokens,
                1 + (uint32_t)duplex_random_below(&random, experts < 8 ? experts : 8), counts);
    run_layer(model, experts, counts, draw);
  }
}

// How far the mean of so many layers may be from that of all, by chance: three standard errors.
static double chance(double sum, double squares, unsigned cases) {
  const double variance = squares / cases - sum / cases * (sum / cases);
  return 3 * __builtin_sqrt(variance > 0 ? variance / cases : 0);
}

static double least_loss(const struct tally *t) {
  return t->loss / t->cases - chance(t->loss, t->loss_squares, t->cases);
}

static double most_gain(const struct tally *t) {
  return t->gain / t->cases + chance(t->gain, t->gain_squares, t->cases);
}

// Of the means over the bound with octaves of experts and with any number, and of those of Mixtral, GLaM and
// Grok1: what the mean of all layers is. Of the worst of these, of that of Grok1, and of the worst over what
// can be attained; and of times over those of other policies with weights where these want them, with a
// bundle an expert for these three models and for those whose slices make no parts of 16 rows, and over all
// bundles; and how many of 1,000 layers take longer than under another policy: the most of 24 seeds.
struct limits {
  double octaves, any, model, worst, grok1, missed, spaces, few_rows, stripes, slower;
};

// How much longer `best` may take than other policies that have another placement.
static void check_others(const struct draw *draw, unsigned copies, const struct limits *limits) {
  for (unsigned model = 0; model < MODELS; model++) {
    const struct tally *tally = &draw->by_model[copies][model];
    assert_true(tally->slowest[SPACES] <= (model < 3 ? limits->spaces : limits->few_rows));
    assert_true(tally->slowest[STRIPES] <= limits->stripes);
  }
  assert_true(1000 * draw->all[copies].slower <= limits->slower * draw->all[copies].cases);
}

static void check_draws(const struct draw *octaves, const struct draw *any, unsigned copies,
                        const struct limits *limits) {
  const struct tally *by_model = octaves->by_model[copies];
  const struct tally *all = &octaves->all[copies];
  assert_true(least_loss(all) <= limits->octaves);
  assert_true(least_loss(&any->all[copies]) <= limits->any);
  assert_true(all->most_missed <= limits->missed);
  assert_true(most_gain(all) >= 1.15);
  check_others(octaves, copies, limits);
  check_others(any, copies, limits);
  assert_true(by_model[2].worst <= limits->grok1);
  for (unsigned model = 0; model < 3; model++) {
    assert_true(least_loss(&by_model[model]) <= limits->model);
    assert_true(by_model[model].worst <= limits->worst);
    assert_true(most_gain(&by_model[model]) >= 1.15);
  }
}

// The limits hold what was reached; with two copies no other policy is faster but in a few of 100,000 layers.
// The aims are 1.05 on average, 1.15 at most, and 1.15 over `paper`;
// docs/schedule.md tells which of them are missed, and why.
static void test_layers(void **state) {
  static const struct limits limits[COPIES] = {{1.075, 1.045, 1.065, 1.32, 1.31, 1.75, 1.20, 1.67, 1.027, 59},
                                               {1.034, 1.016, 1.018, 1.185, 1.11, 1.14, 1.005, 1, 1, 1}};
  static struct draw octaves, any;
  (void)state;
  run_layers(false, &octaves);
  run_layers(true, &any);
  print_draw("octaves", &octaves);
  print_draw("all", &any);
  for (unsigned copies = 0; copies < COPIES; copies++) check_draws(&octaves, &any, copies, &limits[copies]);
}

// One expert a device: up to 8 tokens, and 32.
static void test_one_expert(void **state) {
  // the aims are 1.17 and 1.80
  static const double few[COPIES][3] = {{1.15, 1.14, 1.17}, {1.22, 1.22, 1.21}};
  static const double many[COPIES][3] = {{1.80, 1.80, 1.90}, {1.88, 1.86, 1.91}};
  (void)state;
  for (unsigned copies = 0; copies < COPIES; copies++)
    for (unsigned model = 0; model < 3; model++)
      for (uint16_t tokens = 1; tokens <= 32; tokens += tokens == 1 ? 7 : 24) {
        struct schedule_times *times = table_of(copies, model, 1);
        for (unsigned policy = 0; policy <= SCHEDULE_BEST; policy++)
          schedule_decide(policy, times, &tokens, &work, &decided[policy]);
        const double total = decided[SCHEDULE_BEST].total;
        const double paper = decided[SCHEDULE_PAPER].total;
        const double gain = paper / total;
        const double floor = attainable_time(times, &tokens);
        print_message(
            "%-14s one expert, %u copies, %2u tokens: paper / best %.3f, paper / attainable %.3f, time / "
            "bound %.3f\n",
            model_names[model], copies + 1, tokens, gain, paper / floor,
            total / schedule_bound(times, &tokens));
        assert_true(gain >= (tokens <= 8 ? few : many)[copies][model]);
      }
}

// Few experts: how much of what is lost no cuts by columns can win, whatever the placement.
static void attain(unsigned copies, unsigned model, uint32_t experts) {
  double best = 0;
  double least = 0;
  double most = 0;
  double worst = 0;
  struct schedule_times *times = table_of(copies, model, experts);
  for (unsigned i = 0; i < LAYERS; i++) {
    struct duplex_random random;
    uint16_t counts[SCHEDULE_EXPERTS];
    duplex_random_seed(&random, environment_seed(), 5000 + i);
    draw_counts(&random, i % KINDS, experts, draw_scale(&random, 4096),
                1 + (uint32_t)duplex_random_below(&random, experts), counts);
    schedule_decide(SCHEDULE_BEST, times, counts, &work, &decided[0]);
    const double bound = schedule_bound(times, counts);
    const double floor = attainable_time(times, counts);
    assert_true(decided[0].total >= floor * 0.999);  // the bound of the xPU's times is rounded
    best += decided[0].total / bound / LAYERS;
    least += floor / bound / LAYERS;
    if (floor / bound > most) most = floor / bound;
    if (decided[0].total / floor > worst) worst = decided[0].total / floor;
  }
  print_message(
      "%-14s %u experts, %u copies: time / bound %.3f on average, of which no cuts avoid %.3f (%.3f at "
      "most); "
      "time / attainable %.3f at most\n",
      model_names[model], experts, copies + 1, best, least, most, worst);
}

static void test_what_can_be_attained(void **state) {
  (void)state;
  for (unsigned copies = 0; copies < COPIES; copies++)
    for (unsigned model = 0; model < MODELS; model++)
      for (uint32_t experts = 1; experts <= FEW; experts *= 2) attain(copies, model, experts);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_layers),
      cmocka_unit_test(test_one_expert),
      cmocka_unit_test(test_what_can_be_attained),
  };
  return cmocka_run_group_tests(tests, make_tables, NULL);
}
