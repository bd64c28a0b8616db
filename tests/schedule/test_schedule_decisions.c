// SPDX-License-Identifier: Apache-2.0
// Decisions of `best` against all others of small layers, and against their own cuts, counted again.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

// clang-format off: after what it needs
#include <cmocka.h>
// clang-format on

#include "tests/common/environment.h"
#include "tests/schedule/model_table.h"
#include "tests/schedule/recount.h"

enum { DECISIONS = 300 };  // layers whose decisions are all tried

static struct schedule_times times;
static struct schedule_work work;
static struct schedule_decision decision;

// The least total if one of the experts that are Logic-PIM's in this decision is divided by its tokens.
static uint32_t least_by_tokens(const uint16_t *counts, struct schedule_decision *tried) {
  uint32_t least = UINT32_MAX;
  for (uint32_t e = 0; e < times.shape.experts; e++) {
    if (tried->cut[0][e] < times.placement.parts[0]) continue;
    tried->divided = e;
    for (tried->groups = 1; tried->groups < schedule_groups(counts[e]); tried->groups++) {
      recount(&times, counts, tried);
      if (tried->total < least) least = tried->total;
    }
  }
  tried->groups = 0;
  return least;
}

// The least total of all decisions, by trying them.
static uint32_t least_total(const uint16_t *counts) {
  const struct schedule_placement *p = &times.placement;
  const uint32_t first = p->parts[0] + 1;
  const uint32_t each = first * (p->pieces == 2 ? p->parts[1] + 1 : 1);
  uint32_t all = 1;
  uint32_t least = UINT32_MAX;
  static struct schedule_decision tried;
  for (uint32_t e = 0; e < times.shape.experts; e++) all *= each;
  for (uint32_t code = 0; code < all; code++) {
    uint32_t left = code;
    for (uint32_t e = 0; e < times.shape.experts; e++, left /= each) {
      tried.cut[0][e] = (uint8_t)(left % each % first);
      tried.cut[1][e] = (uint8_t)(left % each / first);
    }
    recount(&times, counts, &tried);
    if (tried.total < least) least = tried.total;
    if (p->layout != SCHEDULE_REPLICATED) continue;
    const uint32_t by_tokens = least_by_tokens(counts, &tried);
    if (by_tokens < least) least = by_tokens;
  }
  return least;
}

// Layers of up to three experts (small models: five) against all decisions: how much is lost by not trying
// them.
static void try_all_decisions(uint32_t replicated, double most, double mean) {
  double sum = 0;
  double worst = 1;
  // A few where only the tools that watch the program look at it, as with DUPLEX_SHARE=50.
  const unsigned cases = environment_count("DUPLEX_SHARE") < 10 ? DECISIONS : 6;
  for (unsigned i = 0; i < cases; i++) {
    struct duplex_random random;
    uint16_t counts[SCHEDULE_EXPERTS];
    duplex_random_seed(&random, environment_seed(), i);
    const unsigned model = i % MODELS;
    const uint32_t experts = 1 + (uint32_t)duplex_random_below(&random, model < 3 ? 2 : 5);
    make_model(&times, model, experts, replicated);
    const uint32_t chosen = 1 + (uint32_t)duplex_random_below(&random, experts);
    draw_counts(&random, i / MODELS % KINDS, experts, draw_scale(&random, 1024), chosen, counts);
    schedule_decide(SCHEDULE_BEST, &times, counts, &work, &decision);
    const uint32_t least = least_total(counts);
    assert_true(decision.total >= least);
    const double ratio = (double)decision.total / least;
    if (ratio > most)
      fail_msg("case %u, %s, %u experts: %u, expected at most %.2f x %u", i, model_names[model], experts,
               decision.total, most, least);
    sum += ratio;
    if (ratio > worst) worst = ratio;
  }
  print_message("best against all decisions of %u small layers, %s: %.4f on average, %.3f at most\n", cases,
                replicated ? "two copies" : "one copy", sum / cases, worst);
  assert_true(cases < DECISIONS || sum / cases < mean);  // the average of all of them
}

static void test_all_decisions(void **state) {
  (void)state;
  try_all_decisions(0, 1.25, 1.01);
  try_all_decisions(1, 1.09, 1.004);
}

// With copies a share that Logic-PIM has of an expert takes something off the xPU.
static void assert_relieving(const uint16_t *counts) {
  for (uint32_t e = 0; e < times.shape.experts; e++) {
    const uint32_t groups = schedule_groups(counts[e]);
    const uint32_t cut = decision.cut[0][e];
    assert_true(!cut ||
                SCHEDULE_TIME(&times, groups, xpu[0][cut]) < SCHEDULE_TIME(&times, groups, xpu[0][0]));
  }
}

static void assert_recounted(const uint16_t *counts) {
  static struct schedule_decision counted;
  schedule_decide(SCHEDULE_BEST, &times, counts, &work, &decision);
  counted = decision;
  recount(&times, counts, &counted);
  assert_int_equal(counted.total, decision.total);
  assert_memory_equal(counted.pim, decision.pim, sizeof counted.pim);
  assert_memory_equal(counted.xpu, decision.xpu, sizeof counted.xpu);
  if (times.placement.layout == SCHEDULE_REPLICATED) assert_relieving(counts);
}

// Tokens and sums that take so long, up to more than a share is worth, into the table.
static void charge(uint32_t tokens) {
  static struct schedule_times measured;
  measured = times;
  measured.costs[SCHEDULE_OF_PIECE].tokens = tokens;
  measured.costs[SCHEDULE_OF_PIECE].sums[8] = 8 * tokens;
  assert_true(schedule_charge(&measured, &times));
}

// Any shape, layout and counts, hot experts and idle ones, charged or not: the times told are those of the
// cuts.
static void test_times_are_those_of_the_cuts(void **state) {
  (void)state;
  for (unsigned i = 0; i < 2000; i++) {
    struct duplex_random random;
    struct schedule_placement placement;
    uint16_t counts[SCHEDULE_EXPERTS];
    duplex_random_seed(&random, environment_seed(), 2000 + i);
    const struct schedule_shape shape = draw_shape(&random, 2048, 4096, i);
    assert_true(schedule_place(&shape, &placement));
    schedule_formula(&shape, &placement, &times);
    if (i / 2 % 2) charge(1 + (uint32_t)duplex_random_below(&random, 300));
    const uint32_t most = 8 * 4096 / shape.experts;
    for (unsigned layer = 0; layer < 10; layer++) {
      const uint64_t idle = duplex_random_below(&random, 4);
      for (uint32_t e = 0; e < shape.experts; e++)
        counts[e] = duplex_random_below(&random, 4) < idle ? 0 : (uint16_t)draw_scale(&random, most);
      assert_recounted(counts);
    }
  }
}

// As many experts as there may be with as many tokens, where each lies twice.
static void test_all_alike(void **state) {
  static const uint16_t tokens[] = {0, 1, 9, 512, 513, 4096};
  (void)state;
  for (uint32_t experts = SCHEDULE_EXPERTS - 1; experts <= SCHEDULE_EXPERTS; experts++) {
    struct schedule_shape shape = model_shape(3, experts);
    const struct schedule_placement placement = {SCHEDULE_REPLICATED, 1, {1}, {{154}}};
    shape.replicated = 1;
    schedule_formula(&shape, &placement, &times);
    assert_true(schedule_valid(&times));
    for (unsigned i = 0; i < sizeof tokens / sizeof *tokens; i++) {
      uint16_t counts[SCHEDULE_EXPERTS];
      for (uint32_t e = 0; e < experts; e++) counts[e] = tokens[i];
      assert_recounted(counts);
      const uint32_t bound = schedule_bound(&times, counts);
      assert_true(decision.total <= bound + bound / 100 || tokens[i] > 512);
      assert_int_equal(decision.total > 0, tokens[i] > 0);
    }
  }
}

// Experts are in the order of their groups, and those beyond the table's in their own.
static uint32_t order_of(uint32_t tokens) {
  return (uint32_t)duplex_smaller(schedule_groups(tokens), SCHEDULE_GROUPS + 1);
}

// The experts before a place, in that order, on Logic-PIM and those behind it on the xPU; the one
// there with this cut, or with that many groups on Logic-PIM.
static void try_at(const uint16_t *counts, uint32_t at, uint32_t cut, uint32_t groups,
                   struct schedule_decision *tried) {
  const uint32_t of_place = order_of(counts[at]);
  for (uint32_t e = 0; e < times.shape.experts; e++) {
    const uint32_t own = order_of(counts[e]);
    const bool before = own < of_place || (own == of_place && e < at);
    tried->cut[0][e] = before ? (uint8_t)times.placement.parts[0] : 0;
  }
  tried->cut[0][at] = (uint8_t)cut;
  tried->divided = at;
  tried->groups = groups;
  recount(&times, counts, tried);
}

// The least total of all divisions, by columns or by tokens, of the expert with which Logic-PIM would take
// longer than the xPU, and without which it takes less.
static uint32_t least_in_order(const uint16_t *counts) {
  static struct schedule_decision tried;
  const uint32_t last = times.placement.parts[0];
  uint32_t least = UINT32_MAX;
  for (uint32_t at = 0; at < times.shape.experts; at++) {
    try_at(counts, at, last, 0, &tried);
    const bool too_much = tried.pim[0] > tried.xpu[1];
    try_at(counts, at, 0, 0, &tried);
    if (!too_much || tried.pim[0] > tried.xpu[1]) continue;
    for (uint32_t way = 0; way <= last + schedule_groups(counts[at]); way++) {
      try_at(counts, at, (uint32_t)duplex_smaller(way, last), way > last ? way - last : 0, &tried);
      if (tried.total < least) least = tried.total;
    }
  }
  return least;
}

// Clocks that a group of a hot expert takes the xPU.
static uint32_t relief(void) {
  const struct schedule_row *last = &times.rows[SCHEDULE_GROUPS];
  return (last->xpu[0][0] - (last - 1)->xpu[0][0]) * times.clocks_per_unit;
}

// Layers of few experts, some of them hot: of all divisions of one of them in their order the decision is the
// best, or one that cuts a second expert is shorter. Some divide one by its tokens. What moves costs less
// than what it takes off the xPU.
static void test_divisions(void **state) {
  unsigned by_tokens = 0;
  unsigned by_columns = 0;
  unsigned second = 0;
  (void)state;
  for (unsigned i = 0; i < 2000; i++) {
    struct duplex_random random;
    uint16_t counts[SCHEDULE_EXPERTS];
    duplex_random_seed(&random, environment_seed(), 3000 + i);
    const uint32_t experts = 1 + (uint32_t)duplex_random_below(&random, 4);
    make_model(&times, i % MODELS, experts, 1);
    if (times.placement.layout != SCHEDULE_REPLICATED) continue;
    if (i / MODELS % 3 == 0) charge(1 + (uint32_t)duplex_random_below(&random, relief() / 10));
    for (uint32_t e = 0; e < experts; e++) counts[e] = (uint16_t)draw_scale(&random, 4096);
    assert_recounted(counts);
    const uint32_t least = least_in_order(counts);
    if (decision.total > least || (decision.total < least && decision.groups))
      fail_msg("case %u, %s, %u experts: %u, expected %u", i, model_names[i % MODELS], experts,
               decision.total, least);
    second += decision.total < least;
    by_tokens += decision.groups > 0;
    decision.groups = schedule_stage_groups(&times, counts, &decision);  // of all as one stage
    const uint32_t total = decision.total;
    recount(&times, counts, &decision);
    assert_int_equal(decision.total, total);
    by_columns += decision.groups == 0;
  }
  print_message("%u layers divide an expert by its tokens, %u do not; %u cut a second one\n", by_tokens,
                by_columns, second);
  assert_true(by_tokens > 20 && by_columns > 20 && second > 10);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_decisions),
                                     cmocka_unit_test(test_times_are_those_of_the_cuts),
                                     cmocka_unit_test(test_all_alike), cmocka_unit_test(test_divisions)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
