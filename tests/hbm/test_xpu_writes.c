// SPDX-License-Identifier: Apache-2.0
// Writes of the xPU before the timing judge: each is done once, in its bank's order, with every preset and
// both activation rules, beside streams, refreshes and hand-overs; and not slower than its bank groups allow.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// clang-format off: after what it needs
#include <cmocka.h>
// clang-format on

#include "duplex/error.h"
#include "duplex/random.h"
#include "duplex/timing_judge.h"
#include "duplex/xpu_traffic.h"
#include "tests/common/environment.h"

enum { MOST = 3000, ATOM = 32, SETTLE = 500 };

struct bench {
  struct duplex_xpu_traffic xpu;
  struct duplex_judge judge;
  uint64_t wanted[MOST];
  bool done[MOST];
  unsigned count, owned;
};

static void take(struct bench *b, const struct duplex_judge_command *command) {
  if (!duplex_judge_take(&b->judge, command)) fail_msg("%s", b->judge.text);
}

static void own(struct bench *b, unsigned owned) {
  take(b, &(struct duplex_judge_command){2 * b->xpu.now + 1, DUPLEX_JUDGE_OWNER, 0, ~owned & 15, 0, false});
  duplex_xpu_take(&b->xpu, owned);
  b->owned = owned;
}

static void open_bench(struct bench *b, const struct duplex_dram_timing *timing, bool strict, bool streams) {
  memset(b, 0, sizeof *b);
  duplex_xpu_start(&b->xpu, timing, 0, streams);
  duplex_judge_start(&b->judge, timing, strict);
}

// The first write of this bank that is not done must be this one.
static void note(struct bench *b, const struct duplex_hbm_xpu_pins *pins) {
  const unsigned row = b->judge.banks[pins->column_bundle][pins->column_bank].row;
  const uint64_t address = (uint64_t)pins->column_bundle << DUPLEX_BUNDLE_LSB |
                           (uint64_t)row << DUPLEX_ROW_LSB | (uint64_t)pins->column_address << 8 |
                           (uint64_t)pins->column_bank * ATOM;
  for (unsigned i = 0; i < b->count; i++) {
    if (b->done[i] || (b->wanted[i] ^ address) >> DUPLEX_BUNDLE_LSB || (b->wanted[i] ^ address) / ATOM % 8)
      continue;
    assert_int_equal(b->wanted[i], address);
    b->done[i] = true;
    return;
  }
  fail_msg("a write that nobody asked for");
}

static void clock_once(struct bench *b) {
  const struct duplex_hbm_xpu_pins *pins = &b->xpu.pins;
  duplex_xpu_clock(&b->xpu, b->xpu.request);
  const uint64_t tck = 2 * b->xpu.now;
  if (pins->row_valid)
    take(b, &(struct duplex_judge_command){tck, (enum duplex_judge_kind)pins->row_command, pins->row_bundle,
                                           1u << pins->row_bank, pins->row_address, true});
  if (!pins->column_valid) return;
  take(b, &(struct duplex_judge_command){tck, pins->column_write ? DUPLEX_JUDGE_WR : DUPLEX_JUDGE_RD,
                                         pins->column_bundle, 1u << pins->column_bank, pins->column_address,
                                         true});
  if (pins->column_write) note(b, pins);
}

static void write(struct bench *b, uint64_t address) {
  if (b->count == MOST) return;
  assert_int_equal(duplex_xpu_write(&b->xpu, address, ATOM), 0);
  b->wanted[b->count++] = address;
}

static void finish(struct bench *b) {
  while (duplex_xpu_busy(&b->xpu)) clock_once(b);
  for (unsigned i = 0; i < b->count; i++) assert_true(b->done[i]);
  assert_int_equal(b->xpu.writes, b->count);
  b->count = 0, b->xpu.writes = 0;
  memset(b->done, 0, sizeof b->done);
}

// Some rows of some banks, in no order.
static void random_writes(struct bench *b, struct duplex_random *random) {
  const unsigned rows = 1 + (unsigned)duplex_random_below(random, 4);
  const unsigned count = (unsigned)duplex_random_below(random, 800);
  for (unsigned i = 0; i < count; i++) {
    uint64_t bundle;
    do bundle = duplex_random_below(random, 4);
    while (!(b->owned >> bundle & 1));
    write(b, bundle << DUPLEX_BUNDLE_LSB | duplex_random_below(random, rows) << DUPLEX_ROW_LSB |
                 duplex_random_below(random, 256) * ATOM);
    if (duplex_random_below(random, 50) == 0) clock_once(b);
  }
}

static void test_random(void **state) {
  (void)state;
  printf("seed %llu\n", (unsigned long long)environment_seed());
  for (unsigned number = 0; number < 60; number++) {
    static struct bench b;
    struct duplex_random random;
    duplex_random_seed(&random, environment_seed(), number);
    struct duplex_dram_timing timing = *duplex_dram_preset(number % 2 ? "hbm3_6400" : NULL);
    timing.nRTR = (uint16_t)duplex_random_below(&random, 3);
    open_bench(&b, &timing, duplex_random_below(&random, 2), duplex_random_below(&random, 2));
    for (unsigned round = 0; round < 4; round++) {
      own(&b, 1 + (unsigned)duplex_random_below(&random, 15));
      random_writes(&b, &random);
      finish(&b);
      for (uint64_t i = duplex_random_below(&random, 4000); i > 0; i--) clock_once(&b);
      // Nobody refreshes what the xPU does not own, so it gets all before the next round.
      own(&b, 15);
      for (unsigned i = 0; i < SETTLE; i++) clock_once(&b);
    }
    duplex_xpu_stop(&b.xpu);
  }
}

// Bank groups work beside each other, two clocks a write each and one for all; rows turn around unseen.
static void test_rate(void **state) {
  (void)state;
  static struct bench b;
  static const struct {
    unsigned banks;  // of each bundle, a mask
    double clocks_of_write;
  } cases[] = {{0x11, 2}, {0x33, 1}, {0xff, 1}};
  for (unsigned i = 0; i < 3; i++) {
    open_bench(&b, duplex_dram_preset(NULL), false, false);
    own(&b, 15);
    while (duplex_xpu_busy(&b.xpu)) clock_once(&b);
    for (unsigned row = 0; row < 5; row++)
      for (unsigned column = 0; column < 32; column++)
        for (unsigned bank = 0; bank < 8; bank++)
          for (uint64_t bundle = 0; bundle < 2 && cases[i].banks >> bank & 1; bundle++)
            write(&b, bundle << DUPLEX_BUNDLE_LSB | row << DUPLEX_ROW_LSB | column << 8 | bank * ATOM);
    const uint64_t from = b.xpu.now;
    const uint64_t count = b.count;
    finish(&b);
    const double clocks = (double)(b.xpu.now - from);
    const double least = (double)count * cases[i].clocks_of_write;
    assert_true(clocks >= least && clocks < 1.05 * least + 40);
    duplex_xpu_stop(&b.xpu);
  }
}

// The append of a position to eight KV heads (docs/decisions.md): single writes of K and columns of V in the
// same bank group, in bundles of two ranks. The group of the rank with more of V decides, if it is never kept
// waiting.
static void test_append(void **state) {
  (void)state;
  static struct bench b;
  open_bench(&b, duplex_dram_preset(NULL), false, false);
  own(&b, 15);
  while (duplex_xpu_busy(&b.xpu)) clock_once(&b);
  for (uint64_t pair = 0; pair < 8; pair++)
    for (uint64_t row_set = 2 * pair; row_set < 2 * pair + 2; row_set++) {
      const uint64_t address = row_set % 3 << DUPLEX_BUNDLE_LSB | row_set << DUPLEX_ROW_LSB;
      for (unsigned bank = 4; bank < 8; bank++) write(&b, address | bank * ATOM);
      for (uint64_t row = 0; row < 64; row++) write(&b, address | UINT64_C(1) << 26 | row << 7 | 3 * ATOM);
    }
  uint64_t left = 0;
  for (unsigned i = 0; i < 8; i++)
    left = b.xpu.group_left[i / 4][i % 4] > left ? b.xpu.group_left[i / 4][i % 4] : left;
  const uint64_t from = b.xpu.now;
  finish(&b);
  assert_true(b.xpu.now - from < 2 * left + 40);
  duplex_xpu_stop(&b.xpu);
}

// Writes that take longer than a refresh may wait.
static void test_refresh(void **state) {
  (void)state;
  static struct bench b;
  open_bench(&b, duplex_dram_preset(NULL), false, false);
  own(&b, 15);
  for (uint64_t i = 0; i < 1000; i++) write(&b, (i % 2) << DUPLEX_ROW_LSB);
  const uint64_t from = b.xpu.now;
  finish(&b);
  assert_true(b.xpu.now - from > (uint64_t)10 * b.xpu.timing.nREFI / 2);
  duplex_xpu_stop(&b.xpu);
}

static void test_arguments(void **state) {
  (void)state;
  static struct bench b;
  open_bench(&b, duplex_dram_preset(NULL), false, false);
  assert_int_equal(duplex_xpu_write(&b.xpu, 16, 32), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_xpu_write(&b.xpu, 32, 48), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_xpu_write(&b.xpu, DUPLEX_CHANNEL_BYTES, 32), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_xpu_write(&b.xpu, 0, 0), 0);
  assert_false(duplex_xpu_busy(&b.xpu));
  duplex_xpu_stop(&b.xpu);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_random), cmocka_unit_test(test_rate),
                                     cmocka_unit_test(test_append), cmocka_unit_test(test_refresh),
                                     cmocka_unit_test(test_arguments)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
