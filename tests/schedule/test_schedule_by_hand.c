// SPDX-License-Identifier: Apache-2.0
// Policies by hand-worked layers: the paper's, one side alone, `best` with one copy and two.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

// clang-format off: after what it needs
#include <cmocka.h>
// clang-format on

#include "schedule/schedule.h"

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

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_paper_by_hand),   cmocka_unit_test(test_one_side),
      cmocka_unit_test(test_best_by_hand),    cmocka_unit_test(test_copies_by_hand),
      cmocka_unit_test(test_tokens_by_hand),  cmocka_unit_test(test_second_cut_by_hand),
      cmocka_unit_test(test_copies_need_room)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
