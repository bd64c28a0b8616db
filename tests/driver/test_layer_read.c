// SPDX-License-Identifier: Apache-2.0
// The xPU's reads of a layer's weights, and the ranges of addresses that they take.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
// CMocka needs the four above first.
#include <cmocka.h>

#include "duplex/error.h"
#include "tests/driver/layer_case.h"

// A block of a matrix, read by the xPU, against where it came from.
static void check_read(struct duplex_layer *layer, const struct layer_case *c, struct duplex_random *random,
                       unsigned piece, unsigned expert) {
  const struct piece_data *d = &c->data[piece][expert];
  const enum duplex_layer_matrix matrix =
      (enum duplex_layer_matrix)(!c->options.gated + below(random, c->options.products ? 1 : 2) +
                                 (c->options.gated && below(random, 2)));
  const bool down = matrix == DUPLEX_LAYER_DOWN;
  const duplex_f16 *from = down ? d->down : matrix == DUPLEX_LAYER_UP ? d->up : d->gate;
  const int8_t *scales = matrix == DUPLEX_LAYER_UP ? d->up_exponents : d->gate_exponents;
  if (down) scales = d->down_exponents;
  const bool scaled = down ? c->options.down_exponents : c->options.up_exponents;
  const size_t stride = down ? c->inner[piece] + c->down_more : c->up_stride;
  const size_t all_rows = down ? c->options.hidden : c->inner[piece];
  const size_t all_columns = down ? c->inner[piece] : c->options.hidden;
  const size_t row = below(random, all_rows);
  const size_t column = below(random, all_columns);
  const size_t rows = 1 + below(random, all_rows - row);
  const size_t columns = 1 + below(random, all_columns - column);
  duplex_f16 *out = malloc(rows * columns * sizeof *out);
  int8_t *read_scales = malloc(rows);
  assert_non_null(out), assert_non_null(read_scales);
  assert_int_equal(
      duplex_layer_read(layer, expert, piece, matrix, row, rows, column, columns, out, 0, read_scales), 0);
  for (size_t i = 0; i < rows; i++) {
    assert_memory_equal(out + i * columns, from + (row + i) * stride + column, columns * sizeof *out);
    assert_int_equal(read_scales[i], scaled ? scales[row + i] : 0);
  }
  free(out), free(read_scales);
}

struct sum_of_runs {
  struct duplex_stack *stack;
  unsigned bundles;
  uint64_t bytes;
};

static int add_run(void *context, unsigned channel, uint64_t address, size_t bytes) {
  struct sum_of_runs *sum = context;
  assert_true(channel < duplex_stack_channels(sum->stack));
  assert_true(address % 128 == 0 && bytes % 128 == 0 && bytes);
  assert_int_equal(address >> DUPLEX_ROW_LSB, (address + bytes - 1) >> DUPLEX_ROW_LSB);
  assert_true(sum->bundles >> (address >> DUPLEX_BUNDLE_LSB) & 1);
  sum->bytes += bytes;
  return 0;
}

// A matrix takes a beat for each row and k-tile; the exponents two for each block of rows. `before`: rows of
// each channel that are not read. Blocks that end with them are not read at all.
static uint64_t bytes_of(const struct weight_layout *layout, uint32_t before, uint32_t tiles,
                         unsigned channels) {
  uint64_t beats = 0;
  for (unsigned channel = 0; channel < channels; channel++) {
    const uint32_t rows = layout_channel_rows(layout, channel);
    const uint32_t blocks = (rows + layout->block_rows - 1) / layout->block_rows;
    beats += (uint64_t)(rows - before) * tiles;
    if (layout->exponents) beats += 2 * (blocks - before / layout->block_rows);
  }
  return beats * DUPLEX_BEAT_BYTES;
}

static void check_ranges(struct duplex_layer *layer, const struct layer_case *c, unsigned piece,
                         unsigned expert) {
  const struct layer_piece *shape = &layer->piece[piece];
  const struct duplex_layer_piece *own = &c->options.piece[piece];
  const uint32_t hidden_tiles = (uint32_t)(c->options.hidden + 63) / 64;
  uint32_t inner = 0;
  for (unsigned cut = 0; cut <= shape->parts; cut++) {
    struct sum_of_runs sum = {layer->stack, own->bundles, 0};
    uint64_t expected = 0;
    const uint32_t before = inner * (c->options.gated ? 2 : 1) / c->channels;  // of a joined matrix
    for (unsigned part = cut; part < shape->parts && !own->joined; part++)
      expected += bytes_of(&shape->up[part], 0, hidden_tiles, c->channels);
    if (cut < shape->parts && own->joined) expected += bytes_of(shape->up, before, hidden_tiles, c->channels);
    if (cut < shape->parts && !c->options.products)
      expected += bytes_of(&shape->down, 0, shape->down.k_tiles - inner / DUPLEX_WIDTH, c->channels);
    assert_int_equal(duplex_layer_ranges(layer, expert, piece, cut, add_run, &sum), 0);
    assert_int_equal(sum.bytes, expected);
    if (cut < shape->parts) inner += (uint32_t)own->inner[cut];
  }
}

static void test_reads(void **state) {
  struct duplex_random random;
  (void)state;
  duplex_random_seed(&random, 15, 0);
  for (unsigned i = 0; i < 12; i++) {
    struct layer_case c;
    const unsigned channels = 1 + (unsigned)below(&random, 5);
    draw(&c, &random, channels, 1 + (unsigned)below(&random, EXPERTS));
    struct duplex_stack *stack = open_stack(c.channels, NULL, 0);
    struct duplex_layer *layer = load_layer(stack, &c);
    for (unsigned piece = 0; piece < DUPLEX_LAYER_PIECES; piece++)
      for (unsigned expert = 0; expert < c.options.experts; expert++) {
        if (!c.data[piece][expert].there) continue;
        assert_int_equal(duplex_stack_hand_over(stack, 0), 0);
        for (unsigned read = 0; read < 4; read++) check_read(layer, &c, &random, piece, expert);
        check_ranges(layer, &c, piece, expert);
        duplex_f16 value;
        assert_int_equal(duplex_stack_hand_over(stack, c.options.piece[piece].bundles), 0);
        assert_int_equal(
            duplex_layer_read(layer, expert, piece, DUPLEX_LAYER_UP, 0, 1, 0, 1, &value, 0, NULL),
            DUPLEX_ERROR_OWNER);
        assert_int_equal(duplex_stack_hand_over(stack, 0xf & ~c.options.piece[piece].bundles), 0);
        check_read(layer, &c, &random, piece, expert);
      }
    duplex_stack_close(stack);
    free_case(&c);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_reads)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
