// SPDX-License-Identifier: Apache-2.0
// What a layer tells of itself: events that add up to its times, and a placement that is wrong.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

// clang-format off: after what it needs
#include <cmocka.h>
// clang-format on

#include "device/share.h"
#include "duplex/error.h"
#include "tests/device/moe_case.h"

enum { EXPERTS = 8, HIDDEN = 64, INNER = 512, TOKENS = 12 };

// Small experts, two for each token.
static struct moe_case make_case(void) {
  struct duplex_random random;
  duplex_random_seed(&random, 1, 1);
  return (struct moe_case){.shape = {EXPERTS, HIDDEN, INNER},
                           .weights = {.router = draw(&random, EXPERTS * HIDDEN, 0.3, false),
                                       .up = draw(&random, EXPERTS * INNER * HIDDEN, 0.2, false),
                                       .down = draw(&random, EXPERTS * HIDDEN * INNER, 0.2, false)},
                           .routing = {.top_k = 2},
                           .x = draw(&random, TOKENS * HIDDEN, 1, false),
                           .tokens = TOKENS};
}

static struct duplex_device *open_device(enum duplex_policy policy, unsigned copies) {
  const struct duplex_device_options options = {.stacks = 1,
                                                .stack = {.backend = {.channels = 2}},
                                                .policy = policy,
                                                .threads = 1,
                                                .copies = copies,
                                                .always_decide = 1};
  struct duplex_device *device;
  char text[256];
  if (duplex_device_open("cmodel", &options, &device, text, sizeof text)) fail_msg("%s", text);
  return device;
}

static struct duplex_moe *load(struct duplex_device *device, const struct moe_case *c) {
  struct duplex_moe *moe;
  if (duplex_device_load_moe(device, &c->shape, &c->weights, duplex_activation_builtin("identity"), &moe))
    fail_msg("%s", duplex_device_last_error(device));
  return moe;
}

// Clocks of all events of that name, of the xPU.
static uint64_t clocks_of(const struct duplex_device *device, const char *name) {
  const struct duplex_event *events;
  const size_t count = duplex_device_events(device, &events);
  uint64_t clocks = 0;
  for (size_t i = 0; i < count; i++)
    if (events[i].track == 0 && strcmp(events[i].name, name) == 0) clocks += events[i].end - events[i].begin;
  return clocks;
}

// Everything that is charged to the xPU is an event, under the name that the pages give it. With two copies
// there is one phase.
static void check_events(unsigned copies) {
  struct moe_case c = make_case();
  struct duplex_device *device = open_device(DUPLEX_POLICY_BEST, copies);
  const struct duplex_moe *moe = load(device, &c);
  duplex_f16 y[TOKENS * HIDDEN];
  struct duplex_moe_stats stats;
  const struct duplex_event *events;
  assert_int_equal(duplex_device_moe(device, moe, &c.routing, c.x, c.tokens, y), 0);
  duplex_device_last_stats(device, &stats);
  assert_int_equal(stats.copies, copies);
  const struct {
    const char *name;
    uint64_t clocks;
  } charged[] = {{"route", stats.route},   {"decide", stats.decide}, {"tokens", stats.distribute},
                 {"launch", stats.launch}, {"reduce", stats.reduce}, {"combine", stats.combine}};
  for (unsigned i = 0; i < sizeof charged / sizeof *charged; i++) {
    // A decision that takes longer than a launch hides the only one.
    assert_true(charged[i].clocks > 0 || (copies > 1 && i == 3));
    if (clocks_of(device, charged[i].name) != charged[i].clocks)
      fail_msg("'%s' has %llu clocks as events, expected %llu", charged[i].name,
               (unsigned long long)clocks_of(device, charged[i].name), (unsigned long long)charged[i].clocks);
  }
  assert_true(clocks_of(device, "read, phase 0") > 0);
  assert_true((clocks_of(device, "read, phase 1") > 0) == (copies == 1));
  const size_t count = duplex_device_events(device, &events);
  assert_true(count > 0 && events[count - 1].end == stats.cycles);
  duplex_device_close(device);
  free_case(&c);
}

static void test_events(void **state) {
  (void)state;
  for (unsigned copies = 1; copies <= 2; copies++) check_events(copies);
}

// Bundles of two pieces that are not the ones in which their weights lie.
static void swap_pieces(struct duplex_moe *moe) {
  const unsigned last = moe->pieces - 1;
  const unsigned bundles = moe->stage[0].piece[0][0].bundles;
  moe->stage[0].piece[0][0].bundles = moe->stage[0].piece[0][last].bundles;
  moe->stage[0].piece[0][last].bundles = bundles;
}

// All parts of the copy but the last end elsewhere: a cut is not the same number of columns there.
static void move_ends(struct duplex_moe *moe) {
  static const size_t moved = 32;
  struct moe_piece *copy = &moe->stage[0].piece[0][1];
  assert_true(copy->parts > 1);
  if (copy->inner[0] == moe->stage[0].piece[0][0].inner[0]) {
    copy->inner[0] -= moved;
    copy->inner[copy->parts - 1] += moved;
  } else {
    copy->inner[0] += moved;
    copy->inner[copy->parts - 1] -= moved;
  }
}

// A planted wrong placement is reported, and the device goes on.
static void check_wrong(enum duplex_policy policy, unsigned copies, void (*plant)(struct duplex_moe *moe),
                        int reported, const char *said) {
  struct moe_case c = make_case();
  struct duplex_device *device = open_device(policy, copies);
  struct duplex_moe *moe = load(device, &c);
  duplex_f16 expected[TOKENS * HIDDEN];
  duplex_f16 y[TOKENS * HIDDEN];
  assert_int_equal(duplex_device_moe(device, moe, &c.routing, c.x, c.tokens, expected), 0);
  assert_true(moe->pieces > 1);
  plant(moe);
  const int error = duplex_device_moe(device, moe, &c.routing, c.x, c.tokens, y);
  printf("policy %d, %u copies: %d, '%s'\n", (int)policy, copies, error, duplex_device_last_error(device));
  assert_int_equal(error, reported);
  assert_non_null(strstr(duplex_device_last_error(device), said));
  plant(moe);
  assert_int_equal(duplex_device_moe(device, moe, &c.routing, c.x, c.tokens, y), 0);
  assert_memory_equal(y, expected, sizeof y);
  duplex_device_close(device);
  free_case(&c);
}

static void test_wrong_placement(void **state) {
  (void)state;
  check_wrong(DUPLEX_POLICY_BEST, 1, swap_pieces, DUPLEX_ERROR_ARGUMENT, "those of the piece");
  check_wrong(DUPLEX_POLICY_PAPER, 1, swap_pieces, DUPLEX_ERROR_OWNER, "products of experts were done");
  check_wrong(DUPLEX_POLICY_BEST, 2, swap_pieces, DUPLEX_ERROR_ARGUMENT, "those of the piece");
  check_wrong(DUPLEX_POLICY_BEST, 2, move_ends, DUPLEX_ERROR_OWNER, "products of experts were done");
}

// The xPU reads an expert in bundles that are Logic-PIM's, of two copies the wrong one: the stack refuses,
// and hands over afterwards.
static void test_wrong_owner(void **state) {
  (void)state;
  for (unsigned copies = 1; copies <= 2; copies++) {
    struct moe_case c = make_case();
    struct duplex_device *device = open_device(DUPLEX_POLICY_BEST, copies);
    const struct duplex_moe *moe = load(device, &c);
    const struct moe_stage *stage = &moe->stage[0];
    struct duplex_stack *stack = duplex_device_stack(device, 0);
    const struct share share = {.moe = moe, .stage = stage};
    const struct share copy = {.moe = moe, .stage = stage, .piece = 1};
    assert_int_equal(duplex_stack_hand_over(stack, stage->piece[0][0].bundles), 0);
    assert_int_equal(share_read(&share), DUPLEX_ERROR_OWNER);
    if (copies > 1) assert_int_equal(share_read(&copy), 0);
    assert_int_equal(duplex_stack_hand_over(stack, 0xf & ~stage->piece[0][0].bundles), 0);
    assert_int_equal(share_read(&share), 0);
    duplex_device_close(device);
    free_case(&c);
  }
}

// Whichever bundle has the xPU's copy: the same bits, the same work of each side, and within a rank the same
// clocks. Of the two ranks it is the other one that has two of Logic-PIM's bundles.
static void test_bundles(void **state) {
  const struct duplex_device_options options = {
      .stacks = 1, .stack = {.backend = {.channels = 2}}, .threads = 1, .copies = 2};
  struct moe_case c = make_case();
  duplex_f16 expected[TOKENS * HIDDEN];
  struct duplex_moe_stats stats[DUPLEX_BUNDLES];
  (void)state;
  oracle_moe(&c, expected);
  for (unsigned bundle = 0; bundle < DUPLEX_BUNDLES; bundle++) {
    duplex_f16 y[TOKENS * HIDDEN];
    run_in_bundle(&c, "cmodel", &options, bundle, y, &stats[bundle]);
    printf("bundle %u: %llu clocks, Logic-PIM %llu, xPU %llu\n", bundle,
           (unsigned long long)stats[bundle].cycles, (unsigned long long)stats[bundle].logic_pim[0],
           (unsigned long long)stats[bundle].xpu_reads[0]);
    assert_memory_equal(y, expected, sizeof y);
    assert_true(stats[bundle].xpu_macs && stats[bundle].logic_pim_macs);
    assert_true(stats[bundle].xpu_macs == stats[0].xpu_macs);
  }
  assert_memory_equal(&stats[0], &stats[1], sizeof stats[0]);
  assert_memory_equal(&stats[2], &stats[3], sizeof stats[0]);
  free_case(&c);
}

// A layer from one place between two refreshes takes the same clocks each time, and from others it may take
// others. Bits do not depend on it. The xPU has had all bundles: one hand-over each way is the layer's.
static void test_places(void **state) {
  enum { PLACES = 8 };
  struct moe_case c = make_case();
  struct duplex_device *device = open_device(DUPLEX_POLICY_BEST, 2);
  const struct duplex_moe *moe = load(device, &c);
  duplex_f16 expected[TOKENS * HIDDEN];
  uint64_t clocks[3 * PLACES];  // in the first round banks still are as loading left them
  unsigned others = 0;
  (void)state;
  oracle_moe(&c, expected);
  for (unsigned i = 0; i < 3 * PLACES; i++) {
    duplex_f16 y[TOKENS * HIDDEN];
    struct duplex_moe_stats stats;
    assert_int_equal(duplex_device_idle(device, i % PLACES, PLACES), 0);
    assert_int_equal(duplex_device_moe(device, moe, &c.routing, c.x, c.tokens, y), 0);
    duplex_device_last_stats(device, &stats);
    assert_memory_equal(y, expected, sizeof y);
    assert_int_equal(stats.hand_over, moe->stage->costs->given + moe->stage->costs->taken);
    clocks[i] = stats.cycles;
    others += clocks[i] != clocks[0];
  }
  assert_memory_equal(clocks + PLACES, clocks + 2 * PLACES, sizeof clocks / 3);
  assert_true(others > 0);
  duplex_device_close(device);
  free_case(&c);
}

// A hot expert, whose sums take the xPU longer than its reads, beside others with few tokens: it does one
// after the other, as the table has them, and what is predicted is what is shown.
static void test_hot_beside_others(void **state) {
  enum { HOT = 400, COLUMNS = 256 };
  static duplex_f16 router[EXPERTS * COLUMNS], weights[EXPERTS * COLUMNS * COLUMNS];
  static duplex_f16 x[HOT * COLUMNS], y[HOT * COLUMNS];
  const struct duplex_moe_shape shape = {EXPERTS, COLUMNS, COLUMNS};
  const struct duplex_moe_weights all = {.router = router, .up = weights, .down = weights};
  const struct duplex_moe_routing routing = {.top_k = 2};
  struct duplex_device *device = open_device(DUPLEX_POLICY_XPU, 1);
  struct duplex_moe *moe;
  struct duplex_moe_stats s;
  (void)state;
  for (unsigned e = 0; e < EXPERTS; e++) router[e * COLUMNS + e] = 0x3c00;
  for (unsigned t = 0; t < HOT; t++) {
    x[t * COLUMNS] = 0x4400;
    x[t * COLUMNS + 1 + t % (EXPERTS - 1)] = 0x4000;
  }
  assert_int_equal(duplex_device_load_moe(device, &shape, &all, duplex_activation_builtin("identity"), &moe),
                   0);
  assert_int_equal(duplex_device_moe(device, moe, &routing, x, HOT, y), 0);
  duplex_device_last_stats(device, &s);
  assert_int_equal(s.tokens[0], HOT);
  const double shown = (double)(s.sides + s.hand_over + s.distribute + s.reduce);
  printf("predicted %llu, shown %.0f; reads %llu, with sums %llu\n", (unsigned long long)s.predicted, shown,
         (unsigned long long)s.xpu_reads[1], (unsigned long long)s.xpu_estimate[1]);
  assert_true(s.xpu_estimate[1] > s.xpu_reads[1]);
  assert_true((double)s.predicted > 0.98 * shown && (double)s.predicted < 1.02 * shown);
  duplex_device_close(device);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_events),      cmocka_unit_test(test_wrong_placement),
      cmocka_unit_test(test_wrong_owner), cmocka_unit_test(test_bundles),
      cmocka_unit_test(test_places),      cmocka_unit_test(test_hot_beside_others)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
