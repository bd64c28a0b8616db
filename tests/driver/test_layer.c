// SPDX-License-Identifier: Apache-2.0
// Layers on the C model, natively and on RV32, against exact sums: random experts, pieces, parts, cuts and
// tokens; the xPU's reads and ranges; the limits; what a client is refused.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
// CMocka needs the four above first.
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "driver/layer.h"
#include "duplex/error.h"
#include "duplex/layer.h"
#include "duplex/random.h"

enum { EXPERTS = 12, TOKENS = 40, ROWS_OF_X = 50 };

// One expert's piece as the caller has it: a slice of larger matrices.
struct piece_data {
  bool there;
  duplex_f16 *gate, *up, *down;
  int8_t *gate_exponents, *up_exponents, *down_exponents;
};

struct layer_case {
  unsigned channels;
  struct duplex_layer_options options;
  size_t inner[DUPLEX_LAYER_PIECES];  // of each piece
  size_t up_stride, down_more;        // down_stride: inner + down_more
  struct piece_data data[DUPLEX_LAYER_PIECES][EXPERTS];
  uint8_t cuts[EXPERTS];
  uint32_t counts[EXPERTS], cut_counts[EXPERTS];
  uint32_t tokens[EXPERTS * TOKENS];
  size_t all_tokens;
  duplex_f16 *x;
  enum duplex_format format;
};

static uint64_t below(struct duplex_random *random, uint64_t bound) {
  return duplex_random_below(random, bound);
}

// Integers up to 1, so that binary64 holds every sum.
static duplex_f16 *integers(struct duplex_random *random, size_t count) {
  duplex_f16 *made = malloc((count + 1) * sizeof *made);
  assert_non_null(made);
  for (size_t i = 0; i < count; i++) made[i] = duplex_f16_from_double((double)below(random, 3) - 1);
  return made;
}

static int8_t *exponents(struct duplex_random *random, size_t count) {
  int8_t *made = malloc(count);
  assert_non_null(made);
  for (size_t i = 0; i < count; i++) made[i] = (int8_t)((int)below(random, 3) - 1);
  return made;
}

static void draw_weights(struct layer_case *c, struct duplex_random *random, unsigned piece) {
  for (unsigned i = 0; i < c->options.experts; i++) {
    struct piece_data *d = &c->data[piece][i];
    d->there = c->options.piece[piece].parts && below(random, 5);
    d->gate = integers(random, c->inner[piece] * c->up_stride);
    d->up = integers(random, c->inner[piece] * c->up_stride);
    d->down = integers(random, c->options.hidden * (c->inner[piece] + c->down_more));
    d->gate_exponents = exponents(random, c->inner[piece] + 1);
    d->up_exponents = exponents(random, c->inner[piece] + 1);
    d->down_exponents = exponents(random, c->options.hidden);
  }
}

static void draw_piece(struct layer_case *c, struct duplex_random *random, unsigned piece) {
  static const unsigned stripes[4][4] = {{0xf}, {0x3, 0xc, 0x3}, {0xc, 0x1, 0x2}, {0x1, 0x2, 0x4, 0x8}};
  const unsigned set = (c->options.experts + c->channels) % 4;
  if (!stripes[set][piece]) return;
  struct duplex_layer_piece *p = &c->options.piece[piece];
  p->bundles = stripes[set][piece];
  p->parts = (unsigned)below(random, 4);
  for (unsigned part = 0; part < p->parts; part++) {
    const bool last = part + 1 == p->parts;
    p->inner[part] = last ? 1 + below(random, 130) : DUPLEX_WIDTH * (1 + below(random, 2));
    c->inner[piece] += p->inner[part];
  }
  draw_weights(c, random, piece);
}

static void draw(struct layer_case *c, struct duplex_random *random, unsigned channels, unsigned experts) {
  *c = (struct layer_case){.channels = channels};
  c->options.experts = experts;
  c->options.hidden = 1 + below(random, 200);
  c->options.gated = below(random, 3) != 0;
  c->options.up_exponents = below(random, 2);
  c->options.down_exponents = below(random, 2);
  c->options.products = below(random, 3) == 0;
  c->up_stride = c->options.hidden + below(random, 3);
  c->down_more = below(random, 3);
  for (unsigned piece = 0; piece < DUPLEX_LAYER_PIECES; piece++) draw_piece(c, random, piece);
  c->x = integers(random, ROWS_OF_X * c->options.hidden);
}

// A layer of the same form with other weights, or one whose last parts are a row narrower.
static void draw_twin(struct layer_case *c, const struct layer_case *of, struct duplex_random *random,
                      bool narrower) {
  *c = *of;
  for (unsigned piece = 0; piece < DUPLEX_LAYER_PIECES; piece++) {
    const unsigned parts = c->options.piece[piece].parts;
    const bool less = narrower && parts && c->options.piece[piece].inner[parts - 1] > 1;
    if (less) c->options.piece[piece].inner[parts - 1]--;
    c->inner[piece] -= less;
    memset(c->data[piece], 0, sizeof c->data[piece]);
    if (c->options.piece[piece].bundles) draw_weights(c, random, piece);
  }
  c->x = integers(random, ROWS_OF_X * c->options.hidden);
}
// Cuts and tokens for a job on one piece.
static void draw_job(struct layer_case *c, struct duplex_random *random, unsigned piece) {
  c->all_tokens = 0;
  c->format = c->options.products ? DUPLEX_F32 : (enum duplex_format)below(random, 3);
  for (unsigned i = 0; i < c->options.experts; i++) {
    const unsigned parts = c->options.piece[piece].parts;
    c->counts[i] = below(random, 4) ? (uint32_t)below(random, TOKENS + 1) : 0;
    c->cut_counts[i] = below(random, 4) ? c->counts[i] : (uint32_t)below(random, c->counts[i] + 1);
    c->cuts[i] = c->data[piece][i].there ? (uint8_t)below(random, parts + 1) : 0;
    for (uint32_t token = 0; token < c->counts[i]; token++)
      c->tokens[c->all_tokens++] = (uint32_t)below(random, ROWS_OF_X);
  }
}

static void free_case(struct layer_case *c) {
  for (unsigned piece = 0; piece < DUPLEX_LAYER_PIECES; piece++)
    for (unsigned i = 0; i < EXPERTS; i++) {
      struct piece_data *d = &c->data[piece][i];
      free(d->gate), free(d->up), free(d->down);
      free(d->gate_exponents), free(d->up_exponents), free(d->down_exponents);
    }
  free(c->x);
}

static double dot(const duplex_f16 *a, const duplex_f16 *b, size_t count) {
  double sum = 0;
  for (size_t i = 0; i < count; i++) sum += duplex_f16_to_double(a[i]) * duplex_f16_to_double(b[i]);
  return sum;
}

// h of one token and one inner row, with relu.
static double inner_value(const struct layer_case *c, const struct piece_data *d, const duplex_f16 *x,
                          size_t row) {
  const bool scaled = c->options.up_exponents;
  const double up =
      ldexp(dot(x, d->up + row * c->up_stride, c->options.hidden), scaled ? d->up_exponents[row] : 0);
  if (!c->options.gated) return duplex_f16_to_double(duplex_f16_from_double(up > 0 ? up : 0));
  const double gate =
      ldexp(dot(x, d->gate + row * c->up_stride, c->options.hidden), scaled ? d->gate_exponents[row] : 0);
  return duplex_f16_to_double(duplex_f16_from_double(gate > 0 ? gate * up : 0));
}

// The bytes of a sum in the format.
static size_t encode(enum duplex_format format, double sum, int exponent, uint8_t bytes[16]) {
  memset(bytes, 0, 16);
  const double scaled = ldexp(sum, exponent);
  if (format == DUPLEX_F16) {
    const duplex_f16 value = duplex_f16_from_double(scaled == 0 ? 0 : scaled);
    memcpy(bytes, &value, sizeof value);
    return sizeof value;
  }
  if (format == DUPLEX_F32) {
    const float value = scaled == 0 ? 0 : (float)scaled;
    memcpy(bytes, &value, sizeof value);
    return sizeof value;
  }
  const __int128 units = (__int128)ldexp(sum, 48);
  memcpy(bytes, &units, 16);
  bytes[15] &= 0x1f;
  return 16;
}

// Values of a token's results.
static size_t columns_of(const struct layer_case *c, unsigned piece) {
  if (!c->options.products) return c->options.hidden;
  return c->inner[piece] * (c->options.gated ? 2 : 1);
}

// Products: each row of gate and up with x, zeros behind the cut.
static void assert_products(const struct layer_case *c, unsigned piece, unsigned expert, unsigned cut,
                            size_t place, const uint8_t *y) {
  const struct piece_data *d = &c->data[piece][expert];
  const duplex_f16 *x = c->x + c->tokens[place] * c->options.hidden;
  const unsigned unit = c->options.gated ? 2 : 1;
  const size_t columns = columns_of(c, piece);
  size_t inner = 0;
  for (unsigned part = 0; part < cut; part++) inner += c->options.piece[piece].inner[part];
  for (size_t row = 0; row < columns; row++) {
    const bool of_gate = unit == 2 && row % 2 == 0;
    const duplex_f16 *weights = (of_gate ? d->gate : d->up) + row / unit * c->up_stride;
    const int8_t *scales = of_gate ? d->gate_exponents : d->up_exponents;
    const double sum = row / unit < inner ? dot(x, weights, c->options.hidden) : 0;
    uint8_t expected[16];
    encode(DUPLEX_F32, sum, c->options.up_exponents && row / unit < inner ? scales[row / unit] : 0, expected);
    if (memcmp(y + (place * columns + row) * 4, expected, 4) != 0)
      fail_msg("products of piece %u, expert %u (cut %u of %u parts), token %zu, row %zu, %u channels", piece,
               expert, cut, c->options.piece[piece].parts, place, row, c->channels);
  }
}

// `cut`: of this token.
static void assert_token(const struct layer_case *c, unsigned piece, unsigned expert, unsigned cut,
                         size_t place, const uint8_t *y) {
  if (c->options.products) {
    assert_products(c, piece, expert, cut, place, y);
    return;
  }
  const struct piece_data *d = &c->data[piece][expert];
  const duplex_f16 *x = c->x + c->tokens[place] * c->options.hidden;
  const size_t stride = c->inner[piece] + c->down_more;
  size_t inner = 0;
  double h[DUPLEX_LAYER_PARTS * 130];
  for (unsigned part = 0; part < cut; part++) inner += c->options.piece[piece].inner[part];
  for (size_t row = 0; row < inner; row++) h[row] = inner_value(c, d, x, row);
  for (size_t row = 0; row < c->options.hidden; row++) {
    double sum = 0;
    uint8_t expected[16];
    for (size_t i = 0; i < inner; i++) sum += h[i] * duplex_f16_to_double(d->down[row * stride + i]);
    const size_t size =
        encode(c->format, sum, c->options.down_exponents ? d->down_exponents[row] : 0, expected);
    if (memcmp(y + (place * c->options.hidden + row) * size, expected, size) != 0)
      fail_msg("piece %u, expert %u (cut %u of %u parts), token %zu, row %zu of %zu, format %d, %u channels",
               piece, expert, cut, c->options.piece[piece].parts, place, row, c->options.hidden,
               (int)c->format, c->channels);
  }
}

static struct duplex_stack *open_stack(unsigned channels, const struct duplex_riscv_options *riscv,
                                       int measure) {
  const struct duplex_stack_options options = {
      .backend = {.channels = channels, .threads = 1}, .riscv = riscv, .measure_overhead = measure};
  struct duplex_stack *stack;
  char text[512] = "";
  if (duplex_stack_open("cmodel", &options, &stack, text, sizeof text)) fail_msg("%s", text);
  return stack;
}

static struct duplex_layer_source source_of(const struct layer_case *c, unsigned piece, unsigned expert) {
  const struct piece_data *d = &c->data[piece][expert];
  return (struct duplex_layer_source){.gate = d->gate,
                                      .up = d->up,
                                      .up_stride = c->up_stride,
                                      .down = d->down,
                                      .down_stride = c->inner[piece] + c->down_more,
                                      .gate_exponents = d->gate_exponents,
                                      .up_exponents = d->up_exponents,
                                      .down_exponents = d->down_exponents};
}

static struct duplex_layer *load_layer(struct duplex_stack *stack, const struct layer_case *c) {
  struct duplex_layer *layer;
  if (duplex_stack_open_layer(stack, &c->options, &layer)) fail_msg("%s", duplex_stack_last_error(stack));
  for (unsigned piece = 0; piece < DUPLEX_LAYER_PIECES; piece++)
    for (unsigned i = 0; i < c->options.experts; i++) {
      const struct duplex_layer_source source = source_of(c, piece, i);
      if (c->data[piece][i].there && duplex_layer_load(layer, i, piece, &source))
        fail_msg("%s", duplex_stack_last_error(stack));
    }
  return layer;
}

static struct duplex_layer_work work_of(const struct layer_case *c, unsigned piece, bool all_bundles) {
  return (struct duplex_layer_work){.piece = piece,
                                    .bundles = all_bundles ? 0 : c->options.piece[piece].bundles,
                                    .cuts = c->cuts,
                                    .counts = c->counts,
                                    .cut_counts = c->cut_counts,
                                    .tokens = c->tokens,
                                    .x = c->x,
                                    .table = duplex_activation_builtin("relu"),
                                    .format = c->format};
}

static void run_job(struct duplex_stack *stack, struct duplex_layer *layer, const struct layer_case *c,
                    unsigned piece, bool all_bundles) {
  const struct duplex_layer_work work = work_of(c, piece, all_bundles);
  struct duplex_job *job;
  const size_t bytes = c->all_tokens * columns_of(c, piece) * 16;
  uint8_t *y = malloc(bytes + 1);
  assert_non_null(y);
  memset(y, 0x55, bytes);
  if (duplex_layer_start(layer, &work, &job)) fail_msg("%s", duplex_stack_last_error(stack));
  if (duplex_stack_wait(job, UINT64_MAX, y)) fail_msg("%s", duplex_stack_last_error(stack));
  size_t place = 0;
  for (unsigned i = 0; i < c->options.experts; i++)
    for (uint32_t token = 0; token < c->counts[i]; token++)
      assert_token(c, piece, i, token < c->cut_counts[i] ? c->cuts[i] : 0, place++, y);
  free(y);
}

struct setup {
  const struct duplex_riscv_options *riscv;
  unsigned cases;
  int measure;
};

static void test_random_layers(void **state) {
  const struct setup *setup = *state;
  struct duplex_random random;
  duplex_random_seed(&random, 14, setup->cases);
  for (unsigned i = 0; i < setup->cases; i++) {
    struct layer_case c;
    const unsigned channels = 1 + (unsigned)below(&random, 5);
    draw(&c, &random, channels, 1 + (unsigned)below(&random, EXPERTS));
    struct duplex_stack *stack = open_stack(c.channels, setup->riscv, setup->measure);
    struct duplex_layer *layer = load_layer(stack, &c);
    for (unsigned piece = 0; piece < DUPLEX_LAYER_PIECES; piece++) {
      draw_job(&c, &random, piece);
      if (c.options.piece[piece].parts) run_job(stack, layer, &c, piece, below(&random, 2));
    }
    duplex_stack_close(stack);
    free_case(&c);
  }
}

// Layers of different forms and twins of one form in turn on one stack: what is kept of a job serves the next
// one only where it may.
static void test_layers_in_turn(void **state) {
  enum { LAYERS = 9, JOBS = 90, CHANNELS = 3, IN_TURN = 10 };  // in the same bundles, some pieces too
  static struct layer_case c[LAYERS];
  const struct setup *setup = *state;
  struct duplex_layer *layer[LAYERS];
  struct duplex_random random;
  duplex_random_seed(&random, 16, setup->cases);
  struct duplex_stack *stack = open_stack(CHANNELS, setup->riscv, 0);
  for (unsigned i = 0; i < LAYERS; i++) {
    if (i % 3) {
      draw_twin(&c[i], &c[i - 1], &random, i % 3 == 2);
    } else {
      draw(&c[i], &random, CHANNELS, IN_TURN);
    }
    layer[i] = load_layer(stack, &c[i]);
  }
  for (unsigned job = 0; job < JOBS; job++) {
    const unsigned i = (unsigned)below(&random, LAYERS);
    const unsigned piece = (unsigned)below(&random, DUPLEX_LAYER_PIECES);
    draw_job(&c[i], &random, piece);
    if (c[i].options.piece[piece].parts) run_job(stack, layer[i], &c[i], piece, below(&random, 2));
  }
  duplex_stack_close(stack);
  for (unsigned i = 0; i < LAYERS; i++) free_case(&c[i]);
}

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

// A matrix takes a beat for each row and k-tile; the exponents one for each block of rows.
static uint64_t bytes_of(const struct weight_layout *layout, uint32_t tiles, unsigned channels) {
  uint64_t beats = 0;
  for (unsigned channel = 0; channel < channels; channel++) {
    uint32_t first;
    const uint32_t rows = layout_channel_rows(layout, channel, &first);
    beats += (uint64_t)rows * tiles;
    if (layout->exponents) beats += (rows + layout->block_rows - 1) / layout->block_rows;
  }
  return beats * DUPLEX_BEAT_BYTES;
}

static void check_ranges(struct duplex_layer *layer, const struct layer_case *c, unsigned piece,
                         unsigned expert) {
  const struct layer_piece *shape = &layer->piece[piece];
  uint32_t tiles = shape->down.k_tiles;
  for (unsigned cut = 0; cut <= shape->parts; cut++) {
    struct sum_of_runs sum = {layer->stack, c->options.piece[piece].bundles, 0};
    uint64_t expected = 0;
    for (unsigned part = cut; part < shape->parts; part++)
      expected += bytes_of(&shape->up[part], (uint32_t)(c->options.hidden + 63) / 64, c->channels);
    if (cut < shape->parts && !c->options.products) expected += bytes_of(&shape->down, tiles, c->channels);
    assert_int_equal(duplex_layer_ranges(layer, expert, piece, cut, add_run, &sum), 0);
    assert_int_equal(sum.bytes, expected);
    if (cut < shape->parts) tiles -= (uint32_t)c->options.piece[piece].inner[cut] / DUPLEX_WIDTH;
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

// Leaves NaN in every column of h, of two groups of tokens.
static void poison(struct duplex_stack *stack) {
  enum { TILES = 3 };
  static duplex_f16 up[TILES * 64], x[16], y[16];
  struct duplex_weights *first, *second;
  for (unsigned i = 0; i < TILES * 64; i++) up[i] = DUPLEX_F16_NAN;
  for (unsigned i = 0; i < 16; i++) x[i] = 0x3c00;
  assert_int_equal(duplex_stack_upload(stack, up, TILES * 64, 1, NULL, &first), 0);
  assert_int_equal(duplex_stack_upload(stack, up, 1, TILES * 64, NULL, &second), 0);
  assert_int_equal(
      duplex_stack_expert(stack, first, second, duplex_activation_builtin("silu"), x, 16, DUPLEX_F16, y), 0);
  duplex_stack_release(stack, first);
  duplex_stack_release(stack, second);
}

// With the cut at the end an expert's piece is what duplex_stack_expert does, whatever the weights.
static void test_against_expert(void **state) {
  enum { N = 150, H = 210, M = 19, FIRST = 64 };
  static duplex_f16 gate[N * H], up[N * H], down[H * N], x[M * H];
  static uint8_t expected[M * H * 16], y[M * H * 16];
  struct duplex_random random;
  (void)state;
  duplex_random_seed(&random, 16, 0);
  for (unsigned i = 0; i < N * H; i++) {
    gate[i] = duplex_f16_from_double(duplex_random_normal(&random));
    up[i] = duplex_f16_from_double(duplex_random_normal(&random));
    down[i] =
        i % 1000 ? duplex_f16_from_double(duplex_random_normal(&random)) : (duplex_f16)below(&random, 65536);
  }
  for (unsigned i = 0; i < M * H; i++) x[i] = duplex_f16_from_double(duplex_random_normal(&random) / 8);
  struct duplex_stack *stack = open_stack(3, NULL, 0);
  x[5 * H + 7] = DUPLEX_F16_NAN, x[11 * H + 1] = 0x7c00;  // tokens of their own
  struct duplex_weights *first, *second;
  assert_int_equal(duplex_stack_upload_gated(stack, gate, up, N, H, NULL, NULL, &first), 0);
  assert_int_equal(duplex_stack_upload(stack, down, H, N, NULL, &second), 0);
  const struct duplex_layer_options options = {
      .experts = 1, .hidden = H, .gated = true, .piece = {{0x6, 2, {FIRST, N - FIRST}}}};
  const struct duplex_layer_source source = {.gate = gate, .up = up, .down = down};
  struct duplex_layer *layer;
  assert_int_equal(duplex_stack_open_layer(stack, &options, &layer), 0);
  assert_int_equal(duplex_layer_load(layer, 0, 0, &source), 0);
  for (int format = DUPLEX_F16; format <= DUPLEX_ACC; format++) {
    const struct duplex_layer_work work = {.bundles = 0x6,
                                           .cuts = (const uint8_t[]){2},
                                           .counts = (const uint32_t[]){M},
                                           .x = x,
                                           .format = (enum duplex_format)format};
    struct duplex_job *job;
    static const size_t size[] = {2, 4, 16};
    assert_int_equal(duplex_stack_expert(stack, first, second, duplex_activation_builtin("silu"), x, M,
                                         (enum duplex_format)format, expected),
                     0);
    poison(stack);
    assert_int_equal(duplex_layer_start(layer, &work, &job), 0);
    assert_int_equal(duplex_stack_wait(job, UINT64_MAX, y), 0);
    assert_memory_equal(y, expected, M * H * size[format]);
    struct duplex_stack_stats stats;
    duplex_stack_last_stats(stack, &stats);
    assert_int_equal(stats.macs, (uint64_t)3 * M * N * H);
    assert_int_equal(stats.useful_bytes, (uint64_t)3 * N * H * sizeof *gate);
    assert_int_equal(stats.descriptors, 2 * 4);  // two passes: load, two parts, down
  }
  duplex_stack_close(stack);
}

// What a layer or a job of it may not be.
static void test_limits(void **state) {
  static const duplex_f16 values[300 * 300];
  const struct duplex_layer_options good = {
      .experts = 2, .hidden = 100, .gated = true, .piece = {{0x3, 2, {64, 36}}, {0xc, 1, {36}}}};
  const struct duplex_layer_source source = {.gate = values, .up = values, .down = values};
  struct duplex_layer *layer;
  struct duplex_stack *stack = open_stack(2, NULL, 0);
  struct duplex_layer_options wrong[10];
  (void)state;
  for (unsigned i = 0; i < 10; i++) wrong[i] = good;
  wrong[0].experts = 0, wrong[1].experts = DUPLEX_LAYER_EXPERTS + 1;
  wrong[2].hidden = 0, wrong[3].hidden = 65537;
  wrong[4].piece[0].bundles = 0, wrong[5].piece[1].bundles = 0x10;
  wrong[6].piece[0].parts = DUPLEX_LAYER_PARTS + 1, wrong[7].piece[0].inner[0] = 63;
  wrong[8].piece[0].inner[1] = 0, wrong[9].piece[0].inner[1] = 65536;
  for (unsigned i = 0; i < 10; i++) {
    assert_int_equal(duplex_stack_open_layer(stack, &wrong[i], &layer), DUPLEX_ERROR_ARGUMENT);
    assert_null(layer);
    assert_true(duplex_stack_last_error(stack)[0] != 0);
  }
  assert_int_equal(duplex_stack_open_layer(NULL, &good, &layer), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_stack_open_layer(stack, NULL, &layer), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_stack_open_layer(stack, &good, NULL), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_stack_open_layer(stack, &good, &layer), 0);
  assert_int_equal(duplex_layer_load(layer, 2, 0, &source), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_layer_load(layer, 0, 2, &source), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(
      duplex_layer_load(layer, 0, 0, &(struct duplex_layer_source){.up = values, .down = values}),
      DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_layer_load(layer, 0, 0, &source), 0);
  assert_int_equal(duplex_layer_load(layer, 0, 0, &source), DUPLEX_ERROR_ARGUMENT);
  struct duplex_layer_work work[8];
  const uint8_t cuts[4][2] = {{2, 0}, {3, 0}, {2, 1}, {0, 0}};
  const uint32_t counts[2][2] = {{3, 4}, {3, 4097}};
  for (unsigned i = 0; i < 8; i++)
    work[i] = (struct duplex_layer_work){.cuts = cuts[0], .counts = counts[0], .x = values};
  work[0].cuts = cuts[1], work[1].cuts = cuts[2], work[2].counts = counts[1], work[3].bundles = 0x2;
  work[4].piece = 3, work[5].x = NULL, work[6].policy = (enum duplex_layer_policy)9;
  work[7].cut_counts = (const uint32_t[]){3, 5};
  struct duplex_job *job;
  for (unsigned i = 0; i < 8; i++) {
    assert_int_equal(duplex_layer_start(layer, &work[i], &job), DUPLEX_ERROR_ARGUMENT);
    assert_null(job);
  }
  // Products are binary32, and there is no down.
  struct duplex_layer_options products = good;
  products.products = true;
  struct duplex_layer *of_products;
  duplex_f16 value;
  assert_int_equal(duplex_stack_open_layer(stack, &products, &of_products), 0);
  assert_int_equal(
      duplex_layer_load(of_products, 0, 0, &(struct duplex_layer_source){.gate = values, .up = values}), 0);
  assert_int_equal(
      duplex_layer_start(of_products,
                         &(struct duplex_layer_work){
                             .cuts = cuts[0], .counts = counts[0], .x = values, .format = DUPLEX_ACC},
                         &job),
      DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_layer_read(of_products, 0, 0, DUPLEX_LAYER_DOWN, 0, 1, 0, 1, &value, 0, NULL),
                   DUPLEX_ERROR_ARGUMENT);
  // Nothing to do is a job too.
  uint8_t y[7 * 100 * 2], zeros[sizeof y] = {0};
  const struct duplex_layer_work idle = {
      .piece = 1, .bundles = 0xc, .cuts = cuts[3], .counts = counts[0], .x = values};
  memset(y, 0x55, sizeof y);
  assert_int_equal(duplex_layer_start(layer, &idle, &job), 0);
  assert_int_equal(duplex_stack_wait(job, UINT64_MAX, y), 0);
  assert_memory_equal(y, zeros, sizeof y);
  assert_int_equal(duplex_stack_hand_over(stack, 0x10), DUPLEX_ERROR_ARGUMENT);
  duplex_stack_close(stack);
}

// As many experts as a layer may have, and rows that are full.
static void test_many_experts(void **state) {
  const struct duplex_layer_options options = {
      .experts = DUPLEX_LAYER_EXPERTS,
      .hidden = 64,
      .piece = {{0x1, 1, {64}}, {0x2, 1, {64}}, {0x4, 1, {64}}, {0x8, 1, {64}}}};
  static uint8_t cuts[DUPLEX_LAYER_EXPERTS];
  static uint32_t counts[DUPLEX_LAYER_EXPERTS];
  static duplex_f16 x[DUPLEX_LAYER_EXPERTS * 64], y[DUPLEX_LAYER_EXPERTS * 64];
  static duplex_f16 up[64 * 64], down[64 * 64];
  struct duplex_stack *stack = open_stack(1, NULL, 0);
  struct duplex_layer *layer;
  (void)state;
  for (unsigned i = 0; i < 64; i++) up[i * 65] = down[i * 65] = 0x3c00;  // 1
  assert_int_equal(duplex_stack_open_layer(stack, &options, &layer), 0);
  for (unsigned i = 0; i < DUPLEX_LAYER_EXPERTS; i++) {
    const struct duplex_layer_source source = {.up = up, .down = down};
    assert_int_equal(duplex_layer_load(layer, i, i % 4, &source), 0);
    counts[i] = 1;
    for (unsigned k = 0; k < 64; k++) x[i * 64 + k] = (duplex_f16)(0x3c00 + i + k);
  }
  for (unsigned piece = 0; piece < 4; piece++) {
    const struct duplex_layer_work work = {
        .piece = piece, .cuts = cuts, .counts = counts, .x = x, .table = duplex_activation_builtin("relu")};
    struct duplex_job *job;
    for (unsigned i = 0; i < DUPLEX_LAYER_EXPERTS; i++) cuts[i] = i % 4 == piece;
    assert_int_equal(duplex_layer_start(layer, &work, &job), 0);
    assert_int_equal(duplex_stack_wait(job, UINT64_MAX, y), 0);
    for (unsigned i = piece; i < DUPLEX_LAYER_EXPERTS; i += 4)
      assert_memory_equal(y + i * 64, x + i * 64, 64 * sizeof *x);
  }
  duplex_stack_close(stack);
}

int main(void) {
  static const struct duplex_riscv_options riscv = {0};
  static const struct setup native = {NULL, 60, 0};
  static const struct setup rv32 = {&riscv, 20, 0};
  static const struct setup measured = {&riscv, 4, 1};
  const struct CMUnitTest tests[] = {
      {"random layers, native", test_random_layers, NULL, NULL, (void *)(uintptr_t)&native},
      {"random layers, RV32", test_random_layers, NULL, NULL, (void *)(uintptr_t)&rv32},
      {"random layers, measured", test_random_layers, NULL, NULL, (void *)(uintptr_t)&measured},
      {"layers in turn, native", test_layers_in_turn, NULL, NULL, (void *)(uintptr_t)&native},
      {"layers in turn, RV32", test_layers_in_turn, NULL, NULL, (void *)(uintptr_t)&rv32},
      cmocka_unit_test(test_reads),
      cmocka_unit_test(test_against_expert),
      cmocka_unit_test(test_limits),
      cmocka_unit_test(test_many_experts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
