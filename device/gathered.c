// SPDX-License-Identifier: Apache-2.0
// h and y_e from the products of Logic-PIM and of the xPU.
#include "device/gathered.h"

#include <stdlib.h>
#include <string.h>

#include "duplex/activation.h"
#include "duplex/error.h"

int gathered_take(struct moe_run *run) {
  const size_t pairs = run->dispatch.pairs;
  run->h = calloc(pairs * run->moe->shape.inner, sizeof *run->h);
  run->y = calloc(pairs * run->moe->shape.hidden, sizeof *run->y);
  return run->h && run->y ? DUPLEX_OK : DUPLEX_ERROR_NO_MEMORY;
}

static size_t unit_of(const struct moe_run *run) {
  return run->stage->kind == STAGE_UP && run->moe->gated ? 2 : 1;
}

size_t gathered_columns(const struct moe_run *run, unsigned stack, unsigned piece) {
  return moe_inner_behind(&run->stage->piece[stack][piece], 0) * unit_of(run);
}

// Some h of one pair from g (NULL: there is no gate) and u, which lie `unit` values apart.
static void activate(const struct duplex_moe *moe, const duplex_f32 *g, const duplex_f32 *u, size_t unit,
                     size_t count, duplex_f16 *h) {
  for (size_t i = 0; i < count; i++)
    h[i] = duplex_activation(moe->table, g ? g[i * unit] : 0, u[i * unit], g != NULL);
}

// The first `count` rows of the products that one pair has of a piece whose first row is `first`.
static void take_pair(struct moe_run *run, size_t pair, size_t first, size_t count,
                      const duplex_f32 *products) {
  const struct duplex_moe *moe = run->moe;
  const size_t unit = unit_of(run);
  if (run->stage->kind == STAGE_DOWN) {
    memcpy(run->y + pair * moe->shape.hidden + first, products, count * sizeof *products);
  } else {
    activate(moe, unit == 2 ? products : NULL, products + unit - 1, unit, count,
             run->h + pair * moe->shape.inner + first);
  }
}

void gathered_take_products(struct moe_run *run, unsigned stack, unsigned piece, const duplex_f32 *products) {
  const struct moe_piece *own = &run->stage->piece[stack][piece];
  const size_t columns = gathered_columns(run, stack, piece);
  for (unsigned e = 0; e < run->moe->shape.experts; e++) {
    const size_t count = moe_inner_before(own, run_cut(run, stack, piece, e));
    for (size_t i = 0; count && i < run_cut_tokens(run, e); i++) {
      const size_t pair = run->dispatch.first[e] + i;
      take_pair(run, pair, own->first, count, products + pair * columns);
    }
  }
}

// A product of the xPU: out[tokens][rows], binary32.
static int multiply(struct share_matrix *matrix, const duplex_f16 *x, size_t rows, const int8_t *exponents,
                    duplex_f32 *out, size_t stride) {
  const struct duplex_xpu_work work = {.kind = DUPLEX_XPU_GEMM,
                                       .gemm = {.x = x,
                                                .x_stride = matrix->columns,
                                                .tokens = matrix->share->tokens,
                                                .columns = (unsigned)matrix->columns,
                                                .rows = (unsigned)rows,
                                                .weights = share_rows(matrix),
                                                .exponents = exponents,
                                                .format = DUPLEX_RESULT_FORMAT_F32,
                                                .out = out,
                                                .out_stride = stride}};
  return share_run(matrix->share, &work, matrix, 1);
}

// h of the rows of gate and up of a share, from `from` of the piece on.
static int share_h(struct moe_run *run, const struct share *share, size_t from, size_t rows,
                   const int8_t *exponents) {
  const struct duplex_moe *moe = run->moe;
  const size_t first = run->stage->piece[share->stack][share->piece].first + from;
  const size_t hidden = moe->shape.hidden;
  const size_t tokens = share->tokens;
  const size_t pair = run->dispatch.first[share->expert] + share->first;
  struct share_matrix gate = {share, DUPLEX_LAYER_GATE, from, 0, hidden, 0};
  struct share_matrix up = {share, DUPLEX_LAYER_UP, from, 0, hidden, 0};
  duplex_f16 *x = malloc(tokens * hidden * sizeof *x);
  duplex_f32 *u = malloc(tokens * rows * sizeof *u);
  duplex_f32 *g = moe->gated ? malloc(tokens * rows * sizeof *g) : NULL;
  int error = x && u && (g || !moe->gated) ? DUPLEX_OK : DUPLEX_ERROR_NO_MEMORY;
  if (!error) run_gather(run, share, x);
  if (!error && g) error = multiply(&gate, x, rows, exponents, g, rows);
  if (!error) error = multiply(&up, x, rows, exponents ? exponents + rows : NULL, u, rows);
  for (size_t i = 0; i < tokens && !error; i++)
    activate(moe, g ? g + i * rows : NULL, u + i * rows, 1, rows,
             run->h + (pair + i) * moe->shape.inner + first);
  free(x);
  free(u);
  free(g);
  return error;
}

// y_e of the rows of down of a share.
static int share_y(struct moe_run *run, const struct share *share, size_t from, size_t rows,
                   const int8_t *exponents) {
  const struct duplex_moe_shape *shape = &run->moe->shape;
  const size_t first = run->stage->piece[share->stack][share->piece].first + from;
  const size_t pair = run->dispatch.first[share->expert] + share->first;
  struct share_matrix down = {share, DUPLEX_LAYER_UP, from, 0, shape->inner, 0};
  return multiply(&down, run->h + pair * shape->inner, rows, exponents ? exponents + rows : NULL,
                  run->y + pair * shape->hidden + first, shape->hidden);
}

int gathered_share(struct moe_run *run, const struct share *share) {
  const struct moe_piece *piece = &run->stage->piece[share->stack][share->piece];
  const size_t from = moe_inner_before(piece, share->cut);
  const size_t rows = moe_inner_behind(piece, share->cut);
  int8_t *exponents;
  int error = share_exponents(share, from, rows, &exponents);
  if (!error && run->stage->kind == STAGE_UP) error = share_h(run, share, from, rows, exponents);
  if (!error && run->stage->kind == STAGE_DOWN) error = share_y(run, share, from, rows, exponents);
  free(exponents);
  return error;
}
