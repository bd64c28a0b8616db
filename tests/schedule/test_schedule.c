// SPDX-License-Identifier: Apache-2.0
// Placement, tables and policies of an MoE layer: hand-worked layers, all decisions of small ones, damaged
// tables.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
// CMocka needs the four above first.
#include <cmocka.h>
#include <unistd.h>

#include "duplex/error.h"
#include "schedule/formula.h"
#include "schedule/tables_file.h"
#include "tests/common/environment.h"
#include "tests/schedule/distributions.h"
#include "tests/schedule/recount.h"

enum { DECISIONS = 300 };  // layers whose decisions are all tried

static struct schedule_times times;
static struct schedule_work work;
static struct schedule_decision decision;

// A table with round numbers: the xPU takes 100 for an expert of up to 10 groups and 10 a group beyond,
// Logic-PIM 25 a group, from one bundle 40.
static void make_round(uint32_t experts) {
  times = (struct schedule_times){.clocks_per_unit = 1,
                                  .shape = {4096, 4096, experts, 1, 32, 1, 0, 0, 0},
                                  .placement = {SCHEDULE_HALVED, 2, {2, 2}, {{1024, 1024}, {1024, 1024}}}};
  for (uint32_t g = 1; g <= SCHEDULE_GROUPS; g++) {
    struct schedule_row *row = &times.rows[g];
    row->whole = g <= 10 ? 100 : 10 * g;
    for (uint32_t b = 0; b < SCHEDULE_BUNDLES; b++) row->striped[b] = b ? 25 * g : 40 * g;
    for (uint32_t q = 0; q < 2; q++)
      for (uint32_t cut = 0; cut <= 2; cut++) {
        row->pim[q][cut] = 25 * g * cut / 4;
        row->xpu[q][cut] = row->whole * (2 - cut) / 4;
      }
  }
  times.slope = times.rows[4];
  times.slope.whole = 10;
  schedule_seal(&times);
  assert_true(schedule_valid(&times));
}

// The same for an expert that lies twice, in two parts.
static void make_copied(void) {
  times.shape.replicated = 1;
  times.placement = (struct schedule_placement){SCHEDULE_REPLICATED, 1, {2}, {{2048, 2048}}};
  for (uint32_t g = 1; g <= SCHEDULE_GROUPS; g++)
    for (uint32_t cut = 0; cut <= 2; cut++) {
      times.rows[g].pim[0][cut] = 25 * g * cut / 2;
      times.rows[g].xpu[0][cut] = times.rows[g].whole * (2 - cut) / 2;
    }
  for (uint32_t cut = 0; cut <= 2; cut++) {
    times.slope.pim[0][cut] = 25 * cut / 2;
    times.slope.xpu[0][cut] = 10 * (2 - cut) / 2;
  }
  schedule_seal(&times);
  assert_true(schedule_valid(&times));
}

struct worked {
  uint32_t experts;
  uint16_t counts[8];
  uint32_t spaces, owned, pim, xpu, total;
};

static void test_paper_by_hand(void **state) {
  static const struct worked cases[] = {
      // One expert of 1 group: 25 on Logic-PIM, which beats 40 from its own space, and 100.
      {1, {8}, 0, 15, 25, 0, 25},
      // 5 groups: Logic-PIM would take 125.
      {1, {40}, 0, 15, 0, 100, 100},
      // By increasing tokens 1, 2, 3, 9 groups: sums on Logic-PIM 40 (alone), 75, 150, 375 against 300, 200,
      // 100, 0;
      // three of them is the least, 150. Turns would take 25 + 50 + 75 + 100.
      {4, {16, 8, 72, 24}, 1, 0xb, 150, 100, 150},
      // Spaces {0, 4}, {1, 5}, {2}, {3} of 2, 9, 1 and 1 groups in all, tokens 16, 65, 8, 7. By increasing
      // tokens
      // 3, 2, 0, 1: 40, 50, 100 against 500, 400, 200: the last is not moved (325).
      {6, {8, 64, 8, 7, 8, 1}, 1, 0xd, 100, 200, 200},
      // Nobody has a token.
      {4, {0, 0, 0, 0}, 0, 15, 0, 0, 0},
  };
  (void)state;
  for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
    const struct worked *c = &cases[i];
    make_round(c->experts);
    schedule_decide(SCHEDULE_PAPER, &times, c->counts, &work, &decision);
    assert_int_equal(decision.spaces, c->spaces);
    assert_int_equal(decision.owned[0], c->owned);
    assert_int_equal(decision.pim[0] + decision.pim[1], c->pim);
    assert_int_equal(decision.xpu[0] + decision.xpu[1], c->xpu);
    assert_int_equal(decision.total, c->total);
  }
}

static void test_one_side(void **state) {
  static const uint16_t counts[] = {1, 0, 17, 800};
  (void)state;
  make_round(4);
  schedule_decide(SCHEDULE_XPU, &times, counts, &work, &decision);
  assert_int_equal(decision.total, 100 + 100 + 640 + 36 * 10);
  schedule_decide(SCHEDULE_PIM, &times, counts, &work, &decision);
  assert_int_equal(decision.total, 25 + 75 + 64 * 25 + 36 * 100);
  // 25 and 75 against 100: fractions of the last one, whose 1000 on the xPU fall by 1000 a 5200 of Logic-PIM.
  assert_int_equal(schedule_bound(&times, counts), 100 + 5200 * 900 / 6200);
}

static void test_best_by_hand(void **state) {
  static const uint16_t one[] = {32};
  static const uint16_t four[] = {8, 8, 8, 8};
  (void)state;
  make_round(1);
  // 4 groups take both sides 100: halves of both pieces on either side.
  schedule_decide(SCHEDULE_BEST, &times, one, &work, &decision);
  assert_int_equal(decision.total, 50);
  assert_int_equal(decision.cut[0][0] + decision.cut[1][0], 2);
  // Of four experts with a group, 3.2 belong on Logic-PIM.
  make_round(4);
  schedule_decide(SCHEDULE_BEST, &times, four, &work, &decision);
  assert_in_range(decision.total, schedule_bound(&times, four), 90);
  assert_int_equal(schedule_bound(&times, four), 80);
}

// Two copies: both sides at once, in one phase.
static void test_copies_by_hand(void **state) {
  static const uint16_t one[] = {32};
  static const uint16_t four[] = {8, 8, 8, 8};
  static const uint16_t idle[] = {0, 0, 0, 0};
  (void)state;
  make_round(1);
  make_copied();
  // 4 groups take both sides 100: half on either side.
  schedule_decide(SCHEDULE_BEST, &times, one, &work, &decision);
  assert_int_equal(decision.owned[0], 7);
  assert_int_equal(decision.owned[1], 0);
  assert_int_equal(decision.pim[0], 50);
  assert_int_equal(decision.xpu[1], 50);
  assert_int_equal(decision.total, 50);
  assert_int_equal(decision.cut[0][0], 1);
  assert_int_equal(decision.cut[1][0], 1);
  // Three experts on Logic-PIM and half of the fourth: 75 + 12 against 50.
  make_round(4);
  make_copied();
  schedule_decide(SCHEDULE_BEST, &times, four, &work, &decision);
  assert_int_equal(decision.total, 87);
  assert_memory_equal(decision.cut[0], "\2\2\2\1", 4);
  assert_memory_equal(decision.cut[1], "\2\2\2\1", 4);
  schedule_decide(SCHEDULE_BEST, &times, idle, &work, &decision);
  assert_int_equal(decision.total, 0);
  assert_int_equal(schedule_bundles(&times.placement, 3, 0), 7);
  assert_int_equal(schedule_bundles(&times.placement, 3, 1), 8);
}

// An expert of 20 groups takes the xPU 200 and Logic-PIM 500, so that half of its columns are too much for
// Logic-PIM. 5 groups take it 125, and the others the xPU 150.
static void test_tokens_by_hand(void **state) {
  static const uint16_t one[] = {157};
  static const uint16_t some[] = {8, 157, 0, 8};
  static const uint16_t few[] = {80};
  (void)state;
  make_round(1);
  make_copied();
  schedule_decide(SCHEDULE_BEST, &times, one, &work, &decision);
  assert_int_equal(decision.pim[0], 125);
  assert_int_equal(decision.xpu[1], 150);
  assert_int_equal(decision.divided, 0);
  assert_int_equal(decision.groups, 5);
  assert_int_equal(decision.cut[0][0], 2);
  assert_int_equal(decision.cut[1][0], 2);
  assert_int_equal(schedule_cut_tokens(&decision, 0, 157), 40);
  assert_int_equal(schedule_cut_tokens(&decision, 1, 157), 157);
  // 10 groups take the xPU as long as fewer of them.
  schedule_decide(SCHEDULE_BEST, &times, few, &work, &decision);
  assert_int_equal(decision.groups, 0);
  // Two of 1 group are Logic-PIM's, and 4 groups of the other one: 50 + 100 against 160.
  make_round(4);
  make_copied();
  schedule_decide(SCHEDULE_BEST, &times, some, &work, &decision);
  assert_int_equal(decision.total, 160);
  assert_int_equal(decision.divided, 1);
  assert_int_equal(decision.groups, 4);
  assert_memory_equal(decision.cut[0], "\2\2\0\2", 4);
  schedule_decide(SCHEDULE_XPU, &times, some, &work, &decision);
  assert_int_equal(decision.groups, 0);
}

// Two experts of one group, of one and two, in a table of 60 a group on Logic-PIM and 100 on the xPU, of
// which the first of two parts is 30 and 60. `unit`: clocks of 1.
static void make_two_parts(uint32_t experts, uint32_t unit) {
  make_round(experts);
  make_copied();
  times.clocks_per_unit = unit;
  for (uint32_t g = 1; g <= SCHEDULE_GROUPS; g++)
    for (uint32_t cut = 0; cut <= 2; cut++) {
      times.rows[g].pim[0][cut] = 30 * g * cut;
      times.rows[g].xpu[0][cut] = cut ? 40 * (2 - cut) : 100;
    }
  schedule_seal(&times);
  assert_true(schedule_valid(&times));
}

static void assert_cuts(const uint16_t *counts, uint32_t pim, uint32_t xpu, const char *cuts) {
  schedule_decide(SCHEDULE_BEST, &times, counts, &work, &decision);
  assert_int_equal(decision.pim[0], pim);
  assert_int_equal(decision.xpu[1], xpu);
  assert_memory_equal(decision.cut[0], cuts, times.shape.experts);
  assert_memory_equal(decision.cut[1], cuts, times.shape.experts);
}

// Where one cut leaves both sides far apart, an expert before it is cut too.
static void test_second_cut_by_hand(void **state) {
  static const uint16_t alike[] = {8, 0, 8};
  static const uint16_t other[] = {16, 8, 0};
  static const uint16_t five[] = {32, 8, 32, 16, 32};
  static const uint16_t many[9] = {8, 0, 8};
  static const uint16_t hot[] = {520, 600, 0};
  (void)state;
  make_two_parts(3, 100);
  assert_cuts(alike, 60, 80, "\1\0\1");  // and not 60 + 30 against 40
  assert_cuts(other, 90, 80, "\1\1\0");  // and not 60 against 100
  // Two ranks are before the front: with parts of the second one and of one of 32 tokens 240 against 280.
  make_two_parts(5, 100);
  assert_cuts(five, 180, 300, "\0\2\0\2\0");
  // 50 and 40 clocks are not worth it, and more than eight experts are too many.
  make_two_parts(3, 1);
  assert_cuts(alike, 90, 40, "\2\0\1");
  assert_cuts(other, 60, 100, "\0\2\0");
  make_two_parts(9, 100);
  assert_cuts(many, 90, 40, "\2\0\1\0\0\0\0\0");
  // Of hot experts, whose groups here add 10 to all of one on Logic-PIM, no second one is cut.
  make_two_parts(3, 100);
  for (uint32_t g = 2; g <= SCHEDULE_GROUPS; g++) times.rows[g] = times.rows[1];
  times.slope = (struct schedule_row){.pim = {{0, 0, 10}}};
  schedule_seal(&times);
  assert_cuts(hot, 70, 100, "\2\0\0");
}

// A layout of copies is for a shape that has room for them.
static void test_copies_need_room(void **state) {
  (void)state;
  make_round(4);
  make_copied();
  times.shape.replicated = 0;
  schedule_seal(&times);
  assert_false(schedule_valid(&times));
}

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

// Makes the table of a model, once for each of few experts; with room for a second copy of each, or without.
static void make_model(unsigned model, uint32_t experts, uint32_t replicated) {
  static struct schedule_times made[2][MODELS][8];
  struct schedule_shape shape = model_shape(model, experts);
  struct schedule_placement placement;
  if (experts < 8 && made[replicated][model][experts].version) {
    times = made[replicated][model][experts];
    return;
  }
  shape.replicated = replicated;
  assert_true(schedule_place(&shape, &placement));
  schedule_formula(&shape, &placement, &times);
  assert_true(schedule_valid(&times));
  if (experts < 8) made[replicated][model][experts] = times;
}

// Layers of up to three experts (small models: five) against all decisions: how much is lost by not trying
// them.
static void try_all_decisions(uint32_t replicated, double most) {
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
    make_model(model, experts, replicated);
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
  assert_true(cases < DECISIONS || sum / cases < 1.01);  // the average of all of them
}

static void test_all_decisions(void **state) {
  (void)state;
  try_all_decisions(0, 1.25);
  try_all_decisions(1, 1.25);
}

// Every inner column lies in one part of one stack.
static void test_parts_cover(void **state) {
  static uint8_t seen[SCHEDULE_SIZE];
  (void)state;
  for (unsigned i = 0; i < 40; i++) {
    struct duplex_random random;
    struct schedule_placement placement;
    duplex_random_seed(&random, environment_seed(), 1000 + i);
    const struct schedule_shape shape = {draw_scale(&random, 8192),
                                         draw_scale(&random, 32768),
                                         draw_scale(&random, SCHEDULE_EXPERTS),
                                         1 + (uint32_t)duplex_random_below(&random, 8),
                                         1 + (uint32_t)duplex_random_below(&random, 32),
                                         (uint32_t)duplex_random_below(&random, 2),
                                         0,
                                         i % 2,
                                         i / 2 % 2};
    assert_true(schedule_place(&shape, &placement));
    memset(seen, 0, sizeof seen);
    for (uint32_t stack = 0; stack < shape.stacks; stack++)
      for (uint32_t q = 0; q < placement.pieces; q++)
        for (uint32_t part = 0; part < placement.parts[q]; part++) {
          const struct schedule_range range = schedule_part(&shape, &placement, stack, q, part);
          assert_true(range.first + range.count <= shape.inner && range.count <= placement.width[q][part]);
          for (uint32_t c = 0; c < range.count; c++) seen[range.first + c]++;
        }
    for (uint32_t c = 0; c < shape.inner; c++) assert_int_equal(seen[c], 1);
    schedule_formula(&shape, &placement, &times);
    if (!schedule_valid(&times))
      fail_msg("case %u: H %u F %u stacks %u channels %u gated %u layout %u", i, shape.hidden, shape.inner,
               shape.stacks, shape.channels, shape.gated, placement.layout);
  }
}

// Where a small second piece adds less to the slope of the xPU than rounding takes off, it adds nothing.
static void test_small_slope(void **state) {
  const struct schedule_shape shape = {
      .hidden = 19, .inner = 980, .experts = 1, .stacks = 3, .channels = 4, .gated = 1};
  struct schedule_placement placement;
  (void)state;
  assert_true(schedule_place(&shape, &placement));
  assert_int_equal(placement.layout, SCHEDULE_SPLIT);
  schedule_formula(&shape, &placement, &times);
  assert_true(schedule_valid(&times));
  assert_int_equal(times.slope.xpu[1][1], 0);
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
    const struct schedule_shape shape = {draw_scale(&random, 2048),
                                         draw_scale(&random, 4096),
                                         draw_scale(&random, SCHEDULE_EXPERTS),
                                         1 + (uint32_t)duplex_random_below(&random, 8),
                                         1 + (uint32_t)duplex_random_below(&random, 32),
                                         (uint32_t)duplex_random_below(&random, 2),
                                         0,
                                         i % 2,
                                         i / 2 % 2};
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
    make_model(i % MODELS, experts, 1);
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

static void test_bad_shapes(void **state) {
  static const struct schedule_shape bad[] = {
      {0, 1, 1, 1, 1, 0, 0, 0, 0},   {1, 0, 1, 1, 1, 0, 0, 0, 0},     {1, 1, 0, 1, 1, 0, 0, 0, 0},
      {1, 1, 257, 1, 1, 0, 0, 0, 0}, {1, 1, 1, 0, 1, 0, 0, 0, 0},     {1, 1, 1, 9, 1, 0, 0, 0, 0},
      {1, 1, 1, 1, 33, 0, 0, 0, 0},  {1, 1, 1, 1, 1, 2, 0, 0, 0},     {1, 1, 1, 1, 1, 0, 4, 0, 0},
      {1, 1, 1, 1, 0, 0, 0, 0, 0},   {65537, 1, 1, 1, 1, 1, 0, 0, 0}, {1, 65537, 1, 1, 1, 1, 0, 0, 0},
      {1, 1, 1, 1, 1, 0, 0, 2, 0},   {1, 1, 1, 1, 1, 0, 0, 0, 2}};
  struct schedule_placement placement;
  (void)state;
  for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) assert_false(schedule_place(&bad[i], &placement));
}

// Tables of small shapes too, whose times are a few clocks, are in order, as measured ones are. Of this one
// the xPU's differences between rows were not.
static void test_small_formula(void **state) {
  static const struct schedule_shape shape = {
      .hidden = 6, .inner = 676, .experts = 3, .stacks = 2, .channels = 5, .gated = 1, .replicated = 1};
  static struct schedule_times times;
  struct schedule_placement placement;
  (void)state;
  assert_true(schedule_place(&shape, &placement));
  for (enum schedule_stage stage = SCHEDULE_EXPERT; stage <= SCHEDULE_DOWN; stage++) {
    schedule_formula_stage(&shape, &placement, stage, &times);
    assert_true(schedule_valid(&times));
    assert_true(schedule_charge(&times, &times));
  }
}

// By hand: 64 columns of down are 128 rows of a channel in four blocks. Beside the stream of each, 32 rows of
// exact sums take 173 clocks, and of rounded ones 44. Nothing else of a layer differs.
static void test_rounded_formula(void **state) {
  static const uint32_t width[] = {64};
  struct schedule_shape shape = {
      .hidden = 4096, .inner = 64, .experts = 1, .stacks = 1, .channels = 32, .gated = 1};
  (void)state;
  const uint64_t exact = formula_pim_clocks(&shape, width, 1, 1, SCHEDULE_BUNDLES);
  const uint64_t xpu = formula_xpu_clocks(&shape, 64, 1);
  shape.rounded = 1;
  assert_int_equal(formula_pim_clocks(&shape, width, 1, 1, SCHEDULE_BUNDLES), exact - 4 * (173 - 44));
  assert_int_equal(formula_xpu_clocks(&shape, 64, 1), xpu);
}

// Any word of a table that changes is found, and so are times out of order with the right hash.
static void test_damage(void **state) {
  (void)state;
  make_model(0, 8, 0);
  uint32_t *const words = (uint32_t *)&times;
  for (size_t i = 0; i < sizeof times / sizeof *words; i++) {
    words[i] ^= 1u << i % 32;
    assert_false(schedule_valid(&times));
    words[i] ^= 1u << i % 32;
  }
  assert_true(schedule_valid(&times));
  const uint32_t knee = times.knee[0];
  times.knee[0] = times.placement.parts[0] + 1;
  times.hash = schedule_hash(&times);
  assert_false(schedule_valid(&times));
  times.knee[0] = knee;
  times.overtaken[7] = SCHEDULE_GROUPS + 1;
  times.hash = schedule_hash(&times);
  assert_false(schedule_valid(&times));
  schedule_seal(&times);
  assert_true(schedule_valid(&times));
  times.rows[5].pim[1][1] = times.rows[5].pim[1][2] + 1;
  schedule_seal(&times);
  assert_false(schedule_valid(&times));
}

static void write_text(const char *path, const char *text) {
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fputs(text, file);
  assert_int_equal(fclose(file), 0);
}

// The text of a saved file with one change, and what is said of it.
static void assert_refused(const char *path, const char *good, const char *from, const char *to,
                           const char *said) {
  static char text[1 << 18], message[512];
  const char *at = strstr(good, from);
  static struct schedule_times loaded, before;
  uint32_t origin;
  assert_non_null(at);
  snprintf(text, sizeof text, "%.*s%s%s", (int)(at - good), good, to, at + strlen(from));
  write_text(path, text);
  before = loaded;
  assert_int_equal(schedule_load(path, &loaded, &origin, message, sizeof message), DUPLEX_ERROR_FORMAT);
  if (!strstr(message, said)) fail_msg("'%s': expected '%s'", message, said);
  assert_memory_equal(&loaded, &before, sizeof loaded);
}

static void test_files(void **state) {
  static struct schedule_times loaded;
  static char good[1 << 18];
  uint32_t origin = 0;
  char path[] = P_tmpdir "/duplex_schedule_XXXXXX", message[512];
  (void)state;
  make_model(4, 32, 1);
  const int descriptor = mkstemp(path);
  assert_true(descriptor >= 0);
  close(descriptor);
  assert_int_equal(schedule_save(path, &times, 4711, message, sizeof message), 0);
  assert_int_equal(schedule_load(path, &loaded, &origin, message, sizeof message), 0);
  assert_memory_equal(&loaded, &times, sizeof times);
  assert_int_equal(origin, 4711);
  FILE *file = fopen(path, "r");
  assert_non_null(file);
  const size_t bytes = fread(good, 1, sizeof good - 1, file);
  fclose(file);
  good[bytes] = 0;
  assert_refused(path, good, "version 7", "version 6", ":1: version 6, expected 7");
  assert_refused(path, good, "\nshape 7168", "\nshape 7169", ":2: the tables are damaged");
  assert_refused(path, good, "\nshape 7168", "\nshape 4294967296", ":5: expected 'shape' and 9 numbers");
  assert_refused(path, good, "\nshape 7168", "\nshape -1", ":5: expected 'shape'");
  assert_refused(path, good, "\ngroups_7 ", "\ngroups_8 ", ":15: expected 'groups_7'");
  assert_refused(path, good, "\nslope ", "\nslope 1 ", ":73: expected 'slope'");
  assert_refused(path, good, "\nslope ", "\n", ":73: expected 'slope'");
  assert_refused(path, good, "\ncosts_bundle 0 ", "\ncosts_bundle 1 ", ":2: the tables are damaged");
  assert_refused(path, good, "\ncosts_stripes ", "\ncosts ", ":76: expected 'costs_stripes' and 19 numbers");
  struct schedule_shape other = times.shape;
  assert_int_equal(schedule_check("here", &times, &times.shape, &times.placement, message, sizeof message),
                   0);
  other.rounded = 1;
  assert_int_equal(schedule_check("here", &times, &other, &times.placement, message, sizeof message),
                   DUPLEX_ERROR_FORMAT);
  assert_string_equal(message, "here: a table of another shape: rounded 0, expected 1");
  const struct schedule_placement nowhere = {0};
  assert_int_equal(schedule_check("here", &times, &times.shape, &nowhere, message, sizeof message),
                   DUPLEX_ERROR_FORMAT);
  assert_string_equal(message, "here: a table of another placement of experts");
  struct schedule_times forged = times;  // with a hash of its own
  forged.rows[5].xpu[0][1] = forged.rows[5].xpu[0][0] + 1;
  schedule_seal(&forged);
  assert_int_equal(schedule_save(path, &forged, 4711, message, sizeof message), 0);
  assert_int_equal(schedule_load(path, &loaded, &origin, message, sizeof message), DUPLEX_ERROR_FORMAT);
  if (!strstr(message, ": the hash is right, but placement or times are impossible")) fail_msg("%s", message);
  assert_memory_equal(&loaded, &times, sizeof times);
  assert_int_equal(unlink(path), 0);
  assert_int_equal(schedule_load(path, &loaded, &origin, message, sizeof message), DUPLEX_ERROR_IO);
  assert_int_equal(schedule_save("/nowhere/tables", &times, 0, message, sizeof message), DUPLEX_ERROR_IO);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_paper_by_hand),
      cmocka_unit_test(test_one_side),
      cmocka_unit_test(test_best_by_hand),
      cmocka_unit_test(test_all_decisions),
      cmocka_unit_test(test_parts_cover),
      cmocka_unit_test(test_times_are_those_of_the_cuts),
      cmocka_unit_test(test_small_slope),
      cmocka_unit_test(test_bad_shapes),
      cmocka_unit_test(test_all_alike),
      cmocka_unit_test(test_copies_by_hand),
      cmocka_unit_test(test_copies_need_room),
      cmocka_unit_test(test_tokens_by_hand),
      cmocka_unit_test(test_second_cut_by_hand),
      cmocka_unit_test(test_divisions),
      cmocka_unit_test(test_small_formula),
      cmocka_unit_test(test_rounded_formula),
      cmocka_unit_test(test_damage),
      cmocka_unit_test(test_files),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
