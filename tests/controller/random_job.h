// SPDX-License-Identifier: Apache-2.0
// A random job of the library, drawn from (seed, case number) alone: gemm, expert, attention and layer in
// turn.
#ifndef DUPLEX_TEST_RANDOM_JOB_H
#define DUPLEX_TEST_RANDOM_JOB_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "duplex/duplex.h"
#include "duplex/kv_cache.h"
#include "duplex/layer.h"
#include "duplex/random.h"

enum { SEQUENCES = 4, PIECES = 14, POSITIONS = 200, EXPERTS = 7 };
enum kind { GEMM, EXPERT, ATTENTION, LAYER, KINDS };
static const char *const kind_names[KINDS] = {"gemm", "expert", "attention", "layer"};

// Sequences grow in turns, so that their pages lie apart; some begin with the first positions of the one
// before.
struct attention_case {
  unsigned heads, group, head_size, batch, pieces, spread, wide;
  struct {
    unsigned sequence, positions;
  } piece[PIECES];
  bool shares[SEQUENCES];
  duplex_f16 *k, *v, *q;  // k, v[heads][POSITIONS][head_size] of a piece, of the next one a position later
};

// One piece; all experts have the same weights. Joined parts are for numbers of channels that divide 32.
struct layer_case {
  struct duplex_layer_options options;
  unsigned owned;
  size_t inner;
  uint8_t cuts[EXPERTS];
  uint32_t counts[EXPERTS];
};

struct test_case {
  enum kind kind;
  struct attention_case attention;
  struct layer_case layer;
  bool gated;
  size_t matrices;  // 2: a pair, in turn
  size_t m, n, k;
  enum duplex_format format;
  const char *act;
  duplex_f16 *x, *w;  // w: room for three matrices
};

static size_t pick(struct duplex_random *random, const size_t *list, size_t count) {
  return list[duplex_random_below(random, count)];
}

// Normal values, now and then any bits.
static duplex_f16 *tensor(struct duplex_random *random, size_t count, double scale) {
  const bool bits = duplex_random_below(random, 8) == 0;
  duplex_f16 *values = malloc(count * sizeof *values);
  if (!values) exit(1);
  for (size_t i = 0; i < count; i++)
    values[i] = bits ? (duplex_f16)duplex_random_below(random, 65536)
                     : duplex_f16_from_double(scale * duplex_random_normal(random));
  return values;
}

static void draw_matrices(struct test_case *c, struct duplex_random *random) {
  static const size_t widths[] = {1, 2, 63, 64, 65, 100, 127, 128, 200, 320, 511};
  static const char *const acts[] = {"silu", "gelu", "gelu_tanh", "relu", "identity"};
  c->m = 1 + duplex_random_below(random, 40);
  c->n = 1 + duplex_random_below(random, 150);
  c->k = pick(random, widths, sizeof widths / sizeof *widths);
  c->format = (enum duplex_format)duplex_random_below(random, 3);
  c->act = acts[duplex_random_below(random, 5)];
  c->gated = duplex_random_below(random, 4) != 0;
  c->matrices = duplex_random_below(random, 4) ? 1 : 2;
  c->x = tensor(random, c->matrices * c->m * c->k, 1);
  c->w = tensor(random, 3 * c->matrices * c->n * c->k, 0.1);
}

static void draw_attention(struct attention_case *a, struct duplex_random *random) {
  static const size_t sizes[] = {16, 48, 64, 80, 128, 128, 144, 256};
  static const size_t lengths[] = {1, 2, 16, 63, 64, 65, 100, 130, POSITIONS};
  a->heads = 1 + (unsigned)duplex_random_below(random, 5);
  a->group = 1 + (unsigned)duplex_random_below(random, 9);
  a->head_size = (unsigned)pick(random, sizes, sizeof sizes / sizeof *sizes);
  a->batch = 1 + (unsigned)duplex_random_below(random, SEQUENCES);
  a->pieces = a->batch + (unsigned)duplex_random_below(random, 1 + PIECES - SEQUENCES);
  for (unsigned i = 0; i < a->pieces; i++) {
    a->piece[i].sequence = i < a->batch ? i : (unsigned)duplex_random_below(random, a->batch);
    a->piece[i].positions = (unsigned)pick(random, lengths, sizeof lengths / sizeof *lengths);
  }
  for (unsigned i = 1; i < a->batch; i++) a->shares[i] = duplex_random_below(random, 2);
  a->spread = 1u << duplex_random_below(random, 3);
  a->wide = (unsigned)duplex_random_below(random, 2);
  const size_t elements = ((size_t)a->heads * POSITIONS + PIECES) * a->head_size;
  a->k = tensor(random, elements, 1);
  a->v = tensor(random, elements, 1);
  a->q = tensor(random, (size_t)a->batch * a->heads * a->group * a->head_size, 1);
}

// k is the hidden size, m the tokens of all experts.
static void draw_layer(struct test_case *c, struct duplex_random *random) {
  struct layer_case *l = &c->layer;
  struct duplex_layer_piece *piece = &l->options.piece[0];
  draw_matrices(c, random);
  free(c->x), free(c->w);
  c->m = c->matrices = 1;
  l->options.experts = 1 + (unsigned)duplex_random_below(random, EXPERTS);
  l->options.hidden = c->k;
  l->options.gated = c->gated;
  piece->bundles = 1 + (unsigned)duplex_random_below(random, 15);
  piece->parts = 1 + (unsigned)duplex_random_below(random, 3);
  piece->joined = duplex_random_below(random, 2);
  for (unsigned i = 0; i < piece->parts; i++) {
    const bool cut_anywhere = !piece->joined || i + 1 == piece->parts;
    piece->inner[i] = cut_anywhere ? 1 + duplex_random_below(random, 70) : 64;
    l->inner += piece->inner[i];
  }
  l->owned = piece->bundles | (unsigned)duplex_random_below(random, 16);
  for (unsigned i = 0; i < l->options.experts; i++) {
    l->cuts[i] = (uint8_t)duplex_random_below(random, piece->parts + 1);
    l->counts[i] = (uint32_t)duplex_random_below(random, 3) * (uint32_t)duplex_random_below(random, 18);
    c->m += l->counts[i];
  }
  c->x = tensor(random, c->m * c->k, 1);
  c->w = tensor(random, 3 * l->inner * c->k, 0.1);
}

static struct test_case draw(uint64_t seed, uint64_t number) {
  struct duplex_random random;
  struct test_case c = {.kind = (enum kind)(number % KINDS)};
  duplex_random_seed(&random, seed, number);
  if (c.kind == ATTENTION)
    draw_attention(&c.attention, &random);
  else if (c.kind == LAYER)
    draw_layer(&c, &random);
  else
    draw_matrices(&c, &random);
  return c;
}

static void free_case(struct test_case *c) {
  free(c->x), free(c->w);
  free(c->attention.k), free(c->attention.v), free(c->attention.q);
}

static size_t result_bytes(const struct test_case *c) {
  static const size_t element[] = {2, 4, 16};
  const struct attention_case *a = &c->attention;
  if (c->kind == ATTENTION) return (size_t)a->batch * a->heads * a->group * a->head_size * sizeof(duplex_f16);
  return c->matrices * c->m * (c->kind == GEMM ? c->n : c->k) * element[c->format];
}

static int upload(struct duplex_stack *stack, const struct test_case *c, const duplex_f16 *gate,
                  const duplex_f16 *w, size_t n, size_t k, struct duplex_weights **weights) {
  if (c->matrices == 2) return duplex_stack_upload_pair(stack, gate, w, n, k, weights);
  return gate ? duplex_stack_upload_gated(stack, gate, w, n, k, NULL, NULL, weights)
              : duplex_stack_upload(stack, w, n, k, NULL, weights);
}

static int run_matrices(struct duplex_stack *stack, const struct test_case *c, void *y) {
  struct duplex_weights *up = NULL;
  struct duplex_weights *down = NULL;
  const size_t one = c->matrices * c->n * c->k;
  int error = upload(stack, c, c->kind == EXPERT && c->gated ? c->w : NULL, c->w + one, c->n, c->k, &up);
  if (!error && c->kind == EXPERT) error = upload(stack, c, NULL, c->w + 2 * one, c->k, c->n, &down);
  if (!error)
    error = c->kind == EXPERT ? duplex_stack_expert(stack, up, down, duplex_activation_builtin(c->act), c->x,
                                                    c->m, c->format, y)
                              : duplex_stack_gemm(stack, up, c->x, c->m, c->format, y);
  duplex_stack_release(stack, up);
  duplex_stack_release(stack, down);
  return error;
}

static int run_layer(struct duplex_stack *stack, const struct test_case *c, void *y) {
  const struct layer_case *l = &c->layer;
  const size_t one = l->inner * c->k;
  const struct duplex_layer_source source = {.gate = c->w, .up = c->w + one, .down = c->w + 2 * one};
  const struct duplex_layer_work work = {.bundles = l->owned,
                                         .cuts = l->cuts,
                                         .counts = l->counts,
                                         .x = c->x,
                                         .table = duplex_activation_builtin(c->act),
                                         .format = c->format};
  struct duplex_layer *layer = NULL;
  struct duplex_job *job = NULL;
  int error = duplex_stack_open_layer(stack, &l->options, &layer);
  for (unsigned i = 0; i < l->options.experts && !error; i++) error = duplex_layer_load(layer, i, 0, &source);
  if (!error) error = duplex_layer_start(layer, &work, &job);
  if (!error) error = duplex_stack_wait(job, UINT64_MAX, y);
  duplex_layer_close(layer);
  return error;
}

static int fill(const struct attention_case *a, struct duplex_kv_cache *cache, unsigned spread,
                struct duplex_sequence *sequences[SEQUENCES]) {
  const size_t stride = (size_t)POSITIONS * a->head_size;
  int error = 0;
  for (unsigned i = 0; i < a->pieces && !error; i++) {
    struct duplex_sequence **to = &sequences[a->piece[i].sequence];
    if (!*to && a->shares[i]) {
      error = duplex_kv_share(to[-1], (duplex_kv_length(to[-1], 0) + 1) / 2, to);
    } else if (!*to) {
      error = duplex_kv_begin_spread(cache, DUPLEX_KV_SPACES, 64, spread, to);
    }
    if (!error)
      error = duplex_kv_append(*to, 0, a->k + i * a->head_size, a->v + i * a->head_size,
                               a->piece[i].positions, stride);
  }
  return error;
}

static int run_attention(struct duplex_stack *stack, const struct attention_case *a, void *o) {
  const struct duplex_kv_options options = {
      .heads = a->heads, .head_size = a->head_size, .page_positions = 64, .pages = 80};
  struct duplex_sequence *sequences[SEQUENCES] = {NULL};
  struct duplex_kv_cache *cache = NULL;
  const unsigned most = duplex_kv_spread_most(stack, a->heads);
  int error = duplex_kv_open(stack, &options, &cache);
  if (!error) error = fill(a, cache, a->spread < most ? a->spread : most, sequences);
  if (!error) duplex_kv_use_p32(cache, a->wide);
  if (!error)
    error = duplex_stack_attention(cache, 0, sequences, a->batch, a->q, (size_t)a->heads * a->group, 0, o);
  if (cache) duplex_kv_close(cache);
  return error;
}

static int run(struct duplex_stack *stack, const struct test_case *c, void *y) {
  if (c->kind == LAYER) return run_layer(stack, c, y);
  return c->kind == ATTENTION ? run_attention(stack, &c->attention, y) : run_matrices(stack, c, y);
}

static void print_case(const struct test_case *c) {
  const struct attention_case *a = &c->attention;
  if (c->kind == ATTENTION)
    printf("attention D %u, %u KV heads x %u, %u sequences in %u pieces, spread to %u%s", a->head_size,
           a->heads, a->group, a->batch, a->pieces, a->spread, a->wide ? ", p32" : "");
  else
    printf("%s%s M %zu N %zu K %zu format %d", c->matrices == 2 ? "pair " : "", kind_names[c->kind], c->m,
           c->n, c->k, (int)c->format);
}

static uint64_t cycles_of(const struct duplex_stack *stack) {
  struct duplex_stack_stats stats;
  duplex_stack_last_stats(stack, &stats);
  return stats.cycles;
}

#endif
