// SPDX-License-Identifier: Apache-2.0
// An expert on the xPU: gate and up for some inner columns at a time, the activation, then down.
#include "xpu/expert.h"

#include <stdlib.h>
#include <string.h>

#include "duplex/error.h"
#include "xpu/parallel.h"

#define INNER_MOST (DUPLEX_WIDTH * DUPLEX_K_TILES_MAX)
#define CHUNK 3072u  // inner columns whose g and u are held at a time
#define PIECE 512u   // of them, what a thread takes at a time

// Inner columns first to first + count - 1, and their g and u.
struct chunk {
  const struct xpu_expert *expert;
  unsigned first, count;
  duplex_f32 *g, *u;  // [tokens][CHUNK]
  duplex_f16 *h;      // [tokens][inner]
};

// A matrix from one of its rows on.
struct lower_part {
  const struct duplex_xpu_weights *whole;
  unsigned first;
};

static const duplex_f16 *lower_rows(void *context, unsigned first, unsigned count, duplex_f16 *room) {
  const struct lower_part *part = context;
  return part->whole->rows(part->whole->context, part->first + first, count, room);
}

// g or u of a chunk.
static int multiply(const struct chunk *chunk, const struct duplex_xpu_weights *weights,
                    const int8_t *exponents, duplex_f32 *out) {
  const struct xpu_expert *expert = chunk->expert;
  struct lower_part part = {weights, chunk->first};
  const struct xpu_gemm gemm = {.x = expert->x,
                                .x_stride = expert->x_stride,
                                .tokens = expert->tokens,
                                .columns = expert->columns,
                                .rows = chunk->count,
                                .weights = {lower_rows, &part, weights->stride},
                                .exponents = exponents ? exponents + chunk->first : NULL,
                                .format = DUPLEX_RESULT_FORMAT_F32,
                                .out = out,
                                .out_stride = CHUNK,
                                .threads = expert->threads};
  return xpu_gemm_run(&gemm, NULL);
}

static unsigned pieces_of(const struct chunk *chunk) { return (chunk->count + PIECE - 1) / PIECE; }

// h of one token and up to PIECE columns.
static void activate(void *context, unsigned thread, size_t number) {
  (void)thread;
  const struct chunk *chunk = context;
  const size_t token = number / pieces_of(chunk);
  const unsigned from = (unsigned)(number % pieces_of(chunk)) * PIECE;
  const unsigned end = from + PIECE < chunk->count ? from + PIECE : chunk->count;
  const bool gated = chunk->expert->gate.rows;
  const duplex_f32 *g = gated ? chunk->g + token * CHUNK : NULL;
  const duplex_f32 *u = chunk->u + token * CHUNK;
  duplex_f16 *h = chunk->h + token * chunk->expert->inner + chunk->first;
  for (unsigned i = from; i < end; i++)
    h[i] = duplex_activation(chunk->expert->activation, gated ? g[i] : 0, u[i], gated);
}

static int make_h(struct chunk *chunk) {
  const struct xpu_expert *expert = chunk->expert;
  for (chunk->first = 0; chunk->first < expert->inner; chunk->first += CHUNK) {
    const unsigned left = expert->inner - chunk->first;
    chunk->count = left < CHUNK ? left : CHUNK;
    int error = multiply(chunk, &expert->up, expert->up_exponents, chunk->u);
    if (!error && expert->gate.rows) error = multiply(chunk, &expert->gate, expert->gate_exponents, chunk->g);
    if (error) return error;
    xpu_parallel(expert->threads, (size_t)expert->tokens * pieces_of(chunk), activate, chunk);
  }
  return DUPLEX_OK;
}

static struct xpu_gemm down_of(const struct xpu_expert *expert, const duplex_f16 *h) {
  return (struct xpu_gemm){.x = h,
                           .x_stride = expert->inner,
                           .tokens = expert->tokens,
                           .columns = expert->inner,
                           .rows = expert->rows,
                           .weights = expert->down,
                           .exponents = expert->down_exponents,
                           .format = expert->format,
                           .out = expert->out,
                           .out_stride = expert->out_stride,
                           .add = expert->add,
                           .threads = expert->threads};
}

// Without inner columns every sum is 0, whose bytes are 0 in each format.
static int write_zeros(const struct xpu_expert *expert) {
  static const size_t bytes[] = {[DUPLEX_RESULT_FORMAT_F16] = sizeof(duplex_f16),
                                 [DUPLEX_RESULT_FORMAT_F32] = sizeof(duplex_f32),
                                 [DUPLEX_RESULT_FORMAT_ACC] = 16};
  const size_t size = bytes[expert->format];
  for (size_t token = 0; token < expert->tokens && !expert->add; token++)
    memset((uint8_t *)expert->out + token * expert->out_stride * size, 0, expert->rows * size);
  return DUPLEX_OK;
}

// What the products do not check before anything is written.
static bool is_legal(const struct xpu_expert *expert) {
  return expert && expert->x && expert->up.rows && expert->down.rows && expert->activation && expert->out &&
         expert->format <= DUPLEX_RESULT_FORMAT_ACC &&
         (!expert->add || expert->format == DUPLEX_RESULT_FORMAT_ACC) && expert->tokens && expert->rows &&
         expert->out_stride >= expert->rows && expert->inner <= INNER_MOST &&
         expert->down.stride >= expert->inner;
}

int xpu_expert_run(const struct xpu_expert *expert) {
  if (!is_legal(expert)) return DUPLEX_ERROR_ARGUMENT;
  if (expert->inner == 0) return write_zeros(expert);
  struct chunk chunk = {.expert = expert};
  const size_t values = (size_t)expert->tokens * CHUNK;
  chunk.u = malloc(values * sizeof *chunk.u);
  chunk.g = expert->gate.rows ? malloc(values * sizeof *chunk.g) : NULL;
  chunk.h = malloc((size_t)expert->tokens * expert->inner * sizeof *chunk.h);
  const bool ready = chunk.u && chunk.h && (chunk.g || !expert->gate.rows);
  int error = ready ? make_h(&chunk) : DUPLEX_ERROR_NO_MEMORY;
  const struct xpu_gemm down = down_of(expert, chunk.h);
  if (!error) error = xpu_gemm_run(&down, NULL);
  free(chunk.u);
  free(chunk.g);
  free(chunk.h);
  return error;
}
