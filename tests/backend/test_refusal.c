// SPDX-License-Identifier: Apache-2.0
// Descriptors that reach where they must not, on both back ends: refused and reported with cause and address;
// the stack goes on; no byte outside a job's output changes.
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
#include "duplex/descriptor.h"
#include "duplex/error.h"
#include "duplex/params.h"
#include "duplex/random.h"
#include "duplex/registers.h"
#include "tests/backend/register_access.h"
#include "tests/common/environment.h"

enum {
  CHANNELS = 2,
  OWNED = 0x7,
  ROWS_LOOKED_AT = 6,
  Y_ROW = 2,
  Y_BUNDLE = 1,
  LAST_ROW = DUPLEX_BANK_ROWS - 1
};

// First rows of each bundle, the last, and one in the middle.
static const unsigned looked_at[ROWS_LOOKED_AT] = {0, 1, 2, 9000, LAST_ROW - 1, LAST_ROW};
typedef uint8_t cells[CHANNELS][DUPLEX_BUNDLES][ROWS_LOOKED_AT][DUPLEX_ROW_SET_BYTES];
static cells written, found;

static void own(struct duplex_backend *b, uint32_t bundles) {
  put(b, DUPLEX_REG_BUNDLE_OWNER, bundles);
  while (get(b, DUPLEX_REG_BUNDLE_OWNER) >> DUPLEX_BUNDLE_OWNER_OPEN_LSB & ~bundles & 0xf) continue;
}

static void all_cells(struct duplex_backend *b, cells bytes,
                      int (*move)(struct duplex_backend *, unsigned, uint64_t, uint8_t *)) {
  own(b, 0);
  for (unsigned channel = 0; channel < CHANNELS; channel++)
    for (unsigned bundle = 0; bundle < DUPLEX_BUNDLES; bundle++)
      for (unsigned i = 0; i < ROWS_LOOKED_AT; i++)
        assert_int_equal(
            move(b, channel, (uint64_t)bundle << DUPLEX_BUNDLE_LSB | (uint64_t)looked_at[i] << DUPLEX_ROW_LSB,
                 bytes[channel][bundle][i]),
            DUPLEX_OK);
  own(b, OWNED);
}

static int write_cells(struct duplex_backend *b, unsigned channel, uint64_t address, uint8_t *bytes) {
  return b->ops->mem_write(b, channel, address, bytes, DUPLEX_ROW_SET_BYTES);
}

static int read_cells(struct duplex_backend *b, unsigned channel, uint64_t address, uint8_t *bytes) {
  return b->ops->mem_read(b, channel, address, bytes, DUPLEX_ROW_SET_BYTES);
}

// 3 rows and 2 k-tiles in each channel, weights in bundle 0, results a column in bundle 1.
static void legal(uint32_t d[DUPLEX_DESCRIPTOR_WORDS]) {
  memset(d, 0, DUPLEX_DESCRIPTOR_WORDS * sizeof *d);
  DUPLEX_DESCRIPTOR_SET(d, OPCODE, DUPLEX_OPCODE_GEMM);
  DUPLEX_DESCRIPTOR_SET(d, INTERRUPT, 1);
  DUPLEX_DESCRIPTOR_SET(d, TAG, 77);
  DUPLEX_DESCRIPTOR_SET(d, SRC_STRIPE, 1);
  DUPLEX_DESCRIPTOR_SET(d, SRC_STRIDE, 1);
  DUPLEX_DESCRIPTOR_SET(d, K_TILES, 2);
  DUPLEX_DESCRIPTOR_SET(d, BLOCKS, 1);
  DUPLEX_DESCRIPTOR_SET(d, GROUPS, 1);
  DUPLEX_DESCRIPTOR_SET(d, BLOCK_ROWS, 3);
  DUPLEX_DESCRIPTOR_SET(d, FORMAT, DUPLEX_RESULT_FORMAT_F32);
  DUPLEX_DESCRIPTOR_SET(d, ROWS, 6);
  DUPLEX_DESCRIPTOR_SET(d, CHANNEL_ROWS, 3);
  DUPLEX_DESCRIPTOR_SET(d, DST_BASE, Y_ROW);
  DUPLEX_DESCRIPTOR_SET(d, DST_STRIPE, 1 << Y_BUNDLE);
  DUPLEX_DESCRIPTOR_SET(d, DST_STRIDE, 1);
}

#define CHANGE(field, value) \
  { DUPLEX_DESC_##field##_WORD, DUPLEX_DESC_##field##_LSB, DUPLEX_DESC_##field##_WIDTH, value }
static const struct {
  const char *what;
  uint32_t code, address;
  struct {
    unsigned word, lsb, width;
    uint32_t value;
  } change[8];  // of the legal one; width 0: none
} cases[] = {
    {"weights in a bundle of the xPU", DUPLEX_STACK_ERROR_STRIPE, 8, {CHANGE(SRC_STRIPE, 8)}},
    {"weights partly in a bundle of the xPU", DUPLEX_STACK_ERROR_STRIPE, 9, {CHANGE(SRC_STRIPE, 9)}},
    {"results in a bundle of the xPU", DUPLEX_STACK_ERROR_STRIPE, 8, {CHANGE(DST_STRIPE, 8)}},
    {"weights beyond their space",
     DUPLEX_STACK_ERROR_SOURCE_RANGE,
     DUPLEX_BANK_ROWS,
     {CHANGE(SRC_BASE, DUPLEX_BANK_ROWS)}},
    {"weights that cross into the next space",
     DUPLEX_STACK_ERROR_SOURCE_RANGE,
     DUPLEX_BANK_ROWS,
     {CHANGE(SRC_BASE, LAST_ROW), CHANGE(BLOCKS, 2)}},
    {"results beyond their space",
     DUPLEX_STACK_ERROR_RESULT_RANGE,
     DUPLEX_BANK_ROWS,
     {CHANGE(DST_BASE, DUPLEX_BANK_ROWS)}},
    {"results that cross into the next space",
     DUPLEX_STACK_ERROR_RESULT_RANGE,
     DUPLEX_BANK_ROWS,
     {CHANGE(DST_BASE, LAST_ROW), CHANGE(DST_STRIDE, 32), CHANGE(BLOCKS, 2)}},
    {"activations beyond the shared buffer",
     DUPLEX_STACK_ERROR_SHARED_RANGE,
     DUPLEX_SHARED_WORDS - 1,
     {CHANGE(X_ADDRESS, DUPLEX_SHARED_WORDS - 1)}},
    {"weights in no bundle", DUPLEX_STACK_ERROR_STRIPE, 0, {CHANGE(SRC_STRIPE, 0)}},
    {"an odd number of rows passed over",
     DUPLEX_STACK_ERROR_BLOCKS,
     0,
     {CHANGE(SKIP_ROWS, 3), CHANGE(BLOCK_ROWS, 4), CHANGE(CHANNEL_ROWS, 4)}},
    {"rows passed over behind an odd number", DUPLEX_STACK_ERROR_BLOCKS, 0, {CHANGE(SKIP_ROWS, 2)}},
    {"an odd number of rows of a channel before some that are passed over",
     DUPLEX_STACK_ERROR_BLOCKS,
     0,
     {CHANGE(SKIP_ROWS, 2), CHANGE(BLOCK_ROWS, 4)}},
    {"k-tiles longer than a row set",
     DUPLEX_STACK_ERROR_BLOCKS,
     0,
     {CHANGE(SKIP_ROWS, 62), CHANGE(BLOCK_ROWS, 4), CHANGE(CHANNEL_ROWS, 4)}},
    {"an odd number of rows before some that are passed over",
     DUPLEX_STACK_ERROR_ROWS,
     0,
     {CHANGE(SKIP_ROWS, 2), CHANGE(BLOCK_ROWS, 4), CHANGE(CHANNEL_ROWS, 4), CHANGE(ROWS, 7)}},
    {"passed over rows that cross into the next space",
     DUPLEX_STACK_ERROR_SOURCE_RANGE,
     DUPLEX_BANK_ROWS,
     {CHANGE(SRC_BASE, LAST_ROW), CHANGE(SKIP_ROWS, 60), CHANGE(BLOCK_ROWS, 4), CHANGE(CHANNEL_ROWS, 4)}},
    {"interleaved results in DRAM", DUPLEX_STACK_ERROR_RESERVED, 0, {CHANGE(INTERLEAVED, 1)}},
    {"rows passed over in two streams",
     DUPLEX_STACK_ERROR_RESERVED,
     0,
     {CHANGE(SKIP_ROWS, 2), CHANGE(GROUPS, 2), CHANGE(TWO_STREAMS, 1), CHANGE(BLOCK_ROWS, 4),
      CHANGE(CHANNEL_ROWS, 4)}},
    {"interleaved results of channels with other numbers of rows",
     DUPLEX_STACK_ERROR_ROWS,
     0,
     {CHANGE(INTERLEAVED, 1), CHANGE(BLOCK_ROWS, 4), CHANGE(CHANNEL_ROWS, 4),
      CHANGE(DESTINATION, DUPLEX_DESTINATION_SHARED), CHANGE(DST_STRIPE, 0), CHANGE(DST_BASE, 0),
      CHANGE(FORMAT, DUPLEX_RESULT_FORMAT_F16), CHANGE(DST_STRIDE, 0)}},
};

// Puts a descriptor into the ring and waits for the interrupt.
static void run(struct duplex_backend *b, const uint32_t d[DUPLEX_DESCRIPTOR_WORDS]) {
  const uint32_t produced = get(b, DUPLEX_REG_DOORBELL);
  for (unsigned i = 0; i < DUPLEX_DESCRIPTOR_WORDS; i++)
    put(b, DUPLEX_REG_RING + 4 * (produced % DUPLEX_RING_ENTRIES * DUPLEX_DESCRIPTOR_WORDS + i), d[i]);
  put(b, DUPLEX_REG_DOORBELL, (produced + 1) & 0xffff);
  int interrupt = 0;
  assert_int_equal(b->ops->advance(b, 100000, &interrupt), DUPLEX_OK);
  assert_int_equal(interrupt, 1);
  put(b, DUPLEX_REG_INTERRUPT_STATUS, 3);
}

static void check_cells(struct duplex_backend *b, const char *what) {
  all_cells(b, found, read_cells);
  if (memcmp(written, found, sizeof found)) fail_msg("%s: bytes outside the output changed", what);
}

static void refuse(struct duplex_backend *b, size_t number) {
  uint32_t d[DUPLEX_DESCRIPTOR_WORDS];
  legal(d);
  for (unsigned i = 0; i < 8 && cases[number].change[i].width; i++) {
    const uint32_t mask = ((1u << cases[number].change[i].width) - 1) << cases[number].change[i].lsb;
    uint32_t *word = &d[cases[number].change[i].word];
    *word = (*word & ~mask) | cases[number].change[i].value << cases[number].change[i].lsb;
  }
  run(b, d);
  if (get(b, DUPLEX_REG_ERROR_CODE) != cases[number].code)
    fail_msg("%s: code %u", cases[number].what, get(b, DUPLEX_REG_ERROR_CODE));
  assert_int_equal(get(b, DUPLEX_REG_ERROR_ADDRESS), cases[number].address);
  assert_int_equal(get(b, DUPLEX_REG_ERROR_DESCRIPTOR) >> DUPLEX_ERROR_DESCRIPTOR_TAG_LSB, 77);
  put(b, DUPLEX_REG_CONTROL, 1 | 1u << DUPLEX_CONTROL_FLUSH_LSB);
  put(b, DUPLEX_REG_ERROR_CODE, 0);
  check_cells(b, cases[number].what);
}

// After each refusal the same stack does a legal job, which writes its column in each channel and nothing
// else.
static void go_on(struct duplex_backend *b) {
  uint32_t d[DUPLEX_DESCRIPTOR_WORDS];
  legal(d);
  run(b, d);
  assert_int_equal(get(b, DUPLEX_REG_ERROR_CODE), 0);
  for (unsigned channel = 0; channel < CHANNELS; channel++)
    memset(written[channel][Y_BUNDLE][Y_ROW], 0, DUPLEX_COLUMN_BYTES);
  check_cells(b, "a legal job");
}

static void refusals(struct duplex_backend *b) {
  struct duplex_random random;
  duplex_random_seed(&random, environment_seed(), 1);
  uint8_t *bytes = (uint8_t *)written;
  for (size_t i = 0; i < sizeof written; i++)
    bytes[i] = (uint8_t)(duplex_random_u64(&random) & 0x3f);  // finite weights
  all_cells(b, written, write_cells);
  put(b, DUPLEX_REG_INTERRUPT_ENABLE, 3);
  put(b, DUPLEX_REG_CONTROL, 1);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    refuse(b, i);
    go_on(b);
    for (unsigned channel = 0; channel < CHANNELS; channel++)
      memset(written[channel][Y_BUNDLE][Y_ROW], (int)i + 1, DUPLEX_COLUMN_BYTES);
    all_cells(b, written, write_cells);
  }
  b->ops->close(b);
}

static void cmodel(void **state) {
  (void)state;
  struct duplex_backend *backend;
  assert_int_equal(duplex_cmodel_open(&(struct duplex_backend_options){.channels = CHANNELS}, &backend),
                   DUPLEX_OK);
  refusals(backend);
}

static void rtl(void **state) {
  (void)state;
  struct duplex_backend *backend;
  if (duplex_rtl_open(&(struct duplex_backend_options){.channels = CHANNELS}, &backend))
    fail_msg("%s", duplex_rtl_failure());
  refusals(backend);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(cmodel), cmocka_unit_test(rtl)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
