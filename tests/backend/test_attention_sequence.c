// SPDX-License-Identifier: Apache-2.0
// Sequences of ATTENTION descriptors that are broken off: refused in the middle, never ended, longer than the
// queue, never begun. On both back ends errors are reported, the next whole sequence gives what it gives
// alone, and the clocks are the same.
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// clang-format off: after what it needs
#include <cmocka.h>
// clang-format on

#include "duplex/backend.h"
#include "duplex/descriptor.h"
#include "duplex/error.h"
#include "duplex/params.h"
#include "duplex/random.h"
#include "duplex/registers.h"

enum { LENGTH = 100, HEAD_SIZE = 64, K_ROW = 10, V_ROW = 20, Q_ROW = 0, O_ROW = 1, O_BYTES = HEAD_SIZE * 16 };

static struct duplex_backend *b;
static uint32_t produced;

static uint32_t get(uint32_t address) {
  uint32_t value = 0;
  assert_int_equal(b->ops->reg_read(b, address, &value), DUPLEX_OK);
  return value;
}

static void put(uint32_t address, uint32_t value) {
  assert_int_equal(b->ops->reg_write(b, address, value), DUPLEX_OK);
}

static uint64_t cell(unsigned bundle, unsigned row) {
  return (uint64_t)bundle << DUPLEX_BUNDLE_LSB | (uint64_t)row << DUPLEX_ROW_LSB;
}

static void own(uint32_t bundles) {
  put(DUPLEX_REG_BUNDLE_OWNER, bundles);
  while (get(DUPLEX_REG_BUNDLE_OWNER) >> DUPLEX_BUNDLE_OWNER_OPEN_LSB & ~bundles & 0xf) continue;
}

static void random_row_set(struct duplex_random *random, unsigned bundle, unsigned row) {
  uint16_t values[DUPLEX_ROW_SET_BYTES / 2];
  for (unsigned i = 0; i < DUPLEX_ROW_SET_BYTES / 2; i++)
    values[i] = (uint16_t)((duplex_random_u64(random) & 0x83ff) | (11 + i % 5) << 10);
  assert_int_equal(b->ops->mem_write(b, 0, cell(bundle, row), values, sizeof values), DUPLEX_OK);
}

// K and V in bundle 0, q and o in bundle 1.
static void fill_memory(void) {
  struct duplex_random random;
  duplex_random_seed(&random, 5, 0);
  own(0);
  for (unsigned i = 0; i < 2; i++)
    random_row_set(&random, 0, K_ROW + i), random_row_set(&random, 0, V_ROW + i);
  random_row_set(&random, 1, Q_ROW);
  own(15);
}

static void send(bool first, bool last, bool fence, uint32_t length) {
  uint32_t d[DUPLEX_DESCRIPTOR_WORDS] = {0};
  DUPLEX_DESCRIPTOR_SET(d, OPCODE, DUPLEX_OPCODE_ATTENTION), DUPLEX_DESCRIPTOR_SET(d, FIRST, first),
      DUPLEX_DESCRIPTOR_SET(d, LAST, last);
  DUPLEX_DESCRIPTOR_SET(d, FENCE, fence), DUPLEX_DESCRIPTOR_SET(d, LENGTH, length),
      DUPLEX_DESCRIPTOR_SET(d, HEADS, 1);
  DUPLEX_DESCRIPTOR_SET(d, HEAD_SIZE, HEAD_SIZE), DUPLEX_DESCRIPTOR_SET(d, LANES, 2),
      DUPLEX_DESCRIPTOR_SET(d, LANE_MASK, 7);
  DUPLEX_DESCRIPTOR_SET(d, SRC_BASE, K_ROW), DUPLEX_DESCRIPTOR_SET(d, SRC_STRIPE, 1),
      DUPLEX_DESCRIPTOR_SET(d, V_BASE, V_ROW);
  DUPLEX_DESCRIPTOR_SET(d, Q_BASE, Q_ROW), DUPLEX_DESCRIPTOR_SET(d, DST_BASE, O_ROW),
      DUPLEX_DESCRIPTOR_SET(d, DST_STRIPE, 2);
  DUPLEX_DESCRIPTOR_SET(d, SCALE, 0x3e000000u);
  const uint32_t slot = produced++ % DUPLEX_RING_ENTRIES;
  for (unsigned word = 0; word < DUPLEX_DESCRIPTOR_WORDS; word++)
    put(DUPLEX_REG_RING + 4 * (slot * DUPLEX_DESCRIPTOR_WORDS + word), d[word]);
  put(DUPLEX_REG_DOORBELL, produced & 0xffff);
}

static void run(uint64_t clocks) {
  int interrupt;
  assert_int_equal(b->ops->advance(b, clocks, &interrupt), DUPLEX_OK);
}

static void whole_sequence(uint8_t o[O_BYTES]) {
  const uint32_t completed = get(DUPLEX_REG_COMPLETED);
  send(true, true, true, LENGTH);
  run(5000);
  assert_int_equal(get(DUPLEX_REG_COMPLETED), completed + 1);
  assert_int_equal(get(DUPLEX_REG_STATUS) & 1 << DUPLEX_STATUS_BUSY_LSB, 0);
  own(0);
  assert_int_equal(b->ops->mem_read(b, 0, cell(1, O_ROW), o, O_BYTES), DUPLEX_OK);
  const uint8_t nothing[O_BYTES] = {0};
  assert_int_equal(b->ops->mem_write(b, 0, cell(1, O_ROW), nothing, O_BYTES), DUPLEX_OK);
  own(15);
}

// Sequences that never give results: what comes behind them must not wait for them.
enum broken { REFUSED_IN_THE_MIDDLE, NEVER_ENDED, LONGER_THAN_THE_QUEUE, NEVER_BEGUN, BROKEN_KINDS };

static void send_broken(enum broken kind) {
  switch (kind) {
    case REFUSED_IN_THE_MIDDLE:
      send(true, false, false, LENGTH);
      send(false, true, true, 0);
      run(5000);
      assert_int_equal(get(DUPLEX_REG_ERROR_CODE), DUPLEX_STACK_ERROR_BLOCKS);
      put(DUPLEX_REG_CONTROL, 1u << DUPLEX_CONTROL_ENABLE_LSB | 1u << DUPLEX_CONTROL_FLUSH_LSB);
      put(DUPLEX_REG_ERROR_CODE, 0);
      break;
    case NEVER_ENDED:
      send(true, false, true, LENGTH);
      run(3000);
      break;
    case LONGER_THAN_THE_QUEUE:
      for (unsigned i = 0; i < 12; i++) send(i == 0, false, false, 40), run(300);
      run(5000);
      break;
    default:  // NEVER_BEGUN
      send(false, true, true, LENGTH);
      run(5000);
      break;
  }
}

static uint64_t sequences_on(int (*open)(const struct duplex_backend_options *, struct duplex_backend **),
                             uint8_t o[O_BYTES]) {
  const struct duplex_backend_options options = {.channels = 1};
  uint8_t again[O_BYTES];
  assert_int_equal(open(&options, &b), DUPLEX_OK);
  produced = 0;
  fill_memory();
  put(DUPLEX_REG_CONTROL, 1u << DUPLEX_CONTROL_ENABLE_LSB);
  whole_sequence(o);
  for (unsigned kind = 0; kind < BROKEN_KINDS; kind++) {
    send_broken((enum broken)kind);
    whole_sequence(again);
    assert_memory_equal(o, again, O_BYTES);
  }
  const uint64_t clocks = b->ops->clocks(b);
  b->ops->close(b);
  return clocks;
}

static void test_broken_sequences(void **state) {
  (void)state;
  uint8_t model[O_BYTES], rtl[O_BYTES];
  const uint64_t clocks = sequences_on(duplex_cmodel_open, model);
  assert_int_equal(sequences_on(duplex_rtl_open, rtl), clocks);
  assert_memory_equal(model, rtl, O_BYTES);
  assert_int_not_equal(model[0] | model[1], 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_broken_sequences)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
