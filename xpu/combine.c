// SPDX-License-Identifier: Apache-2.0
// The outputs of a layer's experts, weighted and joined in the host's binary32 operations one by one.
#include "xpu/combine.h"

#include <string.h>

#include "cmodel/numerics/exact_mode.h"
#include "xpu/binary32.h"
#include "xpu/parallel.h"

#define CHUNK 64u  // columns that are worked on together

// One expert's part of the work.
struct addition {
  const struct xpu_combine *combine;
  const uint32_t *tokens;
  const duplex_f32 *weights;
  const duplex_f32 *y;
  size_t y_stride;
};

// What is to be written at last.
struct result {
  const struct xpu_combine *combine;
  duplex_f16 *y;
  size_t y_stride;
};

// `count` columns, at most CHUNK. The loops run over all of CHUNK, so that compilers make vectors of them.
static void add_chunk(duplex_f32 *sums, float weight, const duplex_f32 *y, unsigned count) {
  float sum[CHUNK] = {0};
  float product[CHUNK] = {0};
  memcpy(sum, sums, count * sizeof *sum);
  memcpy(product, y, count * sizeof *product);
  for (unsigned i = 0; i < CHUNK; i++) product[i] *= weight;
  for (unsigned i = 0; i < CHUNK; i++) sum[i] += product[i];
  memcpy(sums, sum, count * sizeof *sum);
}

static void add_row(void *context, unsigned thread, size_t row) {
  (void)thread;
  const struct addition *addition = context;
  const struct xpu_combine *combine = addition->combine;
  duplex_f32 *sums = combine->sums + addition->tokens[row] * combine->stride;
  const duplex_f32 *y = addition->y + row * addition->y_stride;
  const exact_mode saved = exact_begin(y);
  for (unsigned i = 0; i < combine->columns; i += CHUNK) {
    const unsigned left = combine->columns - i;
    add_chunk(sums + i, binary32_float(addition->weights[row]), y + i, left < CHUNK ? left : CHUNK);
  }
  exact_end(saved, sums);
}

static void round_row(void *context, unsigned thread, size_t row) {
  (void)thread;
  const struct result *result = context;
  const duplex_f32 *sums = result->combine->sums + row * result->combine->stride;
  duplex_f16 *y = result->y + row * result->y_stride;
  for (unsigned i = 0; i < result->combine->columns; i++) y[i] = duplex_f16_from_f32(sums[i]);
}

void xpu_combine_begin(const struct xpu_combine *combine) {
  for (size_t row = 0; row < combine->tokens; row++)
    memset(combine->sums + row * combine->stride, 0, combine->columns * sizeof *combine->sums);
}

void xpu_combine_add(const struct xpu_combine *combine, const uint32_t *tokens, const duplex_f32 *weights,
                     unsigned count, const duplex_f32 *y, size_t y_stride) {
  struct addition addition = {combine, tokens, weights, y, y_stride};
  xpu_parallel(combine->threads, count, add_row, &addition);
}

void xpu_combine_finish(const struct xpu_combine *combine, duplex_f16 *y, size_t y_stride) {
  struct result result = {combine, y, y_stride};
  xpu_parallel(combine->threads, combine->tokens, round_row, &result);
}
