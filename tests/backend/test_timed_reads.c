// SPDX-License-Identifier: Apache-2.0
// Timed reads and writes of the xPU on C model and RTL, Logic-PIM at work beside them and idle: the bytes,
// the same clocks on both, the rate of the pins, refusals that queue nothing, hand-overs while reads wait.
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

#include "duplex/backend.h"
#include "duplex/duplex.h"
#include "duplex/error.h"
#include "duplex/random.h"
#include "duplex/registers.h"
#include "tests/backend/register_access.h"
#include "tests/common/environment.h"

enum { CHANNELS = 2, TOKENS = 8, ROWS = 384, COLUMNS = 4096, PIECE = 32, LOOKS = 8, LONG = 1 << 22 };

// What one back end does in a case, to be compared with the other.
struct look {
  struct duplex_xpu_state state;
  struct duplex_dram_commands commands;
  uint64_t clocks;
};
struct outcome {
  struct look looks[LOOKS];
  struct duplex_stack_stats stats;
  double share;  // of the pins, while Logic-PIM was at work
  duplex_f16 y[TOKENS * ROWS];
};

static void look(struct duplex_backend *b, struct look *look) {
  memset(look, 0, sizeof *look);
  b->ops->xpu_state(b, &look->state);
  b->ops->commands(b, &look->commands);
  look->clocks = b->ops->clocks(b);
}

static uint64_t address_of(uint64_t bundle, uint64_t row_set, uint64_t piece) {
  return bundle << DUPLEX_BUNDLE_LSB | row_set << DUPLEX_ROW_LSB | piece * PIECE;
}

static unsigned one_of(struct duplex_random *random, unsigned bundles) {
  unsigned bundle;
  do bundle = (unsigned)duplex_random_below(random, DUPLEX_BUNDLES);
  while (!(bundles >> bundle & 1));
  return bundle;
}

// After jobs: the driver may have left all bundles to the xPU.
static void own(struct duplex_backend *b, uint32_t bundles) {
  const uint32_t rule = get(b, DUPLEX_REG_BUNDLE_OWNER) & 1u << DUPLEX_BUNDLE_OWNER_STRICT_LSB;
  put(b, DUPLEX_REG_BUNDLE_OWNER, bundles | rule);
}

static void ask(struct duplex_backend *b, unsigned channel, uint64_t address, size_t size) {
  assert_int_equal(b->ops->xpu_read(b, channel, address, NULL, size), DUPLEX_OK);
}

// Ranges of any length on either channel, and writes.
static void ask_at_random(struct duplex_backend *b, struct duplex_random *random, unsigned bundles) {
  static const uint8_t bytes[4096];
  for (unsigned i = 0; i < 12; i++) {
    const uint64_t address =
        address_of(one_of(random, bundles), duplex_random_below(random, 9), duplex_random_below(random, 256));
    const unsigned channel = (unsigned)duplex_random_below(random, CHANNELS);
    if (duplex_random_below(random, 4) == 0)
      assert_int_equal(b->ops->xpu_write(b, channel, address, bytes, PIECE * (1 + i)), DUPLEX_OK);
    else
      ask(b, channel, address, (size_t)duplex_random_below(random, 3000) * PIECE);
  }
}

// What is read are the bytes; what Logic-PIM owns, what is not there or has no whole pieces is refused and
// not queued.
static void bytes_and_refusals(struct duplex_backend *b, struct duplex_random *random, unsigned logic_pim) {
  uint8_t written[256], found[256];
  struct duplex_xpu_state state;
  const uint64_t address = address_of(one_of(random, ~logic_pim & 15), 16383, 5);
  for (unsigned i = 0; i < sizeof written; i++) written[i] = (uint8_t)duplex_random_u64(random);
  assert_int_equal(b->ops->mem_write(b, 1, address, written, sizeof written), DUPLEX_OK);
  assert_int_equal(b->ops->xpu_read(b, 1, address, found, sizeof found), DUPLEX_OK);
  assert_memory_equal(written, found, sizeof found);
  const uint64_t foreign = address_of(one_of(random, logic_pim), 3, 0);
  assert_int_equal(b->ops->xpu_read(b, 0, foreign, NULL, PIECE), DUPLEX_ERROR_OWNER);
  assert_int_equal(b->ops->xpu_read(b, 0, foreign, found, sizeof found), DUPLEX_ERROR_OWNER);
  for (unsigned i = 0; i < sizeof found; i++) assert_int_equal(found[i], DUPLEX_FOREIGN_BYTE);
  assert_non_null(strstr(b->ops->failure(b), "belongs to Logic-PIM"));
  assert_int_equal(b->ops->xpu_read(b, CHANNELS, address, NULL, PIECE), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(b->ops->xpu_read(b, 0, address + 1, NULL, PIECE), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(b->ops->xpu_read(b, 0, address, NULL, PIECE - 1), DUPLEX_ERROR_ARGUMENT);
  b->ops->xpu_state(b, &state);
  assert_int_equal(state.reads_left, sizeof found / PIECE);
  assert_int_equal(b->ops->xpu_wait(b), DUPLEX_OK);
}

// The xPU reads whole row sets while Logic-PIM multiplies; more than it can in that time.
static void beside_a_job(struct duplex_stack *stack, struct duplex_backend *b, struct duplex_random *random,
                         unsigned logic_pim, struct outcome *outcome) {
  static duplex_f16 w[ROWS * COLUMNS], x[TOKENS * COLUMNS];
  struct duplex_weights *weights;
  for (size_t i = 0; i < ROWS * COLUMNS; i++) w[i] = duplex_f16_from_double(duplex_random_normal(random));
  for (size_t i = 0; i < TOKENS * COLUMNS; i++) x[i] = duplex_f16_from_double(duplex_random_normal(random));
  assert_int_equal(duplex_stack_upload(stack, w, ROWS, COLUMNS, NULL, &weights), DUPLEX_OK);
  for (unsigned channel = 0; channel < CHANNELS; channel++)
    for (unsigned bundle = 0; bundle < DUPLEX_BUNDLES; bundle++)
      if (!(logic_pim >> bundle & 1)) ask(b, channel, address_of(bundle, 0, 0), 80 * DUPLEX_ROW_SET_BYTES);
  look(b, &outcome->looks[0]);
  assert_int_equal(duplex_stack_gemm(stack, weights, x, TOKENS, DUPLEX_F16, outcome->y), DUPLEX_OK);
  look(b, &outcome->looks[1]);
  assert_true(outcome->looks[1].state.reads_left > 0);
  duplex_stack_last_stats(stack, &outcome->stats);
  const uint64_t reads = outcome->looks[0].state.reads_left - outcome->looks[1].state.reads_left;
  outcome->share = (double)reads / CHANNELS / (double)(outcome->looks[1].clocks - outcome->looks[0].clocks);
  assert_int_equal(b->ops->xpu_wait(b), DUPLEX_OK);
  look(b, &outcome->looks[2]);
  assert_int_equal(outcome->looks[2].state.reads_left, 0);
  assert_int_equal(outcome->looks[2].clocks, outcome->looks[2].state.read_at);
  duplex_stack_release(stack, weights);
}

// Bundles go to Logic-PIM while reads of them wait, and come back.
static void hand_over(struct duplex_backend *b, struct duplex_random *random, unsigned logic_pim,
                      struct outcome *outcome) {
  int interrupt;
  ask_at_random(b, random, ~logic_pim & 15);
  assert_int_equal(b->ops->xpu_advance(b, duplex_random_below(random, 1500), &interrupt), DUPLEX_OK);
  look(b, &outcome->looks[3]);
  own(b, 15);
  assert_int_equal(b->ops->xpu_advance(b, 900, NULL), DUPLEX_OK);
  look(b, &outcome->looks[4]);
  own(b, logic_pim);
  assert_int_equal(b->ops->xpu_advance(b, LONG, NULL), DUPLEX_OK);
  look(b, &outcome->looks[5]);
  assert_int_equal(outcome->looks[5].state.reads_left + outcome->looks[5].state.writes_left, 0);
  assert_int_equal(b->ops->advance(b, 3000, NULL), DUPLEX_OK);  // all clear to the judge, refreshes too
  assert_int_equal(b->ops->xpu_advance(b, LONG, NULL), DUPLEX_OK);
  look(b, &outcome->looks[6]);
  assert_int_equal(outcome->looks[6].clocks, outcome->looks[5].clocks + 3000);
}

static void run(struct duplex_backend *b, struct duplex_stack_options *options, uint64_t number,
                struct outcome *outcome) {
  struct duplex_random random;
  struct duplex_stack *stack;
  duplex_random_seed(&random, environment_seed(), number);
  memset(outcome, 0, sizeof *outcome);
  assert_int_equal(duplex_stack_open_backend(b, options, &stack), DUPLEX_OK);
  beside_a_job(stack, b, &random, options->bundles, outcome);
  own(b, options->bundles);
  bytes_and_refusals(b, &random, options->bundles);
  hand_over(b, &random, options->bundles, outcome);
  duplex_stack_close(stack);
}

static void test_both(void **state) {
  (void)state;
  static const unsigned owners[] = {7, 3, 14};
  printf("seed %llu\n", (unsigned long long)environment_seed());
  for (unsigned i = 0; i < 3; i++) {
    static struct outcome model, rtl;
    struct duplex_stack_options options = {.strict = i % 2, .bundles = owners[i]};
    struct duplex_backend *backend;
    options.backend.channels = CHANNELS;
    assert_int_equal(duplex_cmodel_open(&options.backend, &backend), DUPLEX_OK);
    run(backend, &options, i, &model);
    if (duplex_rtl_open(&options.backend, &backend)) fail_msg("%s", duplex_rtl_failure());
    run(backend, &options, i, &rtl);
    printf("Logic-PIM %x%s: the xPU read %.4f of the most that its pins can\n", owners[i],
           options.strict ? ", strict" : "", model.share);
    assert_true(model.share >= .985);
    assert_memory_equal(model.looks, rtl.looks, sizeof rtl.looks);
    assert_memory_equal(&model.stats, &rtl.stats, sizeof rtl.stats);
    assert_memory_equal(model.y, rtl.y, sizeof rtl.y);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_both)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
