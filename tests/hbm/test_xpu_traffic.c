// SPDX-License-Identifier: Apache-2.0
// The xPU's stand-in alone. Every command goes before the timing judge, so that none is early; and for each
// timer of the stand-in some command must come in the first clock that its rule allows, so that none is late
// either. Its rate is that of a formula. Grants are given at random, and nothing moves without one.
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

#include "duplex/random.h"
#include "duplex/timing_judge.h"
#include "duplex/xpu_traffic.h"
#include "tests/common/environment.h"

#define LONG_AGO (-1000000)

enum { BANKS = 8, ALL = 15, READS_OF_PAIR = 64 };

#define WRITE_TO_PRE (t->nCWL + t->nBL + t->nWR)

// Rules whose first legal clock is looked for: from a command to another one, tCK of the timing. A PRE has
// three reasons, each with a decision of its own, and for each one must come in its first legal clock:
// another row of the bank, a refresh, a bundle given back.
#define RULES(RULE)                        \
  RULE(act_act_other_group, t->nRRDS)      \
  RULE(act_act_same_group, t->nRRDL)       \
  RULE(four_acts, t->nFAW)                 \
  RULE(act_act_bank, t->nRC)               \
  RULE(act_rd, t->nRCDRD)                  \
  RULE(act_wr, t->nRCDWR)                  \
  RULE(act_pre, t->nRAS)                   \
  RULE(pre_act, t->nRP)                    \
  RULE(pre_ref, t->nRP)                    \
  RULE(ref_act_bank, t->nRFCPB)            \
  RULE(ref_ref, t->nRREFD)                 \
  RULE(ref_act, t->nRREFD)                 \
  RULE(act_ref, t->nRRDS)                  \
  RULE(rd_rd, t->nCCDS)                    \
  RULE(rd_rd_group, t->nCCDL)              \
  RULE(rd_rd_rank, t->nCCDS + t->nRTR)     \
  RULE(rd_wr, t->nRTW + t->nRTR)           \
  RULE(rd_pre, t->nRTPL)                   \
  RULE(wr_wr, t->nCCDS)                    \
  RULE(wr_wr_group, t->nCCDL)              \
  RULE(wr_wr_rank, t->nCCDS + t->nRTR)     \
  RULE(wr_rd, t->nCWL + t->nBL + t->nWTRL) \
  RULE(wr_pre, WRITE_TO_PRE)               \
  RULE(taken_ref, t->nRFCPB)               \
  RULE(pre_row, 0)                         \
  RULE(pre_refresh, 0)                     \
  RULE(pre_given, 0)

#define NAME(rule, tck) rule,
enum rule { RULES(NAME) COUNT };
#undef NAME
#define TEXT(rule, tck) #rule,
static const char *const names[COUNT] = {RULES(TEXT)};
#undef TEXT

struct times {
  int64_t act, pre, ref, rd, wr;
};

// Why a PRE came, as the order of its rules; of several possible reasons none is sure.
enum reason { ROW, REFRESH, GIVEN, UNSURE };

struct bench {
  struct duplex_xpu_traffic xpu;
  struct duplex_judge judge;
  struct times bank[DUPLEX_BUNDLES][BANKS];
  int64_t acts[2][4];  // last ones of each rank
  int64_t taken[DUPLEX_BUNDLES];
  bool refresh_due, idle;  // before this clock: banks come to owe a refresh in it; nothing to read or write
  int64_t slack[COUNT];    // least clocks above the rule so far
};

static int64_t clocks(unsigned tck) { return (tck + 1) / 2; }

static void note(struct bench *b, enum rule rule, int64_t before) {
  const struct duplex_dram_timing *t = &b->xpu.timing;
#define TCK(rule, tck) tck,
  const unsigned least[COUNT] = {RULES(TCK)};
#undef TCK
  const int64_t slack = (int64_t)b->xpu.now - before - clocks(least[rule]);
  if (slack < b->slack[rule]) b->slack[rule] = slack;
}

static void take(struct bench *b, const struct duplex_judge_command *command) {
  if (!duplex_judge_take(&b->judge, command)) fail_msg("%s", b->judge.text);
}

// The last time of a kind of command in the banks of a rank: of one bank group, or of the others.
static int64_t last_of(const struct bench *b, size_t field, unsigned bundle, unsigned bank, bool same_group) {
  int64_t last = LONG_AGO;
  for (unsigned i = 0; i < 2 * BANKS; i++) {
    const unsigned other = bundle / 2 * 2 + i / BANKS;
    int64_t time;
    if (other == bundle && i % BANKS == bank) continue;
    memcpy(&time, (const char *)&b->bank[other][i % BANKS] + field, sizeof time);
    if ((i % 4 == bank % 4) == same_group && time > last) last = time;
  }
  return last;
}

static int64_t latest(int64_t a, int64_t b) { return a > b ? a : b; }

#define SAME(kind) last_of(b, offsetof(struct times, kind), bundle, bank, true)
#define OTHER(kind) last_of(b, offsetof(struct times, kind), bundle, bank, false)

static enum reason reason_of(const struct bench *b, unsigned bundle, unsigned bank) {
  if (!(b->xpu.owned >> bundle & 1)) return GIVEN;
  if (b->idle) return REFRESH;
  return b->xpu.bank[bundle][bank].owed || b->refresh_due ? UNSURE : ROW;
}

static void note_pre(struct bench *b, const struct times *own, enum reason reason) {
  const struct duplex_dram_timing *t = &b->xpu.timing;
  note(b, act_pre, own->act);
  note(b, rd_pre, own->rd);
  note(b, wr_pre, own->wr);
  if (reason == UNSURE) return;
  const int64_t after_columns = latest(own->rd + clocks(t->nRTPL), own->wr + clocks(WRITE_TO_PRE));
  note(b, pre_row + reason, latest(own->act + clocks(t->nRAS), after_columns));
}

static void note_row(struct bench *b, const struct duplex_hbm_xpu_pins *pins) {
  const unsigned bundle = pins->row_bundle;
  const unsigned bank = pins->row_bank;
  const unsigned rank = bundle / 2;
  struct times *own = &b->bank[bundle][bank];
  const int64_t now = (int64_t)b->xpu.now;
  if (pins->row_command == DUPLEX_JUDGE_ACT) {
    note(b, act_act_other_group, OTHER(act));
    note(b, act_act_same_group, SAME(act));
    note(b, four_acts, b->acts[rank][0]);
    note(b, act_act_bank, own->act);
    note(b, pre_act, own->pre);
    note(b, ref_act_bank, own->ref);
    note(b, ref_act, latest(SAME(ref), OTHER(ref)));
    memmove(&b->acts[rank][0], &b->acts[rank][1], 3 * sizeof b->acts[rank][0]);
    own->act = b->acts[rank][3] = now;
  } else if (pins->row_command == DUPLEX_JUDGE_PRE) {
    note_pre(b, own, reason_of(b, bundle, bank));
    own->pre = now;
  } else {
    note(b, pre_ref, own->pre);
    note(b, ref_ref, latest(SAME(ref), OTHER(ref)));
    note(b, act_ref, OTHER(act));
    note(b, taken_ref, b->taken[bundle]);
    own->ref = now;
  }
}

// The last column command of a kind in one rank.
static int64_t last_column(const struct bench *b, unsigned rank, bool write) {
  int64_t last = LONG_AGO;
  for (unsigned i = 0; i < 2 * BANKS; i++) {
    const struct times *t = &b->bank[2 * rank + i / BANKS][i % BANKS];
    last = latest(last, write ? t->wr : t->rd);
  }
  return last;
}

static void note_column(struct bench *b, const struct duplex_hbm_xpu_pins *pins) {
  const unsigned bundle = pins->column_bundle;
  const unsigned bank = pins->column_bank;
  const unsigned rank = bundle / 2;
  struct times *own = &b->bank[bundle][bank];
  const int64_t rd = last_column(b, rank, false);
  const int64_t wr = last_column(b, rank, true);
  if (pins->column_write) {
    note(b, act_wr, own->act);
    note(b, wr_wr, wr);
    note(b, wr_wr_group, latest(SAME(wr), own->wr));
    note(b, wr_wr_rank, last_column(b, !rank, true));
    note(b, rd_wr, latest(rd, last_column(b, !rank, false)));
    own->wr = (int64_t)b->xpu.now;
  } else {
    note(b, act_rd, own->act);
    note(b, rd_rd, rd);
    note(b, rd_rd_group, latest(SAME(rd), own->rd));
    note(b, rd_rd_rank, last_column(b, !rank, false));
    note(b, wr_rd, latest(wr, last_column(b, !rank, true)));
    own->rd = (int64_t)b->xpu.now;
  }
}

// One clock of the xPU with this grant.
static void clock_once(struct bench *b, unsigned grant) {
  const struct duplex_hbm_xpu_pins *pins = &b->xpu.pins;
  const unsigned asked = b->xpu.request;
  b->refresh_due = b->xpu.refresh_due == b->xpu.now + 1;
  b->idle = !b->xpu.streams && !b->xpu.writes_left;
  duplex_xpu_clock(&b->xpu, grant);
  const uint64_t tck = 2 * b->xpu.now;
  if (pins->row_valid) {
    const unsigned rank = 1u << pins->row_bundle / 2;
    const unsigned needed[] = {rank, 0, rank << 2};
    assert_int_equal(needed[pins->row_command] & ~(asked & grant), 0);
    take(b, &(struct duplex_judge_command){tck, (enum duplex_judge_kind)pins->row_command, pins->row_bundle,
                                           1u << pins->row_bank, pins->row_address, true});
    note_row(b, pins);
  }
  if (!pins->column_valid) return;
  take(b, &(struct duplex_judge_command){tck, pins->column_write ? DUPLEX_JUDGE_WR : DUPLEX_JUDGE_RD,
                                         pins->column_bundle, 1u << pins->column_bank, pins->column_address,
                                         true});
  note_column(b, pins);
}

static void own(struct bench *b, unsigned owned) {
  take(b, &(struct duplex_judge_command){2 * b->xpu.now + 1, DUPLEX_JUDGE_OWNER, 0, ~owned & 15, 0, false});
  for (unsigned bundle = 0; bundle < DUPLEX_BUNDLES; bundle++)
    if ((owned & ~b->xpu.owned) >> bundle & 1) b->taken[bundle] = (int64_t)b->xpu.now;
  duplex_xpu_take(&b->xpu, owned);
}

static void start(struct bench *b, const struct duplex_dram_timing *timing, bool streams) {
  memset(b, 0, sizeof *b);
  duplex_xpu_start(&b->xpu, timing, 0, streams);
  duplex_judge_start(&b->judge, timing, false);
  for (unsigned i = 0; i < DUPLEX_BUNDLES * BANKS; i++)
    b->bank[i / BANKS][i % BANKS] = (struct times){LONG_AGO, LONG_AGO, LONG_AGO, LONG_AGO, LONG_AGO};
  for (unsigned i = 0; i < 8; i++) b->acts[i / 4][i % 4] = LONG_AGO;
  for (unsigned i = 0; i < COUNT; i++) b->slack[i] = INT64_MAX;
}

static void write_some(struct bench *b, struct duplex_random *random) {
  const unsigned count = (unsigned)duplex_random_below(random, 60);
  for (unsigned i = 0; i < count; i++) {
    uint64_t bundle;
    do bundle = duplex_random_below(random, 4);
    while (!(b->xpu.owned >> bundle & 1));
    assert_int_equal(
        duplex_xpu_write(&b->xpu,
                         bundle << DUPLEX_BUNDLE_LSB | duplex_random_below(random, 3) << DUPLEX_ROW_LSB |
                             duplex_random_below(random, 256) * 32,
                         32),
        0);
  }
}

// Bundles change hands in the middle of reads, or behind the last write.
static void hand_over(struct bench *b, struct duplex_random *random) {
  own(b, ALL);
  for (uint64_t i = 200 + duplex_random_below(random, 600); i > 0; i--) clock_once(b, ALL);
  write_some(b, random);
  while (b->xpu.writes_left) clock_once(b, ALL);
  for (uint64_t i = duplex_random_below(random, 4) * 20; i > 0; i--) clock_once(b, ALL);
  own(b, (unsigned)duplex_random_below(random, ALL));
  for (unsigned i = 0; i < 100; i++) clock_once(b, ALL);
}

static void keep_least(int64_t slack[COUNT], const struct bench *b) {
  for (unsigned i = 0; i < COUNT; i++)
    if (b->slack[i] < slack[i]) slack[i] = b->slack[i];
}

// A run beside random writes; what it finds goes into `slack`.
static void run(const struct duplex_dram_timing *timing, unsigned owned, bool streams,
                struct duplex_random *random, int64_t slack[COUNT]) {
  static struct bench b;
  start(&b, timing, streams);
  for (uint64_t i = duplex_random_below(random, 3) * timing->nREFI / 2; i > 0; i--) clock_once(&b, ALL);
  own(&b, owned);
  for (unsigned i = 0; i < 9000; i++) {
    if (duplex_random_below(random, 1500) == 0) write_some(&b, random);
    clock_once(&b, ALL);
  }
  keep_least(slack, &b);
  duplex_xpu_stop(&b.xpu);
}

// Hand-overs, for a time in which nobody must refresh what the xPU does not own.
static void run_hand_overs(const struct duplex_dram_timing *timing, bool streams,
                           struct duplex_random *random, int64_t slack[COUNT]) {
  static struct bench b;
  start(&b, timing, streams);
  while (b.xpu.now < 3 * timing->nREFI) hand_over(&b, random);
  keep_least(slack, &b);
  duplex_xpu_stop(&b.xpu);
}

// Each rule is the one that decides in some of these runs: the preset as it is, and with one time so long
// that it does.
static void test_neither_early_nor_late(void **state) {
  (void)state;
  printf("seed %llu\n", (unsigned long long)environment_seed());
  for (unsigned preset = 0; preset < DUPLEX_DRAM_PRESETS; preset++) {
    struct duplex_random random;
    int64_t slack[COUNT];
    duplex_random_seed(&random, environment_seed(), preset);
    for (unsigned i = 0; i < COUNT; i++) slack[i] = INT64_MAX;
    for (unsigned variant = 0; variant < 5; variant++) {
      struct duplex_dram_timing timing = duplex_dram_presets[preset];
      timing.nRTR = (unsigned)duplex_random_below(&random, 3);
      if (variant == 1) timing.nRFCPB = 701;
      if (variant == 2) timing.nRC = 601;
      if (variant == 3) timing.nRAS = 301, timing.nRC = timing.nRAS + timing.nRP;
      if (variant == 4) timing.nRREFD = 151;
      for (unsigned owned = 1; owned < 16; owned++) run(&timing, owned, owned % 4 != 3, &random, slack);
      for (unsigned bundle = 0; bundle < 4; bundle++) run(&timing, 1u << bundle, true, &random, slack);
      for (unsigned i = 0; i < 4; i++) run_hand_overs(&timing, i % 2, &random, slack);
    }
    for (unsigned i = 0; i < COUNT; i++)
      if (slack[i] != 0)
        fail_msg("%s, %s: %lld clocks late at least", duplex_dram_presets[preset].name, names[i],
                 (long long)slack[i]);
  }
}

// Clocks of `pairs` pairs from the first read on. Without refresh: one read each nCCDS, and a switch of rank
// where the next pair lies in another one.
static uint64_t formula(const struct duplex_dram_timing *t, unsigned owned, uint64_t pairs) {
  const bool both = (owned & 3) && (owned & 12);
  const unsigned bundles = (unsigned)__builtin_popcount(owned);
  const uint64_t lost = (uint64_t)(clocks(t->nCCDS + t->nRTR) - clocks(t->nCCDS));
  return pairs * READS_OF_PAIR * (uint64_t)clocks(t->nCCDS) + (both ? 2 * lost * pairs / bundles : 0);
}

static void test_rate(void **state) {
  (void)state;
  for (unsigned i = 0; i < DUPLEX_DRAM_PRESETS * 3 * 15; i++) {
    static struct bench b;
    const unsigned owned = i % 15 + 1;
    struct duplex_dram_timing timing = duplex_dram_presets[i / 45];
    timing.nRTR = i / 15 % 3;
    timing.nREFI = 1000000;
    const uint64_t pairs = 12 * 8;
    start(&b, &timing, true);
    own(&b, owned);
    const int64_t taken = (int64_t)b.xpu.now;
    while (b.xpu.reads == 0) {
      const bool left_alone = (int64_t)b.xpu.now < taken + clocks(timing.nRFCPB);
      assert_int_equal(duplex_xpu_busy(&b.xpu), left_alone);
      clock_once(&b, ALL);
    }
    const uint64_t first = (uint64_t)(clocks(timing.nRFCPB) + clocks(timing.nRCDRD));
    assert_int_equal(b.xpu.now - (uint64_t)taken, first);
    const uint64_t begin = b.xpu.now;
    while (b.xpu.reads <= pairs * READS_OF_PAIR) clock_once(&b, ALL);
    assert_int_equal(b.xpu.now - begin, formula(&timing, owned, pairs));
    duplex_xpu_stop(&b.xpu);
  }
}

// With refresh: each bank waits for its own only, the others hide it.
static void test_rate_with_refresh(void **state) {
  (void)state;
  for (unsigned owned = 1; owned < 16; owned++) {
    static struct bench b;
    start(&b, duplex_dram_preset(NULL), true);
    own(&b, owned);
    for (unsigned i = 0; i < 60000; i++) clock_once(&b, ALL);
    const double share = (double)b.xpu.reads / 60000;
    if (share < 0.995) fail_msg("bundles %x: %.4f reads a clock", owned, share);
    duplex_xpu_stop(&b.xpu);
  }
}

// Grants at random, hand-overs: legal, and refreshes in time.
static void test_grants(void **state) {
  (void)state;
  for (unsigned number = 0; number < 30; number++) {
    static struct bench b;
    struct duplex_random random;
    duplex_random_seed(&random, environment_seed(), 100 + number);
    struct duplex_dram_timing timing = duplex_dram_presets[number % DUPLEX_DRAM_PRESETS];
    timing.nRTR = (unsigned)duplex_random_below(&random, 3);
    start(&b, &timing, duplex_random_below(&random, 2));
    for (unsigned round = 0; round < 4; round++) {
      own(&b, 1 + (unsigned)duplex_random_below(&random, 15));
      const unsigned chance = 1 + (unsigned)duplex_random_below(&random, 4);
      for (uint64_t i = duplex_random_below(&random, 9000); i > 0; i--)
        clock_once(&b, duplex_random_below(&random, chance) ? 0 : (unsigned)duplex_random_below(&random, 16));
      own(&b, 15);  // nobody refreshes what the xPU does not own, so it gets all before the next round
      for (unsigned i = 0; i < 1500; i++) clock_once(&b, ALL);
    }
    assert_true(duplex_judge_finish(&b.judge, 2 * b.xpu.now));
    duplex_xpu_stop(&b.xpu);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_neither_early_nor_late),
                                     cmocka_unit_test(test_rate), cmocka_unit_test(test_rate_with_refresh),
                                     cmocka_unit_test(test_grants)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
