// SPDX-License-Identifier: Apache-2.0
// Layers at random, with what they have to give by sums of doubles, which are exact: whole numbers are drawn.
//
// To be included behind cmocka.h.
#ifndef TESTS_DRIVER_LAYER_CASE_H
#define TESTS_DRIVER_LAYER_CASE_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "driver/layer.h"
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

static inline uint64_t below(struct duplex_random *random, uint64_t bound) {
  return duplex_random_below(random, bound);
}

// Integers up to 1, so that binary64 holds every sum.
static inline duplex_f16 *integers(struct duplex_random *random, size_t count) {
  duplex_f16 *made = malloc((count + 1) * sizeof *made);
  assert_non_null(made);
  for (size_t i = 0; i < count; i++) made[i] = duplex_f16_from_double((double)below(random, 3) - 1);
  return made;
}

static inline int8_t *exponents(struct duplex_random *random, size_t count) {
  int8_t *made = malloc(count);
  assert_non_null(made);
  for (size_t i = 0; i < count; i++) made[i] = (int8_t)((int)below(random, 3) - 1);
  return made;
}

static inline void draw_weights(struct layer_case *c, struct duplex_random *random, unsigned piece) {
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

static inline void draw_piece(struct layer_case *c, struct duplex_random *random, unsigned piece) {
  static const unsigned stripes[4][4] = {{0xf}, {0x3, 0xc, 0x3}, {0xc, 0x1, 0x2}, {0x1, 0x2, 0x4, 0x8}};
  const unsigned set = (c->options.experts + c->channels) % 4;
  if (!stripes[set][piece]) return;
  struct duplex_layer_piece *p = &c->options.piece[piece];
  p->bundles = stripes[set][piece];
  p->parts = (unsigned)below(random, 4);
  p->joined = below(random, 2);
  const size_t unit = p->joined ? 2 * c->channels : below(random, 2) ? DUPLEX_WIDTH : 1;
  for (unsigned part = 0; part < p->parts; part++) {
    const bool last = part + 1 == p->parts;
    p->inner[part] = last ? 1 + below(random, 130) : unit * (1 + below(random, 130 / unit));
    c->inner[piece] += p->inner[part];
  }
  draw_weights(c, random, piece);
}

static inline void draw(struct layer_case *c, struct duplex_random *random, unsigned channels,
                        unsigned experts) {
  *c = (struct layer_case){.channels = channels};
  c->options.experts = experts;
  c->options.hidden = 1 + below(random, 200);
  c->options.gated = below(random, 3) != 0;
  c->options.up_exponents = below(random, 2);
  c->options.down_exponents = below(random, 2);
  c->options.products = below(random, 3) == 0;
  c->options.rounded = below(random, 2);
  c->up_stride = c->options.hidden + below(random, 3);
  c->down_more = below(random, 3);
  for (unsigned piece = 0; piece < DUPLEX_LAYER_PIECES; piece++) draw_piece(c, random, piece);
  c->x = integers(random, ROWS_OF_X * c->options.hidden);
}

// A layer of the same form with other weights, or one whose last parts are a row narrower.
static inline void draw_twin(struct layer_case *c, const struct layer_case *of, struct duplex_random *random,
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
static inline void draw_job(struct layer_case *c, struct duplex_random *random, unsigned piece) {
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

static inline void free_case(struct layer_case *c) {
  for (unsigned piece = 0; piece < DUPLEX_LAYER_PIECES; piece++)
    for (unsigned i = 0; i < EXPERTS; i++) {
      struct piece_data *d = &c->data[piece][i];
      free(d->gate), free(d->up), free(d->down);
      free(d->gate_exponents), free(d->up_exponents), free(d->down_exponents);
    }
  free(c->x);
}

static inline double dot(const duplex_f16 *a, const duplex_f16 *b, size_t count) {
  double sum = 0;
  for (size_t i = 0; i < count; i++) sum += duplex_f16_to_double(a[i]) * duplex_f16_to_double(b[i]);
  return sum;
}

// h of one token and one inner row, with relu.
static inline double inner_value(const struct layer_case *c, const struct piece_data *d, const duplex_f16 *x,
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
static inline size_t encode(enum duplex_format format, double sum, int exponent, uint8_t bytes[16]) {
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
static inline size_t columns_of(const struct layer_case *c, unsigned piece) {
  if (!c->options.products) return c->options.hidden;
  return c->inner[piece] * (c->options.gated ? 2 : 1);
}

// Products: each row of gate and up with x, zeros behind the cut.
static inline void assert_products(const struct layer_case *c, unsigned piece, unsigned expert, unsigned cut,
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
      fail_msg("products of piece %u, expert %u (cut %u of %u %sparts), token %zu, row %zu, %u channels",
               piece, expert, cut, c->options.piece[piece].parts,
               c->options.piece[piece].joined ? "joined " : "", place, row, c->channels);
  }
}

// `cut`: of this token.
static inline void assert_token(const struct layer_case *c, unsigned piece, unsigned expert, unsigned cut,
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
      fail_msg(
          "piece %u, expert %u (cut %u of %u %sparts), token %zu, row %zu of %zu, format %d, "
          "%u channels",
          piece, expert, cut, c->options.piece[piece].parts, c->options.piece[piece].joined ? "joined " : "",
          place, row, c->options.hidden, (int)c->format, c->channels);
  }
}

static inline struct duplex_stack *open_stack(unsigned channels, const struct duplex_riscv_options *riscv,
                                              int measure) {
  const struct duplex_stack_options options = {
      .backend = {.channels = channels, .threads = 1}, .riscv = riscv, .measure_overhead = measure};
  struct duplex_stack *stack;
  char text[512] = "";
  if (duplex_stack_open("cmodel", &options, &stack, text, sizeof text)) fail_msg("%s", text);
  return stack;
}

static inline struct duplex_layer_source source_of(const struct layer_case *c, unsigned piece,
                                                   unsigned expert) {
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

static inline struct duplex_layer *load_layer(struct duplex_stack *stack, const struct layer_case *c) {
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

static inline struct duplex_layer_work work_of(const struct layer_case *c, unsigned piece, bool all_bundles) {
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

static inline void run_job(struct duplex_stack *stack, struct duplex_layer *layer, const struct layer_case *c,
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

#endif
