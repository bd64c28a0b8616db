// SPDX-License-Identifier: Apache-2.0
// Prefixes of a matrix of gate and up whose rows go round the channels (INTERLEAVED, SKIP_ROWS): down from
// their h gives, bit for bit, what it gives from the h of a matrix of these columns alone, and both back ends
// take the same clocks. Channels, shapes, cuts and chains are drawn; DUPLEX_SEED and DUPLEX_CASES as
// everywhere.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// clang-format off: after what it needs
#include <cmocka.h>
// clang-format on

#include "duplex/activation.h"
#include "duplex/arithmetic.h"
#include "duplex/backend.h"
#include "duplex/descriptor.h"
#include "duplex/error.h"
#include "duplex/geometry.h"
#include "duplex/params.h"
#include "duplex/random.h"
#include "duplex/registers.h"
#include "tests/backend/register_access.h"
#include "tests/common/environment.h"

enum {
  CASES = 24,
  CHANNELS = 3,
  WORDS_MOST = 60,  // of a channel
  TILES_MOST = 5,
  COLUMNS_MOST = 2 * CHANNELS * WORDS_MOST,
  DOWN_ROWS = 40,
  CLOCKS_MOST = 200000,
  TABLE_TILES = (DUPLEX_ACTIVATION_IMAGE_BYTES + DUPLEX_TILE_BYTES - 1) / DUPLEX_TILE_BYTES,
  RESULT_BYTES = 2 * DOWN_ROWS * DUPLEX_LANES * 16
};
// Row sets, and their bundles.
enum { X_SET = 0, X_BUNDLES = 8, TABLE_SET = 100, PLAIN_SET = 0, PLAIN_BUNDLES = 3 };
enum { CUT_SET = 6000, DOWN_SET = 12000, DOWN_BUNDLES = 4, RESULT_SET = 1000, RESULT_BUNDLES = 8 };

// One case: `words` words of two rows in each channel, of which the first `kept` are used.
struct shape {
  unsigned channels, words, kept, groups, k_tiles, gated, exponents, chain, again, cut_bundles, cut_block,
      format;
};

// Weights by inner column: gate and up, or up alone; and what lies where none of them is.
static uint16_t up[2][COLUMNS_MOST][TILES_MOST * DUPLEX_WIDTH];
static int8_t exponent[2][COLUMNS_MOST];
static struct duplex_backend *b;
static uint32_t produced;

static unsigned columns_of_word(const struct shape *s) { return s->gated ? 1 : 2; }
static unsigned columns_of(const struct shape *s, unsigned words) {
  return words * s->channels * columns_of_word(s);
}

static uint16_t number(struct duplex_random *random) {
  return (uint16_t)((duplex_random_u64(random) & 0x83ff) | (12 + duplex_random_below(random, 4)) << 10);
}

static struct shape draw(struct duplex_random *random) {
  struct shape s = {.channels = 1 + (unsigned)duplex_random_below(random, CHANNELS),
                    .words = 1 + (unsigned)duplex_random_below(random, WORDS_MOST),
                    .groups = 1 + (unsigned)duplex_random_below(random, 2),
                    .k_tiles = 1 + (unsigned)duplex_random_below(random, TILES_MOST),
                    .gated = (unsigned)duplex_random_below(random, 2),
                    .exponents = (unsigned)duplex_random_below(random, 2),
                    .chain = (unsigned)duplex_random_below(random, 4),
                    .again = (unsigned)duplex_random_below(random, 2),
                    .cut_bundles = 1 + (unsigned)duplex_random_below(random, 7),
                    .format = (unsigned)duplex_random_below(random, 3)};
  s.kept = 1 + (unsigned)duplex_random_below(random, s.words);
  s.cut_block = 2 + 2 * (unsigned)duplex_random_below(random, DUPLEX_ROWS / 2 / s.groups);
  if (s.cut_block > DUPLEX_ROWS / s.groups) s.cut_block = DUPLEX_ROWS / s.groups;
  for (unsigned m = 0; m < 2; m++)
    for (unsigned i = 0; i < COLUMNS_MOST; i++) {
      exponent[m][i] = (int8_t)(s.exponents ? (int)duplex_random_below(random, 7) - 3 : 0);
      for (unsigned k = 0; k < TILES_MOST * DUPLEX_WIDTH; k++) up[m][i][k] = number(random);
    }
  return s;
}

static void write_set(unsigned channel, unsigned set, unsigned bundles, size_t offset, const void *bytes,
                      size_t size) {
  for (size_t done = 0, part; done < size; done += part, offset += part) {
    const size_t room = DUPLEX_ROW_SET_BYTES - offset % DUPLEX_ROW_SET_BYTES;
    part = size - done < room ? size - done : room;
    const uint64_t address =
        duplex_row_set_address(set + (uint32_t)(offset / DUPLEX_ROW_SET_BYTES), bundles) +
        offset % DUPLEX_ROW_SET_BYTES;
    assert_int_equal(b->ops->mem_write(b, channel, address, (const uint8_t *)bytes + done, part), DUPLEX_OK);
  }
}

// Row `row` of a channel is a row of the inner column that `column_of` tells.
static void store(const struct shape *s, unsigned set, unsigned bundles, unsigned rows, unsigned block_rows,
                  unsigned (*column_of)(const struct shape *, unsigned rows, unsigned channel,
                                        unsigned row)) {
  for (unsigned channel = 0; channel < s->channels; channel++)
    for (unsigned row = 0; row < rows; row++) {
      const unsigned column = column_of(s, rows, channel, row);
      const unsigned matrix = s->gated && row % 2;
      const unsigned block = row / block_rows;
      const unsigned of_block = duplex_smaller(rows - block * block_rows, block_rows);
      const unsigned stride =
          duplex_divide_up(s->k_tiles * block_rows + 2 * s->exponents, 2 * DUPLEX_COLUMNS);
      if (s->exponents)
        write_set(channel, set + block * stride, bundles, row % block_rows, &exponent[matrix][column], 1);
      for (unsigned k = 0; k < s->k_tiles; k++)
        write_set(channel, set + block * stride, bundles,
                  (2 * s->exponents + (size_t)k * of_block + row % block_rows) * DUPLEX_BEAT_BYTES,
                  &up[matrix][column][k * DUPLEX_WIDTH], DUPLEX_BEAT_BYTES);
    }
}

// In order, a run of columns in each channel.
static unsigned column_in_order(const struct shape *s, unsigned rows, unsigned channel, unsigned row) {
  return (channel * rows + row) / (s->gated ? 2 : 1);
}
// Word by word round the channels.
static unsigned column_interleaved(const struct shape *s, unsigned rows, unsigned channel, unsigned row) {
  (void)rows;
  return s->gated ? row / 2 * s->channels + channel : (row / 2 * s->channels + channel) * 2 + row % 2;
}

// x, the table, down: the same for both ways.
static void store_others(const struct shape *s, struct duplex_random *random) {
  static uint8_t image[TABLE_TILES * DUPLEX_TILE_BYTES];
  static uint16_t x[2 * TILES_MOST][DUPLEX_TILE_BYTES / 2];
  static uint16_t row_set[DUPLEX_ROW_SET_BYTES / 2];
  duplex_activation_image(duplex_activation_builtin("silu"), image);
  for (unsigned tile = 0; tile < TABLE_TILES; tile++)
    write_set(tile % s->channels, TABLE_SET, X_BUNDLES, tile / s->channels * DUPLEX_TILE_BYTES,
              image + tile * DUPLEX_TILE_BYTES, DUPLEX_TILE_BYTES);
  for (unsigned tile = 0; tile < s->groups * s->k_tiles; tile++) {
    for (unsigned i = 0; i < DUPLEX_TILE_BYTES / 2; i++) x[tile][i] = number(random);
    write_set(tile % s->channels, X_SET, X_BUNDLES, tile / s->channels * DUPLEX_TILE_BYTES, x[tile],
              DUPLEX_TILE_BYTES);
  }
  for (unsigned channel = 0; channel < s->channels; channel++)
    for (unsigned set = 0; set < duplex_divide_up(COLUMNS_MOST, DUPLEX_WIDTH) * DOWN_ROWS / 64 + 1; set++) {
      for (unsigned i = 0; i < DUPLEX_ROW_SET_BYTES / 2; i++) row_set[i] = number(random);
      write_set(channel, DOWN_SET, DOWN_BUNDLES, (size_t)set * DUPLEX_ROW_SET_BYTES, row_set, sizeof row_set);
    }
}

static void push(const struct shape *s, uint32_t d[DUPLEX_DESCRIPTOR_WORDS], bool last) {
  const uint32_t slot = produced++ % DUPLEX_RING_ENTRIES;
  DUPLEX_DESCRIPTOR_SET(d, CHAIN, s->chain != 0);
  DUPLEX_DESCRIPTOR_SET(d, INTERRUPT, last);
  for (unsigned word = 0; word < DUPLEX_DESCRIPTOR_WORDS; word++)
    put(b, DUPLEX_REG_RING + 4 * (slot * DUPLEX_DESCRIPTOR_WORDS + word), d[word]);
}

static void push_load(const struct shape *s, unsigned set, unsigned tiles, unsigned destination) {
  uint32_t d[DUPLEX_DESCRIPTOR_WORDS] = {0};
  DUPLEX_DESCRIPTOR_SET(d, OPCODE, DUPLEX_OPCODE_LOAD), DUPLEX_DESCRIPTOR_SET(d, SRC_BASE, set);
  DUPLEX_DESCRIPTOR_SET(d, SRC_STRIPE, X_BUNDLES), DUPLEX_DESCRIPTOR_SET(d, TILES, tiles);
  DUPLEX_DESCRIPTOR_SET(d, DESTINATION, destination);
  push(s, d, false);
}

// h of so many rows of a channel, in blocks, behind those of the words before.
static void push_up(const struct shape *s, unsigned set, unsigned bundles, unsigned rows, unsigned block_rows,
                    unsigned skip, bool interleaved, unsigned words_before) {
  uint32_t d[DUPLEX_DESCRIPTOR_WORDS] = {0};
  const unsigned h = columns_of(s, s->kept);
  const unsigned tiles = duplex_divide_up(h, DUPLEX_WIDTH);
  DUPLEX_DESCRIPTOR_SET(d, OPCODE, DUPLEX_OPCODE_GEMM), DUPLEX_DESCRIPTOR_SET(d, SRC_BASE, set);
  DUPLEX_DESCRIPTOR_SET(d, SRC_STRIPE, bundles), DUPLEX_DESCRIPTOR_SET(d, K_TILES, s->k_tiles);
  DUPLEX_DESCRIPTOR_SET(
      d, SRC_STRIDE,
      duplex_divide_up(s->k_tiles * (block_rows + skip) + 2 * s->exponents, 2 * DUPLEX_COLUMNS));
  DUPLEX_DESCRIPTOR_SET(d, GROUPS, s->groups), DUPLEX_DESCRIPTOR_SET(d, EXPONENTS, s->exponents);
  DUPLEX_DESCRIPTOR_SET(d, BLOCKS, duplex_divide_up(rows, block_rows));
  DUPLEX_DESCRIPTOR_SET(d, BLOCK_ROWS, block_rows), DUPLEX_DESCRIPTOR_SET(d, SKIP_ROWS, skip);
  DUPLEX_DESCRIPTOR_SET(d, CHANNEL_ROWS, rows), DUPLEX_DESCRIPTOR_SET(d, ROWS, rows * s->channels);
  DUPLEX_DESCRIPTOR_SET(d, DESTINATION, DUPLEX_DESTINATION_SHARED), DUPLEX_DESCRIPTOR_SET(d, GATED, s->gated);
  DUPLEX_DESCRIPTOR_SET(d, INTERLEAVED, interleaved);
  DUPLEX_DESCRIPTOR_SET(d, DST_ADDRESS, 4 * DUPLEX_SHARED_WORDS + columns_of(s, words_before));
  if (s->groups == 2) {
    DUPLEX_DESCRIPTOR_SET(d, X_STRIDE, DUPLEX_TILE_WORDS);
    DUPLEX_DESCRIPTOR_SET(d, DST_GROUP, tiles * DUPLEX_WIDTH);
  }
  push(s, d, false);
}

static void push_down(const struct shape *s) {
  uint32_t d[DUPLEX_DESCRIPTOR_WORDS] = {0};
  const unsigned h = columns_of(s, s->kept);
  const unsigned tiles = duplex_divide_up(h, DUPLEX_WIDTH);
  const unsigned block_rows = DOWN_ROWS / 2;
  DUPLEX_DESCRIPTOR_SET(d, OPCODE, DUPLEX_OPCODE_GEMM), DUPLEX_DESCRIPTOR_SET(d, SRC_BASE, DOWN_SET);
  DUPLEX_DESCRIPTOR_SET(d, SRC_STRIPE, DOWN_BUNDLES), DUPLEX_DESCRIPTOR_SET(d, K_TILES, tiles);
  DUPLEX_DESCRIPTOR_SET(d, SRC_STRIDE, duplex_divide_up(tiles * block_rows, 2 * DUPLEX_COLUMNS));
  DUPLEX_DESCRIPTOR_SET(d, GROUPS, s->groups), DUPLEX_DESCRIPTOR_SET(d, K_LAST, h % DUPLEX_WIDTH);
  DUPLEX_DESCRIPTOR_SET(d, BLOCKS, 2), DUPLEX_DESCRIPTOR_SET(d, BLOCK_ROWS, block_rows);
  DUPLEX_DESCRIPTOR_SET(d, CHANNEL_ROWS, DOWN_ROWS);
  DUPLEX_DESCRIPTOR_SET(d, ROWS, DOWN_ROWS * s->channels);
  DUPLEX_DESCRIPTOR_SET(d, X_ADDRESS, DUPLEX_SHARED_WORDS);
  if (s->groups == 2) DUPLEX_DESCRIPTOR_SET(d, X_STRIDE, tiles * DUPLEX_TILE_WORDS);
  DUPLEX_DESCRIPTOR_SET(d, FORMAT, s->format), DUPLEX_DESCRIPTOR_SET(d, DST_BASE, RESULT_SET);
  DUPLEX_DESCRIPTOR_SET(d, DST_STRIPE, RESULT_BUNDLES);
  DUPLEX_DESCRIPTOR_SET(d, DST_STRIDE, RESULT_BYTES / 2 / DUPLEX_COLUMN_BYTES);
  push(s, d, true);
}

// Runs what is in the ring, and takes the results out of DRAM. Returns the clocks up to the interrupt.
static uint64_t finish(const struct shape *s, uint8_t results[CHANNELS][RESULT_BYTES]) {
  static const uint8_t nothing[RESULT_BYTES];
  const uint64_t from = b->ops->clocks(b);
  const uint32_t done = 1u << DUPLEX_INTERRUPT_STATUS_DONE_LSB;
  int interrupt = 0;
  put(b, DUPLEX_REG_DOORBELL, produced & 0xffff);
  assert_int_equal(b->ops->advance(b, CLOCKS_MOST, &interrupt), DUPLEX_OK);
  assert_int_equal(get(b, DUPLEX_REG_ERROR_CODE), 0);
  assert_true(interrupt);
  const uint64_t clocks = b->ops->clocks(b) - from;
  assert_int_equal(get(b, DUPLEX_REG_COMPLETED), produced);
  put(b, DUPLEX_REG_INTERRUPT_STATUS, done);
  put(b, DUPLEX_REG_BUNDLE_OWNER, 0);
  for (unsigned channel = 0; channel < s->channels; channel++) {
    const uint64_t address = duplex_row_set_address(RESULT_SET, RESULT_BUNDLES);
    assert_int_equal(b->ops->mem_read(b, channel, address, results[channel], RESULT_BYTES), DUPLEX_OK);
    assert_int_equal(b->ops->mem_write(b, channel, address, nothing, RESULT_BYTES), DUPLEX_OK);
  }
  put(b, DUPLEX_REG_BUNDLE_OWNER, 15);
  return clocks;
}

// The first columns as a matrix of their own.
static void push_plain(const struct shape *s) {
  const unsigned rows = 2 * s->kept;
  push_load(s, TABLE_SET, TABLE_TILES, DUPLEX_DESTINATION_TABLE);
  push_load(s, X_SET, s->groups * s->k_tiles, DUPLEX_DESTINATION_SHARED);
  push_up(s, PLAIN_SET, PLAIN_BUNDLES, rows, duplex_smaller(rows, DUPLEX_ROWS / s->groups), 0, false, 0);
  push_down(s);
}

// As a prefix of a matrix of all: whole blocks, and some rows of the next one.
static void push_cut(const struct shape *s) {
  const unsigned rows = 2 * s->kept;
  const unsigned all = 2 * s->words;
  const unsigned whole = rows == all ? all : rows / s->cut_block * s->cut_block;
  const unsigned stride = duplex_divide_up(s->k_tiles * s->cut_block + 2 * s->exponents, 2 * DUPLEX_COLUMNS);
  push_load(s, X_SET, s->groups * s->k_tiles, DUPLEX_DESTINATION_SHARED);
  if (whole) push_up(s, CUT_SET, s->cut_bundles, whole, duplex_smaller(s->cut_block, whole), 0, true, 0);
  if (whole < rows) {
    const unsigned of_block = duplex_smaller(all - whole, s->cut_block);
    push_up(s, CUT_SET + whole / s->cut_block * stride, s->cut_bundles, rows - whole, rows - whole,
            of_block - (rows - whole), true, whole / 2);
  }
  // A load behind rows that were passed over: x again.
  if (s->again) push_load(s, X_SET, s->groups * s->k_tiles, DUPLEX_DESTINATION_SHARED);
  push_down(s);
}

struct outcome {
  uint64_t clocks[2];
  uint8_t results[2][CHANNELS][RESULT_BYTES];
};

static void run_on(int (*open)(const struct duplex_backend_options *, struct duplex_backend **),
                   const struct shape *s, struct duplex_random random, struct outcome *out) {
  const struct duplex_backend_options options = {.channels = s->channels};
  assert_int_equal(open(&options, &b), DUPLEX_OK);
  produced = 0;
  put(b, DUPLEX_REG_BUNDLE_OWNER, 0);
  const unsigned block = duplex_smaller(2 * s->kept, DUPLEX_ROWS / s->groups);
  store(s, PLAIN_SET, PLAIN_BUNDLES, 2 * s->kept, block, column_in_order);
  store(s, CUT_SET, s->cut_bundles, 2 * s->words, duplex_smaller(2 * s->words, s->cut_block),
        column_interleaved);
  store_others(s, &random);
  put(b, DUPLEX_REG_BUNDLE_OWNER, 15);
  put(b, DUPLEX_REG_INTERRUPT_ENABLE, 1u << DUPLEX_INTERRUPT_STATUS_DONE_LSB);
  put(b, DUPLEX_REG_CONTROL, 1u << DUPLEX_CONTROL_ENABLE_LSB);
  push_plain(s);
  out->clocks[0] = finish(s, out->results[0]);
  push_cut(s);
  out->clocks[1] = finish(s, out->results[1]);
  b->ops->close(b);
}

static void test_prefixes(void **state) {
  static struct outcome model, rtl;
  static const uint8_t nothing[RESULT_BYTES];
  (void)state;
  for (uint64_t i = 0; i < CASES * environment_count("DUPLEX_CASES"); i++) {
    struct duplex_random random;
    duplex_random_seed(&random, environment_seed(), i);
    const struct shape s = draw(&random);
    memset(&model, 0, sizeof model), memset(&rtl, 0, sizeof rtl);
    print_message(
        "case %u: %u channels, %u of %u words, %u groups, %u tiles, gated %u, exponents %u, blocks of %u\n",
        (unsigned)i, s.channels, s.kept, s.words, s.groups, s.k_tiles, s.gated, s.exponents, s.cut_block);
    run_on(duplex_cmodel_open, &s, random, &model);
    assert_memory_equal(model.results[0], model.results[1], sizeof model.results[0]);
    assert_memory_not_equal(model.results[0][0], nothing, sizeof nothing);
    run_on(duplex_rtl_open, &s, random, &rtl);
    assert_memory_equal(model.results, rtl.results, sizeof model.results);
    assert_int_equal(model.clocks[0], rtl.clocks[0]);
    assert_int_equal(model.clocks[1], rtl.clocks[1]);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_prefixes)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
