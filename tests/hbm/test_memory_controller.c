// SPDX-License-Identifier: Apache-2.0
// The memory controller before the timing judge: every request done once and in order, no command too early
// and none too late, rates of streams, the limit of age, refresh, and time in any steps. DUPLEX_SEED repeats
// a run, DUPLEX_ONLY=n one case of it.
#include <limits.h>
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
#include "duplex/hbm.h"
#include "duplex/memory_controller.h"
#include "duplex/random.h"
#include "tests/common/environment.h"
#include "tests/hbm/memory_bench.h"

static const char *const presets[] = {"hbm3_5200", "hbm3_6400"};
static const char *const mappings[] = {"tensor", "row_bank_column", "bundle"};

// --- latency ---

// One request at a time, a long way apart: its latency is the sum of the timing parameters of its commands.
static void test_latency(void **state) {
  (void)state;
  static struct bench b;
  for (unsigned i = 0; i < 2; i++) {
    const struct duplex_memory_parameters p = defaults(presets[i], NULL, 1);
    const struct duplex_dram_timing *t = &p.timing;
    open_bench(&b, &p, NULL);
    const struct duplex_memory_place places[] = {{0, 0, 0, 5, 3}, {0, 0, 0, 5, 9}, {0, 0, 0, 6, 3}};
    for (unsigned j = 0; j < 3; j++) b.address[j] = duplex_memory_address_of(b.controller, &places[j]);
    const struct {
      unsigned place;
      bool write;
      unsigned latency;
    } cases[] = {{0, false, t->nRCDRD + t->nCL + t->nBL},           // the bank is closed
                 {1, false, t->nCL + t->nBL},                       // its row is open
                 {0, true, t->nCWL + t->nBL},                       //
                 {2, false, t->nRP + t->nRCDRD + t->nCL + t->nBL},  // another row is open
                 {0, true, t->nRP + t->nRCDWR + t->nCWL + t->nBL}};
    for (unsigned j = 0; j < 5; j++) {
      b.tck = 1 + j * 150;  // before the first refresh of this bank
      b.latency_most = 0;
      submit(&b, cases[j].place, cases[j].write);
      drain(&b);
      assert_int_equal(b.latency_most, cases[j].latency);
    }
    // After a long rest all are closed and refreshed.
    b.tck = 10u * t->nREFI;
    b.latency_most = 0;
    submit(&b, 1, false);
    close_bench(&b);
    assert_true(b.latency_most >= t->nCL + t->nBL && b.latency_most <= t->nRP + t->nRFCPB + cases[0].latency);
  }
}

// --- rates ---

// What share of the data pins' time carries data when `count` requests of a kind follow each other at places
// `stride` accesses apart, submitted as fast as they are taken.
static double rate_of(struct bench *b, const struct duplex_memory_parameters *p, unsigned count,
                      uint64_t stride, bool write) {
  open_bench(b, p, NULL);
  for (unsigned i = 0; i < count; i++) {
    // Places come round; their accesses do not.
    const unsigned place = i % PLACES;
    assert_true(i < PLACES || b->note[i - PLACES].done);
    b->address[place] = i * stride * DUPLEX_MEMORY_ACCESS_BYTES % duplex_memory_bytes(b->controller);
    b->stored[place] = b->written[place] = 0;
    submit(b, place, write);
  }
  close_bench(b);
  const double tck = (double)(b->last_done - b->first_issued);
  return (double)count / p->channels * p->timing.nCCDS / tck;
}

// A stream over all banks, or over the bank groups, reaches what the pins can give, refresh on; one bundle
// alone cannot, since its rows turn around together.
static void test_streams(void **state) {
  (void)state;
  static struct bench b;
  static const double least[] = {0.97, 0.97, 0.80};
  const unsigned count = environment_count("DUPLEX_SHARE") > 1 ? 8000 : 36000;
  for (unsigned i = 0; i < 12; i++) {
    const struct duplex_memory_parameters p = defaults(presets[i % 2], mappings[i / 4], 2);
    const double rate = rate_of(&b, &p, count, 1, i / 2 % 2);
    printf("%s %s %s: %.4f of the pins\n", presets[i % 2], mappings[i / 4], i / 2 % 2 ? "writes" : "reads",
           rate);
    assert_true(rate >= least[i / 4] && rate <= 1);
  }
}

// Another row of one bank each time: the bank's cycle, less what refresh takes. nRAS + nRP is longer than
// nRC here, and what was opened for a read is read nRCDRD later.
static void test_one_bank(void **state) {
  (void)state;
  static struct bench b;
  for (unsigned i = 0; i < 2; i++) {
    struct duplex_memory_parameters p = defaults(presets[i], NULL, 1);
    const struct duplex_dram_timing *t = &p.timing;
    p.age_limit = 1000000;
    const double rate = rate_of(&b, &p, 2000, 1024, false);
    const double cycle = t->nRAS + t->nRP;
    const double without_refresh = 1 - (double)(t->nRFCPB + t->nRP) / t->nREFI;
    printf("%s one bank: %.1f tCK a read\n", presets[i], t->nCCDS / rate);
    assert_true(t->nCCDS / rate >= cycle && t->nCCDS / rate * without_refresh <= 1.01 * cycle);
  }
}

// --- random ---

// Places of the accesses of a case: in a row, apart, anywhere, or in few rows of few banks.
static void choose_places(struct bench *b, struct duplex_random *random, unsigned count) {
  const uint64_t accesses = duplex_memory_bytes(b->controller) / DUPLEX_MEMORY_ACCESS_BYTES;
  const uint64_t kind = duplex_random_below(random, 4);
  const uint64_t stride = UINT64_C(1) << duplex_random_below(random, 20);
  const uint64_t first = duplex_random_below(random, accesses);
  for (unsigned i = 0; i < count; i++) {
    uint64_t access = first + i;
    if (kind == 1) access = first + i * stride;
    if (kind == 2) access = duplex_random_below(random, accesses);
    b->address[i] = access % accesses * DUPLEX_MEMORY_ACCESS_BYTES;
    const struct duplex_memory_place place = {
        (unsigned)duplex_random_below(random, b->parameters.channels),
        (unsigned)duplex_random_below(random, 4), (unsigned)duplex_random_below(random, 2) * 4,
        (unsigned)duplex_random_below(random, 3), (unsigned)duplex_random_below(random, 32)};
    if (kind == 3) b->address[i] = duplex_memory_address_of(b->controller, &place);
  }
}

static struct duplex_memory_parameters random_parameters(struct duplex_random *random) {
  struct duplex_memory_parameters p =
      defaults(presets[duplex_random_below(random, 2)], mappings[duplex_random_below(random, 3)],
               1u << duplex_random_below(random, 3));
  p.timing.nRTR = (unsigned)duplex_random_below(random, 3);
  p.read_queue = 1 + (unsigned)duplex_random_below(random, 80);
  p.write_queue = 1 + (unsigned)duplex_random_below(random, 80);
  p.write_high = 1 + (unsigned)duplex_random_below(random, p.write_queue);
  p.write_low = (unsigned)duplex_random_below(random, p.write_high);
  p.age_limit = 2 + (unsigned)duplex_random_below(random, duplex_random_below(random, 2) ? 200 : 5000);
  p.postponed_refreshes = (unsigned)duplex_random_below(random, 7);
  return p;
}

// The longest that a request may take once it is over its age: older ones go first, one at a time, and each
// waits at most for a refresh of its bank, those of the rank, a row that turns around and a turn of the bus.
static uint64_t longest(const struct duplex_memory_parameters *p, unsigned older) {
  const struct duplex_dram_timing *t = &p->timing;
  const uint64_t refresh = t->nRFCPB + 16u * t->nRREFD;
  const uint64_t row = t->nRAS + t->nCWL + t->nBL + t->nWR + t->nRP + t->nFAW + t->nRCDRD;
  const uint64_t column = t->nRTW + t->nRTR + t->nCWL + t->nBL + t->nWTRL + t->nCL + t->nBL;
  return p->age_limit + (older + 1u) * (refresh + row + column);
}

// Random requests with pauses; in random steps of time too, if `steps` is not NULL.
static void run_case(struct bench *b, uint64_t number, struct duplex_random *steps) {
  struct duplex_random random;
  duplex_random_seed(&random, environment_seed(), number);
  const struct duplex_memory_parameters p = random_parameters(&random);
  open_bench(b, &p, NULL);
  const unsigned places =
      1 + (unsigned)duplex_random_below(&random, duplex_random_below(&random, 2) ? 8 : PLACES);
  choose_places(b, &random, places);
  const unsigned count = (unsigned)duplex_random_below(&random, 3000);
  const unsigned of_writes = (unsigned)duplex_random_below(&random, 5);  // in four
  const uint64_t pause = 1 + duplex_random_below(&random, 20);
  const bool in_order = duplex_random_below(&random, 2);
  for (unsigned i = 0; i < count; i++) {
    b->tck += duplex_random_below(&random, pause) * duplex_random_below(&random, 2);
    if (duplex_random_below(&random, 500) == 0) b->tck += duplex_random_below(&random, 30000);
    if (steps && duplex_random_below(steps, 2))
      duplex_memory_advance(b->controller, b->tck - duplex_random_below(steps, b->tck + 1) % 64);
    const unsigned place = in_order ? i % places : (unsigned)duplex_random_below(&random, places);
    submit(b, place, duplex_random_below(&random, 4) < of_writes);
  }
  close_bench(b);
  assert_true(b->latency_most <= longest(&p, p.read_queue + p.write_queue));
}

// Every rule was used to the last tCK. nRC is not among them: nRAS + nRP is longer.
static void check_least(const int64_t least[DISTANCES], const struct duplex_dram_timing *t) {
  const unsigned bound[DISTANCES] = {[ACT_RD] = t->nRCDRD,
                                     [ACT_WR] = t->nRCDWR,
                                     [ACT_PRE] = t->nRAS,
                                     [PRE_ACT] = t->nRP,
                                     [RD_PRE] = t->nRTPL,
                                     [WR_PRE] = t->nCWL + t->nBL + t->nWR,
                                     [ACT_ACT] = t->nRRDS,
                                     [ACT_ACT_GROUP] = t->nRRDL,
                                     [FIVE_ACTS] = t->nFAW,
                                     [PRE_PRE] = t->nPPD,
                                     [RD_RD] = t->nCCDS,
                                     [WR_WR] = t->nCCDS,
                                     [COLUMN_GROUP] = t->nCCDL,
                                     [RD_WR] = t->nRTW,
                                     [WR_RD] = t->nCWL + t->nBL + t->nWTRS,
                                     [WR_RD_GROUP] = t->nCWL + t->nBL + t->nWTRL,
                                     [REF_ACT] = t->nRFCPB,
                                     [REF_REF] = t->nRREFD};
  for (unsigned i = 0; i < DISTANCES; i++)
    if (least[i] != bound[i]) fail_msg("distance %u: %d seen, %u allowed", i, (int)least[i], bound[i]);
}

static void test_random(void **state) {
  (void)state;
  static struct bench whole, stepped;
  const uint64_t share = environment_count("DUPLEX_SHARE");
  const uint64_t cases = 60 * environment_count("DUPLEX_CASES") / share + 1;
  const uint64_t one = environment_number("DUPLEX_ONLY", UINT64_MAX);
  int64_t least[2][DISTANCES];
  for (unsigned i = 0; i < 2 * DISTANCES; i++) least[i / DISTANCES][i % DISTANCES] = INT64_MAX;
  printf("seed %llu", (unsigned long long)environment_seed());
  for (uint64_t number = one == UINT64_MAX ? 0 : one; number < cases || number == one; number++) {
    struct duplex_random steps;
    duplex_random_seed(&steps, environment_seed(), ~number);
    printf(number % 20 ? " %llu" : "\ncases %llu", (unsigned long long)number);  // the last one has failed
    fflush(stdout);
    run_case(&whole, number, NULL);
    run_case(&stepped, number, &steps);
    assert_memory_equal(whole.hash, stepped.hash, sizeof whole.hash);
    assert_int_equal(whole.last_done, stepped.last_done);
    const unsigned preset = strcmp(whole.parameters.timing.name, presets[0]) != 0;
    for (unsigned i = 0; i < DISTANCES; i++)
      if (whole.least[i] < least[preset][i]) least[preset][i] = whole.least[i];
    if (number == one) return;
  }
  printf("\n");
  if (share > 1) return;  // too few to meet every distance
  for (unsigned i = 0; i < 2; i++) check_least(least[i], duplex_dram_preset(presets[i]));
}

// --- policy ---

// A stream of hits in a row does not keep another row of its bank waiting beyond the limit of age.
static void test_age_limit(void **state) {
  (void)state;
  static struct bench b;
  for (unsigned write = 0; write < 2; write++) {
    struct duplex_memory_parameters p = defaults(NULL, NULL, 1);
    p.age_limit = 1000;
    open_bench(&b, &p, NULL);
    for (unsigned i = 0; i < 33; i++) {
      const struct duplex_memory_place place = {0, 0, 0, i == 32, i % 32};
      b.address[i] = duplex_memory_address_of(b.controller, &place);
    }
    for (unsigned i = 0; i < 2000; i++) {
      submit(&b, i == 500 ? 32 : i % 32, i == 500 && write);
      if (i == 500) b.latency_most = 0;
    }
    drain(&b);
    const struct duplex_memory_statistics s = duplex_memory_statistics_of(b.controller);
    assert_true(b.latency_most > p.age_limit / 2 && b.latency_most <= longest(&p, 0));
    assert_int_equal(s.reads + s.writes, 2000);
    if (!write) assert_true(s.limited > 0);
    close_bench(&b);
  }
}

// Reads and writes in equal parts, both queues kept full: neither waits for long, and turns are few.
static void test_turns(void **state) {
  (void)state;
  static struct bench b;
  const struct duplex_memory_parameters p = defaults(NULL, NULL, 1);
  open_bench(&b, &p, NULL);
  for (unsigned i = 0; i < PLACES; i++) b.address[i] = i * DUPLEX_MEMORY_ACCESS_BYTES;
  for (unsigned i = 0; i < 20000; i++) submit(&b, i % PLACES, i / PLACES % 2 ? i % 3 == 0 : i % 2);
  close_bench(&b);
  const double rate = 20000.0 * p.timing.nCCDS / (double)(b.last_done - b.first_issued);
  printf("mixed: %.4f of the pins, longest latency %llu\n", rate, (unsigned long long)b.latency_most);
  assert_true(rate > 0.6 && b.latency_most < p.age_limit);
}

// Writes that keep their queue full leave a turn to a read after those that waited when theirs began; each of
// them takes nCCDS, and no row has to turn around for more than its cycle.
static void test_reads_among_writes(void **state) {
  (void)state;
  static struct bench b;
  const struct duplex_memory_parameters p = defaults(NULL, NULL, 1);
  const struct duplex_dram_timing *t = &p.timing;
  open_bench(&b, &p, NULL);
  for (unsigned i = 0; i < PLACES; i++) b.address[i] = i * DUPLEX_MEMORY_ACCESS_BYTES;
  for (unsigned i = 0; i < 20000; i++) submit(&b, i % PLACES, i % 100 != 0);
  close_bench(&b);
  printf("reads among writes: longest latency %llu\n", (unsigned long long)b.read_latency_most);
  assert_true(b.read_latency_most <= 2 * p.write_queue * t->nCCDS + t->nRFCPB + 2 * t->nRC);
}

// A read that follows a write of the same bytes is not kept until the write queue is full.
static void test_read_after_write(void **state) {
  (void)state;
  static struct bench b;
  const struct duplex_memory_parameters p = defaults(NULL, NULL, 1);
  const struct duplex_dram_timing *t = &p.timing;
  open_bench(&b, &p, NULL);
  submit(&b, 0, true);
  submit(&b, 0, false);
  drain(&b);
  assert_int_equal(b.latency_most, t->nRCDWR + t->nCWL + t->nBL + t->nWTRL + t->nCL + t->nBL);
  close_bench(&b);
}

// Every bank gets its refreshes, whether it is idle or read all the time.
static void test_refresh(void **state) {
  (void)state;
  static struct bench b;
  for (unsigned busy = 0; busy < 2; busy++) {
    const struct duplex_memory_parameters p = defaults(NULL, NULL, 1);
    open_bench(&b, &p, NULL);
    submit(&b, 0, false);
    const uint64_t end = 40u * p.timing.nREFI;
    while (busy && b.tck < end) {
      submit(&b, 0, false);
      b.tck += 6;
    }
    duplex_memory_advance(b.controller, end);
    b.tck = end;
    for (unsigned bank = 0; bank < 32; bank++) {
      const uint64_t refreshes = b.judge[0].banks[bank / 8][bank % 8].refreshes;
      assert_true(refreshes <= 41 && refreshes + p.postponed_refreshes + 2 >= 40);
    }
    if (!busy) assert_int_equal(duplex_memory_next(b.controller), UINT64_MAX);
    close_bench(&b);
  }
}

// --- rests ---

static void take_refreshes(void *user, unsigned channel, uint64_t intervals) {
  struct bench *b = user;
  if (!duplex_judge_repeat(&b->judge[channel], intervals)) fail_msg("%s", b->judge[channel].text);
}

// Some requests, and then a rest.
static void work_and_rest(struct bench *b, uint64_t seed, uint64_t tck) {
  struct duplex_random random;
  duplex_random_seed(&random, environment_seed(), seed);
  for (uint64_t i = duplex_random_below(&random, 200); i; i--) {
    submit(b, (unsigned)duplex_random_below(&random, 64), duplex_random_below(&random, 2));
    b->tck += duplex_random_below(&random, 30);
  }
  b->tck += tck;
  duplex_memory_advance(b->controller, b->tck);
}

// The hash of the commands from here on.
static void start_hash(struct bench *b) { memset(b->hash, 0, sizeof b->hash); }

static void compare_benches(const struct bench *a, const struct bench *b) {
  const struct duplex_memory_statistics told = duplex_memory_statistics_of(a->controller);
  const struct duplex_memory_statistics taken = duplex_memory_statistics_of(b->controller);
  assert_memory_equal(&told, &taken, sizeof told);
  assert_memory_equal(a->judge, b->judge, sizeof a->judge);
  assert_int_equal(a->last_done, b->last_done);
}

// A bench that takes the refreshes of a rest by number has the judge, the statistics, the times and the later
// commands of one that is told of each.
static void test_rests(void **state) {
  (void)state;
  static struct bench told, taken;
  const unsigned cases = 20 * (unsigned)environment_count("DUPLEX_CASES");
  for (unsigned n = 0; n < cases; n++) {
    struct duplex_random random;
    duplex_random_seed(&random, environment_seed(), 1000 + n);
    struct duplex_memory_parameters p = random_parameters(&random);
    do {
      p.timing.nREFI = 300 + (unsigned)duplex_random_below(&random, 4000);
    } while (duplex_memory_wrong(&p, NULL, 0));
    open_bench(&told, &p, NULL);
    open_bench(&taken, &p, take_refreshes);
    choose_places(&told, &random, 64);
    memcpy(taken.address, told.address, sizeof taken.address);
    for (unsigned rest = 0; rest < 6; rest++) {
      const uint64_t tck = duplex_random_below(&random, 40 * p.timing.nREFI);
      work_and_rest(&told, 100 * n + rest, tck);
      work_and_rest(&taken, 100 * n + rest, tck);
      compare_benches(&told, &taken);
    }
    start_hash(&told);
    start_hash(&taken);
    for (unsigned place = 0; place < 64; place++) submit(&told, place, false), submit(&taken, place, false);
    drain(&told);
    drain(&taken);
    compare_benches(&told, &taken);
    assert_memory_equal(told.hash, taken.hash, sizeof told.hash);
    close_bench(&told);
    close_bench(&taken);
  }
}

// The rest of 2^59 tCK takes no time, and its refreshes are all there.
static void test_long_rest(void **state) {
  (void)state;
  static struct bench b;
  for (unsigned i = 0; i < 2; i++) {
    const struct duplex_memory_parameters p = defaults(presets[i], NULL, 2);
    open_bench(&b, &p, take_refreshes);
    submit(&b, 0, true);
    b.tck = UINT64_C(1) << 59;
    submit(&b, 0, false);
    close_bench(&b);
    const uint64_t due = b.tck / p.timing.nREFI;
    for (unsigned bank = 0; bank < 32; bank++) {
      const uint64_t refreshes = b.judge[0].banks[bank / 8][bank % 8].refreshes;
      assert_true(refreshes >= due - 1 && refreshes <= due + 1);
    }
    // As a judge that sees no refreshes would say.
    struct duplex_judge judge = b.judge[0];
    const struct duplex_judge_command late = {.tck = b.tck + (p.timing.nREFMAX + 3) * p.timing.nREFI,
                                              .kind = DUPLEX_JUDGE_PRE,
                                              .mask = 1,
                                              .xpu = true};
    assert_false(duplex_judge_take(&judge, &late));
    // Reads are no refreshes.
    assert_false(duplex_judge_repeat(&b.judge[0], 1));
  }
}

// --- interface ---

// Every address has a place of its own; "bundle" is the layout of a stack, channel bits aside.
static void test_mapping(void **state) {
  (void)state;
  struct duplex_random random;
  duplex_random_seed(&random, environment_seed(), 1);
  for (unsigned i = 0; i < 3; i++) {
    const struct duplex_memory_parameters p = defaults(NULL, mappings[i], 32);
    struct duplex_memory_controller *m;
    assert_int_equal(duplex_memory_open(&p, NULL, &m), 0);
    assert_int_equal(duplex_memory_bytes(m), UINT64_C(16) << 30);
    for (unsigned j = 0; j < 2000; j++) {
      const uint64_t address = duplex_random_below(&random, duplex_memory_bytes(m) / 32) * 32;
      const struct duplex_memory_place place = duplex_memory_place_of(m, address);
      assert_int_equal(duplex_memory_address_of(m, &place), address);
      assert_int_equal(place.channel, address / 32 % 32);
      const uint64_t in_stack = (uint64_t)place.bundle << DUPLEX_BUNDLE_LSB |
                                (uint64_t)place.row << DUPLEX_ROW_LSB |
                                (uint64_t)place.column << DUPLEX_COLUMN_LSB | (uint64_t)place.bank * 32;
      if (i == 2) assert_int_equal(in_stack, address / 1024 * 32);
    }
    duplex_memory_close(m);
  }
  // The paper's order of ordinary tensors: pseudo channel, rank, bank group, bank, column, row.
  const struct duplex_memory_parameters p = defaults(NULL, "tensor", 32);
  struct duplex_memory_controller *m;
  assert_int_equal(duplex_memory_open(&p, NULL, &m), 0);
  const struct duplex_memory_place at[] = {{1, 0, 0, 0, 0}, {0, 2, 0, 0, 0}, {0, 0, 1, 0, 0},
                                           {0, 0, 2, 0, 0}, {0, 0, 4, 0, 0}, {0, 1, 0, 0, 0},
                                           {0, 0, 0, 0, 1}, {0, 0, 0, 1, 0}};
  const unsigned bit[] = {5, 10, 11, 12, 13, 14, 15, 20};
  for (unsigned i = 0; i < 8; i++)
    assert_int_equal(duplex_memory_address_of(m, &at[i]), UINT64_C(1) << bit[i]);
  duplex_memory_close(m);
  assert_null(duplex_memory_mapping_of("none"));
}

// `name`: the parameter that the text of the error names first.
static void refuse(struct duplex_memory_parameters p, const char *name) {
  struct duplex_memory_controller *m;
  char wrong[128], few[4];
  assert_true(duplex_memory_wrong(&p, wrong, sizeof wrong));
  assert_true(duplex_memory_wrong(&p, few, sizeof few));
  assert_memory_equal(wrong, name, strlen(name));
  assert_int_equal(wrong[strlen(name)], ':');
  assert_int_equal(duplex_memory_open(&p, NULL, &m), DUPLEX_ERROR_ARGUMENT);
  assert_null(m);
}

static void test_arguments(void **state) {
  (void)state;
  struct duplex_memory_parameters p;
  assert_int_equal(duplex_memory_defaults("none", &p), DUPLEX_ERROR_ARGUMENT);
  const struct duplex_memory_parameters good = defaults(NULL, NULL, 1);
  assert_false(duplex_memory_wrong(&good, NULL, 0));
  const struct {
    const char *name;
    unsigned *field;
    unsigned value;
  } bad[] = {{"channels", &p.channels, 0},
             {"channels", &p.channels, 3},
             {"read_queue", &p.read_queue, 0},
             {"read_queue", &p.read_queue, DUPLEX_MEMORY_QUEUE_MOST + 1},
             {"write_queue", &p.write_queue, DUPLEX_MEMORY_QUEUE_MOST + 1},
             {"write_high", &p.write_high, 65},
             {"write_low", &p.write_low, 56},
             {"age_limit", &p.age_limit, 1},
             {"timing.tCK_ps", &p.timing.tCK_ps, 0},
             {"timing.tCK_ps", &p.timing.tCK_ps, 99},
             {"timing.tCK_ps", &p.timing.tCK_ps, 10001},
             {"timing.nREFI", &p.timing.nRCDRD, 60000},
             {"timing.nREFI", &p.timing.nREFI, 1},
             {"postponed_refreshes", &p.postponed_refreshes, 7},
             {"postponed_refreshes", &p.postponed_refreshes, UINT_MAX}};
  for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    p = good;
    *bad[i].field = bad[i].value;
    refuse(p, bad[i].name);
  }
  char wrong[128];
  p = good;
  p.read_queue = 2000;
  assert_true(duplex_memory_wrong(&p, wrong, sizeof wrong));
  assert_string_equal(wrong, "read_queue: 2000: expected 1 to 1024");
  assert_true(duplex_memory_wrong(NULL, wrong, sizeof wrong));
  p = good;
  p.mapping.field[0] = p.mapping.field[1];
  refuse(p, "mapping");
  p = good;
  p.read_queue = 1;
  struct duplex_memory_controller *m;
  assert_int_equal(duplex_memory_open(&p, NULL, NULL), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_memory_open(NULL, NULL, &m), DUPLEX_ERROR_ARGUMENT);
  assert_null(m);
  assert_int_equal(duplex_memory_open(&p, NULL, &m), 0);
  struct duplex_memory_request request = {0, 16, false};
  assert_int_equal(duplex_memory_submit(m, NULL, 0), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_memory_submit(NULL, &request, 0), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_memory_submit(m, &request, 0), DUPLEX_ERROR_ARGUMENT);
  request.address = duplex_memory_bytes(m);
  assert_int_equal(duplex_memory_submit(m, &request, 0), DUPLEX_ERROR_ARGUMENT);
  request.address = 0;
  assert_int_equal(duplex_memory_submit(m, &request, 10), 0);
  assert_int_equal(duplex_memory_submit(m, &request, 9), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_memory_submit(m, &request, 10), DUPLEX_ERROR_QUEUE_FULL);
  assert_int_equal(duplex_memory_submit(m, &request, DUPLEX_MEMORY_TCK_MOST + 1), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_memory_waiting(m), 1);
  duplex_memory_close(m);
  duplex_memory_close(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_latency),   cmocka_unit_test(test_streams),
      cmocka_unit_test(test_one_bank),  cmocka_unit_test(test_random),
      cmocka_unit_test(test_age_limit), cmocka_unit_test(test_reads_among_writes),
      cmocka_unit_test(test_turns),     cmocka_unit_test(test_read_after_write),
      cmocka_unit_test(test_refresh),   cmocka_unit_test(test_mapping),
      cmocka_unit_test(test_rests),     cmocka_unit_test(test_long_rest),
      cmocka_unit_test(test_arguments)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
