// SPDX-License-Identifier: Apache-2.0
// A stack of the C model without jobs, whose clocks are passed over, or are those of DRAM alone, against one
// of which all is clocked through: the same commands, counters and DRAM state after random waits, hand-overs,
// rules, rows left open, reads and writes of the xPU.
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

#include "cmodel/stack/stack_clock.h"
#include "duplex/backend.h"
#include "duplex/error.h"
#include "duplex/hbm.h"
#include "duplex/random.h"
#include "duplex/registers.h"
#include "tests/common/environment.h"

enum { CHANNELS = 2, STEPS = 40 };

static struct stack_model *model(struct duplex_backend *backend) { return (struct stack_model *)backend; }

// Every channel gets a state of its own, to be looked at or changed.
static void part_twins(struct duplex_backend *backend) {
  struct stack_model *stack = model(backend);
  for (unsigned i = 0; i < CHANNELS; i++) twins_leave(&stack->twins, CHANNELS, i, stack->channel, stack->xpu);
}

static void same(struct duplex_backend *skipped, struct duplex_backend *clocked) {
  struct duplex_dram_commands a, b;
  skipped->ops->commands(skipped, &a);
  clocked->ops->commands(clocked, &b);
  assert_memory_equal(&a, &b, sizeof a);
  assert_int_equal(model(skipped)->clocks, model(clocked)->clocks);
  assert_int_equal(model(skipped)->open, model(clocked)->open);
  part_twins(skipped);
  part_twins(clocked);
  for (unsigned i = 0; i < CHANNELS; i++) {
    const struct bundle_controller *c = &model(skipped)->channel[i].controller;
    const struct bundle_controller *d = &model(clocked)->channel[i].controller;
    const struct duplex_xpu_traffic *x = &model(skipped)->xpu[i];
    const struct duplex_xpu_traffic *y = &model(clocked)->xpu[i];
    assert_int_equal(c->now, d->now);
    assert_int_equal(c->refresh_due, d->refresh_due);
    assert_int_equal(x->now, y->now);
    assert_int_equal(x->refresh_due, y->refresh_due);
    assert_memory_equal(x->refreshes, y->refreshes, sizeof x->refreshes);
    assert_int_equal(x->data_at, y->data_at);
    assert_int_equal(x->written_at, y->written_at);
    for (unsigned bundle = 0; bundle < DUPLEX_BUNDLES; bundle++) {
      assert_int_equal(c->bundle[bundle].open, d->bundle[bundle].open);
      assert_int_equal(c->bundle[bundle].owed, d->bundle[bundle].owed);
      for (unsigned bank = 0; bank < 8; bank++) {
        assert_int_equal(x->bank[bundle][bank].open, y->bank[bundle][bank].open);
        assert_int_equal(x->bank[bundle][bank].owed, y->bank[bundle][bank].owed);
      }
    }
  }
}

static void put(struct duplex_backend *backend, uint32_t address, uint32_t value) {
  assert_int_equal(backend->ops->reg_write(backend, address, value), DUPLEX_OK);
}

// As a job leaves it.
static void leave_open(struct duplex_backend *backend, unsigned bundle) {
  part_twins(backend);
  model(backend)->open |= 1u << bundle;
  for (unsigned i = 0; i < CHANNELS; i++) {
    struct bundle_controller *c = &model(backend)->channel[i].controller;
    c->bundle[bundle].open = true;
    c->bundle[bundle].pre_at = c->now + c->timing.ras_wait;
  }
}

// A clock of everything: nothing has come to rest, no row command is known from the clock before.
static void clock_all(struct stack_model *stack) {
  stack->settled = 0;
  for (unsigned i = 0; i < CHANNELS; i++) stack->xpu[i].foreseen = false;
  assert_int_equal(stack_clock(stack), DUPLEX_OK);
}

static void wait_clocks(struct duplex_backend *skipped, struct duplex_backend *clocked, uint64_t clocks) {
  assert_int_equal(skipped->ops->advance(skipped, clocks, NULL), DUPLEX_OK);
  for (uint64_t i = 0; i < clocks; i++) clock_all(model(clocked));
}

// One thing that happens to both.
static void step(struct duplex_backend *both[2], struct duplex_random *random) {
  const uint32_t owner = (uint32_t)duplex_random_below(random, 16);
  const unsigned kind = (unsigned)duplex_random_below(random, 4);
  const unsigned bundle = (unsigned)duplex_random_below(random, DUPLEX_BUNDLES);
  const uint64_t row = duplex_random_below(random, 4);
  for (unsigned i = 0; i < 2; i++) {
    struct duplex_backend *backend = both[i];
    const bool owned = model(backend)->registers.bundle_owner >> bundle & 1;
    if (kind <= 1) put(backend, DUPLEX_REG_BUNDLE_OWNER, owner | kind << DUPLEX_BUNDLE_OWNER_STRICT_LSB);
    if (kind == 2 && owned) leave_open(backend, bundle);
    if (kind == 3 && !owned) {
      const uint8_t bytes[64] = {1};
      const uint64_t address = (uint64_t)bundle << DUPLEX_BUNDLE_LSB | row << DUPLEX_ROW_LSB;
      if (owner & 2)
        assert_int_equal(backend->ops->xpu_read(backend, owner & 1, address, NULL, 3200), DUPLEX_OK);
      else
        assert_int_equal(backend->ops->xpu_write(backend, owner & 1, address, bytes, sizeof bytes),
                         DUPLEX_OK);
    }
  }
}

static void test_idle(void **state) {
  (void)state;
  printf("seed %llu\n", (unsigned long long)environment_seed());
  for (unsigned number = 0; number < 20; number++) {
    struct duplex_backend_options options = {.channels = CHANNELS, .threads = 1};
    struct duplex_backend *both[2];
    struct duplex_random random;
    duplex_random_seed(&random, environment_seed(), number);
    options.dram_preset = number % 2 ? "hbm3_6400" : NULL;
    options.xpu_traffic = number % 5 == 4;
    for (unsigned i = 0; i < 2; i++) assert_int_equal(duplex_cmodel_open(&options, &both[i]), DUPLEX_OK);
    for (unsigned i = 0; i < STEPS; i++) {
      step(both, &random);
      const uint64_t most = duplex_random_below(&random, 4) ? 4000 : 20000;
      wait_clocks(both[0], both[1], duplex_random_below(&random, most));
      same(both[0], both[1]);
    }
    for (unsigned i = 0; i < 2; i++) both[i]->ops->close(both[i]);
  }
}

// A long wait takes no long time, and holds the refreshes of its intervals.
static void test_long(void **state) {
  (void)state;
  struct duplex_backend_options options = {.channels = CHANNELS, .threads = 1};
  struct duplex_backend *backend;
  struct duplex_dram_commands commands;
  assert_int_equal(duplex_cmodel_open(&options, &backend), DUPLEX_OK);
  assert_int_equal(backend->ops->advance(backend, UINT64_C(1) << 34, NULL), DUPLEX_OK);
  backend->ops->commands(backend, &commands);
  const uint64_t intervals = (UINT64_C(1) << 34) / (duplex_dram_preset(NULL)->nREFI / 2);
  assert_int_equal(commands.ref, intervals * DUPLEX_BUNDLES * CHANNELS);
  backend->ops->close(backend);
}

// What work leaves behind it comes to rest: here the line of an interrupt whose status is cleared.
static void test_interrupt(void **state) {
  (void)state;
  struct duplex_backend_options options = {.channels = CHANNELS, .threads = 1};
  struct duplex_backend *backend;
  assert_int_equal(duplex_cmodel_open(&options, &backend), DUPLEX_OK);
  put(backend, DUPLEX_REG_INTERRUPT_ENABLE, 1u << DUPLEX_INTERRUPT_STATUS_ERROR_LSB);
  put(backend, DUPLEX_REG_DOORBELL, DUPLEX_RING_ENTRIES + 1);  // of a ring that has not so many
  assert_int_equal(backend->ops->advance(backend, 100, NULL), DUPLEX_OK);
  assert_true(model(backend)->interrupt);
  put(backend, DUPLEX_REG_INTERRUPT_STATUS, 1u << DUPLEX_INTERRUPT_STATUS_ERROR_LSB);
  const uint64_t clocks = model(backend)->clocks;
  assert_int_equal(backend->ops->advance(backend, 100, NULL), DUPLEX_OK);
  assert_false(model(backend)->interrupt);
  assert_true(model(backend)->fell_at <= clocks);
  backend->ops->close(backend);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_idle), cmocka_unit_test(test_interrupt),
                                     cmocka_unit_test(test_long)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
