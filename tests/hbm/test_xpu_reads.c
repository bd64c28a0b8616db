// SPDX-License-Identifier: Apache-2.0
// Queued reads of the xPU before the timing judge: each piece is read as often as it was asked for, with
// every preset, beside writes, streams, refreshes, missing grants and hand-overs; and not slower than its
// bundles allow.
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

enum {
  PIECE = 32,
  ROWS = 8,
  ROW_PIECES = 256,
  BUNDLE_PIECES = ROWS * ROW_PIECES,
  SETTLE = 500,
  LONG = 25000,
  MOST = 1000000
};

struct bench {
  struct duplex_xpu_traffic xpu;
  struct duplex_judge judge;
  int wanted[DUPLEX_BUNDLES][BUNDLE_PIECES];  // how often each piece has still to be read
  bool counts;                                // else any read will do
  uint64_t last_read;                         // its clock
};

static void take(struct bench *b, const struct duplex_judge_command *command) {
  if (!duplex_judge_take(&b->judge, command)) fail_msg("%s", b->judge.text);
}

static void own(struct bench *b, unsigned owned) {
  take(b, &(struct duplex_judge_command){2 * b->xpu.now + 1, DUPLEX_JUDGE_OWNER, 0, ~owned & 15, 0, false});
  duplex_xpu_take(&b->xpu, owned);
}

static void open_bench(struct bench *b, const struct duplex_dram_timing *timing, bool streams) {
  memset(b, 0, sizeof *b);
  duplex_xpu_start(&b->xpu, timing, 0, streams);
  duplex_judge_start(&b->judge, timing, false);
}

// Somebody must have asked for this piece.
static void note(struct bench *b, const struct duplex_hbm_xpu_pins *pins) {
  const unsigned row = b->judge.banks[pins->column_bundle][pins->column_bank].row;
  assert_in_range(row, 0, ROWS - 1);
  int *wanted =
      &b->wanted[pins->column_bundle][row * ROW_PIECES + pins->column_address * 8u + pins->column_bank];
  assert_true(*wanted > 0);
  --*wanted;
}

static void clock_once(struct bench *b, unsigned grant) {
  const struct duplex_hbm_xpu_pins *pins = &b->xpu.pins;
  const uint64_t left = b->xpu.reads_left;
  duplex_xpu_clock(&b->xpu, grant);
  const uint64_t tck = 2 * b->xpu.now;
  if (pins->row_valid)
    take(b, &(struct duplex_judge_command){tck, (enum duplex_judge_kind)pins->row_command, pins->row_bundle,
                                           1u << pins->row_bank, pins->row_address, true});
  if (!pins->column_valid) return;
  take(b, &(struct duplex_judge_command){tck, pins->column_write ? DUPLEX_JUDGE_WR : DUPLEX_JUDGE_RD,
                                         pins->column_bundle, 1u << pins->column_bank, pins->column_address,
                                         true});
  if (pins->column_write || left == b->xpu.reads_left) return;
  assert_int_equal(b->xpu.reads_left, left - 1);
  b->last_read = b->xpu.now;
  if (b->counts) note(b, pins);
}

// Until all is done, which must come to an end.
static void finish(struct bench *b) {
  for (unsigned i = 0; duplex_xpu_busy(&b->xpu); i++) {
    if (i == MOST) fail_msg("reads or writes that never come");
    clock_once(b, 15);
  }
}

static void settle(struct bench *b) {
  for (unsigned i = 0; i < SETTLE; i++) clock_once(b, 15);
}

// All bundles are the xPU's, and rested.
static void open_all(struct bench *b, const struct duplex_dram_timing *timing) {
  open_bench(b, timing, false);
  own(b, 15);
  settle(b);
}

static uint64_t address_of(uint64_t bundle, uint64_t row, uint64_t piece) {
  return bundle << DUPLEX_BUNDLE_LSB | row << DUPLEX_ROW_LSB | piece * PIECE;
}

static void ask(struct bench *b, unsigned bundle, unsigned piece, unsigned count) {
  assert_int_equal(duplex_xpu_read(&b->xpu, address_of(bundle, 0, piece), (size_t)count * PIECE), DUPLEX_OK);
  for (unsigned i = 0; i < count; i++) b->wanted[bundle][piece + i]++;
}

static bool nothing_wanted(const struct bench *b) {
  for (unsigned i = 0; i < DUPLEX_BUNDLES * BUNDLE_PIECES; i++)
    if (b->wanted[i / BUNDLE_PIECES][i % BUNDLE_PIECES]) return false;
  return true;
}

static unsigned one_of(struct duplex_random *random, unsigned owned) {
  unsigned bundle;
  do bundle = (unsigned)duplex_random_below(random, DUPLEX_BUNDLES);
  while (!(owned >> bundle & 1));
  return bundle;
}

// Ranges of any length, some that go on where the last one ended, some of the same bytes of row after row,
// and writes between them.
static void ask_at_random(struct bench *b, struct duplex_random *random) {
  const unsigned bundle = one_of(random, b->xpu.owned);
  const unsigned from = (unsigned)duplex_random_below(random, ROW_PIECES);
  const unsigned count = 1 + (unsigned)duplex_random_below(random, ROW_PIECES - from);
  const unsigned any = (unsigned)duplex_random_below(random, BUNDLE_PIECES);
  switch (duplex_random_below(random, 4)) {
    case 0:
      ask(b, bundle, any, (unsigned)duplex_random_below(random, BUNDLE_PIECES - any + 1));
      break;
    case 1:
      for (unsigned row = 0; row < ROWS; row++) ask(b, bundle, row * ROW_PIECES + from, count);
      break;
    case 2:
      ask(b, bundle, from, count);
      ask(b, bundle, from + count, BUNDLE_PIECES - from - count);
      break;
    default:
      assert_int_equal(duplex_xpu_write(&b->xpu, address_of(bundle, any % ROWS, from), (size_t)count * PIECE),
                       DUPLEX_OK);
  }
}

// A round: reads and writes in bundles that are given away, some of them, while they wait, and come back.
static void round_of(struct bench *b, struct duplex_random *random) {
  const unsigned chance = (unsigned)duplex_random_below(random, 4);
  const unsigned owned = 1 + (unsigned)duplex_random_below(random, 15);
  own(b, owned);
  for (unsigned i = 0; i < 6; i++) {
    ask_at_random(b, random);
    for (uint64_t n = duplex_random_below(random, 300); n > 0; n--)
      clock_once(b, chance && duplex_random_below(random, chance) ? 0 : 15);
  }
  own(b, owned & (unsigned)duplex_random_below(random, 16));
  for (uint64_t n = duplex_random_below(random, 200); n > 0; n--) clock_once(b, 15);
  own(b, 15);  // nobody refreshes what the xPU does not own
  finish(b);
  assert_true(nothing_wanted(b));
}

static void test_random(void **state) {
  (void)state;
  printf("seed %llu\n", (unsigned long long)environment_seed());
  const uint64_t numbers = 2 + 58 / environment_count("DUPLEX_SHARE");
  for (uint64_t number = 0; number < numbers; number++) {
    static struct bench b;
    struct duplex_random random;
    duplex_random_seed(&random, environment_seed(), number);
    struct duplex_dram_timing timing = duplex_dram_presets[number % DUPLEX_DRAM_PRESETS];
    timing.nRTR = (unsigned)duplex_random_below(&random, 3);
    open_bench(&b, &timing, duplex_random_below(&random, 2));
    b.counts = true;
    for (unsigned i = 0; i < 4; i++) {
      round_of(&b, &random);
      settle(&b);
    }
    assert_true(duplex_judge_finish(&b.judge, 2 * b.xpu.now));
    duplex_xpu_stop(&b.xpu);
  }
}

static unsigned clocks(unsigned tck) { return (tck + 1) / 2; }

static void queue_columns(struct bench *b, unsigned bundles, unsigned from, unsigned to, unsigned rows) {
  for (unsigned bundle = 0; bundle < DUPLEX_BUNDLES; bundle++)
    for (unsigned row = 0; bundles >> bundle & 1 && row < rows; row++)
      assert_int_equal(duplex_xpu_read(&b->xpu, address_of(bundle, row, from * 8),
                                       (size_t)(to - from) * DUPLEX_COLUMN_BYTES),
                       DUPLEX_OK);
}

// Without refresh, whole row sets go at one read each nCCDS from the first to the last, and the data of the
// last one have come when the xPU is not busy any more.
static void test_whole_rows(void **state) {
  (void)state;
  for (unsigned i = 0; i < DUPLEX_DRAM_PRESETS * 15; i++) {
    static struct bench b;
    struct duplex_dram_timing timing = duplex_dram_presets[i / 15];
    timing.nREFI = 1000000;
    open_all(&b, &timing);
    queue_columns(&b, i % 15 + 1, 0, DUPLEX_COLUMNS, 10);
    const uint64_t asked = b.xpu.now;
    const uint64_t reads = b.xpu.reads_left;
    for (unsigned n = 0; b.last_read == 0 && n < MOST; n++) clock_once(&b, 15);
    const uint64_t first = b.last_read;
    assert_int_equal(first - asked, 2 + clocks(timing.nRCDRD));  // a clock to ask for the grant
    finish(&b);
    assert_int_equal(b.last_read - first, (reads - 1) * clocks(timing.nCCDS));
    assert_int_equal(b.xpu.now - b.last_read, clocks(timing.nCL + timing.nBL));
    struct duplex_xpu_state seen = {0};
    duplex_xpu_add_state(&b.xpu, b.xpu.now + 4, &seen);
    assert_int_equal(seen.read_at, b.xpu.now + 4);
    duplex_xpu_stop(&b.xpu);
  }
}

// Bundles of the rank that has more of these.
static int most_of_rank(unsigned bundles) {
  const int low = __builtin_popcount(bundles & 3);
  const int high = __builtin_popcount(bundles & 12);
  return low > high ? low : high;
}

// The most that bundles can give, in reads a clock, of rows of which so many columns are read, as many rows
// of each bundle: four activations of a rank in nFAW; and a pair of banks is opened, read and closed in turn.
static double limit(const struct duplex_dram_timing *t, unsigned bundles, unsigned columns) {
  const double of_rank = (double)most_of_rank(bundles) / __builtin_popcount(bundles);
  const double activations = 4.0 * columns / clocks(t->nFAW) / of_rank;
  const unsigned turn =
      clocks(t->nRCDRD) + 2 * columns * clocks(t->nCCDS) + clocks(t->nRTPL) + clocks(t->nRP);
  const double pairs = __builtin_popcount(bundles) * 4.0 * 2 * columns / turn;
  const double bank_groups = 1.0 / clocks(t->nCCDS);
  double least = activations < pairs ? activations : pairs;
  if (bank_groups < least) least = bank_groups;
  return least;
}

// The share of time in which a bank is refreshed, or its rank may not be activated for the sake of one.
static double refreshed(const struct duplex_dram_timing *t, unsigned bundles) {
  return (t->nRFCPB + 8.0 * most_of_rank(bundles) * t->nRREFD) / t->nREFI;
}

// With refresh: it is hidden where whole rows of other banks are read meanwhile, else it costs its share.
static void test_rate(void **state) {
  (void)state;
  static const unsigned columns[] = {1, 2, 4, 8, 16, 32};
  static const unsigned masks[] = {1, 2, 8, 3, 5, 7, 15};
  for (unsigned i = 0; i < DUPLEX_DRAM_PRESETS * 7 * 6; i++) {
    static struct bench b;
    const struct duplex_dram_timing *timing = &duplex_dram_presets[i / 42];
    const unsigned bundles = masks[i / 6 % 7];
    const unsigned count = columns[i % 6];
    open_all(&b, timing);
    queue_columns(&b, bundles, DUPLEX_COLUMNS - count, DUPLEX_COLUMNS,
                  LONG / (count * 8) / (unsigned)__builtin_popcount(bundles));
    const uint64_t begin = b.xpu.now;
    const uint64_t reads = b.xpu.reads_left;
    finish(&b);
    const double share = (double)reads / (double)(b.last_read - begin);
    const double kept =
        count == DUPLEX_COLUMNS ? .997 : .93 * (1 - (count < 16 ? refreshed(timing, bundles) : 0));
    const double least = kept * limit(timing, bundles, count);
    printf("%s, bundles %x, %u columns: %.4f reads a clock\n", timing->name, bundles, count, share);
    if (share < least)
      fail_msg("%s, bundles %x, %u columns: %.4f reads a clock, expected %.4f", timing->name, bundles, count,
               share, least);
    duplex_xpu_stop(&b.xpu);
  }
}

// Gigabytes take little room: a bundle is one entry, and so are the same bytes of all its rows.
static void test_room(void **state) {
  (void)state;
  static struct bench b;
  open_all(&b, duplex_dram_preset(NULL));
  assert_int_equal(duplex_xpu_read(&b.xpu, 0, DUPLEX_CHANNEL_BYTES), DUPLEX_OK);
  for (unsigned row = 0; row < DUPLEX_BANK_ROWS; row++)
    assert_int_equal(duplex_xpu_read(&b.xpu, address_of(3, row, 100), 100 * PIECE), DUPLEX_OK);
  assert_int_equal(b.xpu.reads_left, DUPLEX_CHANNEL_BYTES / PIECE + 100 * DUPLEX_BANK_ROWS);
  for (unsigned bundle = 0; bundle < DUPLEX_BUNDLES; bundle++)
    assert_int_equal(b.xpu.read[bundle].count, bundle == 3 ? 2 : 1);
  duplex_xpu_stop(&b.xpu);
  assert_int_equal(b.xpu.read[3].count, 0);
}

// Rows that are read take turns with refreshes, also where one bank alone is read for long.
static void test_refresh(void **state) {
  (void)state;
  static struct bench b;
  open_all(&b, duplex_dram_preset(NULL));
  for (unsigned i = 0; i < 1200; i++)
    for (unsigned column = 0; column < DUPLEX_COLUMNS; column++)
      assert_int_equal(duplex_xpu_read(&b.xpu, address_of(1, i % 2, column * 8 + 5), PIECE), DUPLEX_OK);
  const uint64_t from = b.xpu.now;
  finish(&b);
  assert_true(b.xpu.now - from > (uint64_t)20 * b.xpu.timing.nREFI / 2);
  assert_true(duplex_judge_finish(&b.judge, 2 * b.xpu.now));
  duplex_xpu_stop(&b.xpu);
}

// One that follows another, its queue in memory of its own, does the same; what is queued alike stays alike.
static void test_twins(void **state) {
  (void)state;
  static struct bench a, b;
  struct duplex_random random;
  duplex_random_seed(&random, environment_seed(), 1000);
  open_all(&a, duplex_dram_preset(NULL));
  open_all(&b, duplex_dram_preset(NULL));
  for (unsigned i = 0; i < 40; i++) {
    struct duplex_random same = random;
    ask_at_random(&a, &random);
    ask_at_random(&b, &same);
    assert_true(duplex_xpu_same(&a.xpu, &b.xpu));
    for (uint64_t n = duplex_random_below(&random, 300); n > 0; n--) clock_once(&a, 15);
    duplex_xpu_follow(&b.xpu, &a.xpu);
    assert_true(duplex_xpu_same(&a.xpu, &b.xpu));
  }
  ask(&a, 2, 0, ROW_PIECES);
  ask(&b, 2, 0, ROW_PIECES);
  assert_true(duplex_xpu_same(&a.xpu, &b.xpu));
  ask(&a, 2, 3 * ROW_PIECES, ROW_PIECES);  // as much behind it, of another row
  ask(&b, 2, 5 * ROW_PIECES, ROW_PIECES);
  assert_false(duplex_xpu_same(&a.xpu, &b.xpu));
  duplex_xpu_stop(&a.xpu);
  duplex_xpu_stop(&b.xpu);
}

static void test_arguments(void **state) {
  (void)state;
  static struct bench b;
  open_all(&b, duplex_dram_preset(NULL));
  assert_int_equal(duplex_xpu_read(&b.xpu, 16, 32), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_xpu_read(&b.xpu, 32, 48), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_xpu_read(&b.xpu, DUPLEX_CHANNEL_BYTES, 32), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_xpu_read(&b.xpu, 32, SIZE_MAX - 31), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_xpu_read(&b.xpu, DUPLEX_CHANNEL_BYTES, 0), DUPLEX_OK);
  assert_false(duplex_xpu_busy(&b.xpu));
  duplex_xpu_stop(&b.xpu);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_random),   cmocka_unit_test(test_whole_rows),
                                     cmocka_unit_test(test_rate),     cmocka_unit_test(test_room),
                                     cmocka_unit_test(test_refresh),  cmocka_unit_test(test_twins),
                                     cmocka_unit_test(test_arguments)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
