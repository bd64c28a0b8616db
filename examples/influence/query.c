// SPDX-License-Identifier: Apache-2.0
// The damped query matrix, once for each query.
#include "query.h"

#include <limits.h>
#include <stdlib.h>

#include "halves.h"

#define BLOCK_ROWS 64u  // of G in the eigenbases that are in memory at a time

// to[j, i] = from[i, j], from [rows, columns].
static void transpose(const duplex_f16 *from, size_t rows, size_t columns, duplex_f16 *to) {
  for (size_t i = 0; i < rows; i++)
    for (size_t j = 0; j < columns; j++) to[j * rows + i] = from[i * columns + j];
}

enum status open_basis(struct processors *processors, const struct array *q, const char *name,
                       struct stream *stream) {
  const size_t side = q->shape[0];
  *stream = (struct stream){.name = name, .rows = (unsigned)side, .columns = (unsigned)side};
  stream->w = allocate(q->count, sizeof *stream->w);
  if (!stream->w) return FAILED;
  transpose(q->data, side, side, stream->w);
  return stream_open(processors, stream);
}

// out[r, side] = the columns of factor [side, r] in the eigenbasis.
static enum status project(struct processors *processors, const struct stream *basis,
                           const struct array *factor, double *out, struct product_times *times) {
  const size_t side = factor->shape[0];
  const size_t rank = factor->shape[1];
  duplex_f16 *x = allocate(factor->count, sizeof *x);
  duplex_f32 *y = allocate(factor->count, sizeof *y);
  enum status status = x && y ? GOOD : FAILED;
  if (!status) {
    transpose(factor->data, side, rank, x);
    status = stream_multiply(processors, basis, x, (unsigned)rank, y, times);
  }
  for (size_t i = 0; !status && i < factor->count; i++) out[i] = double_of_f32(y[i]);
  free(x);
  free(y);
  return status;
}

// Left p[r, n] and right q[r, k] as binary16 [n, r] and [k, r] with left^T right = 2^(the result) * their
// product: each right column has an exponent of its own, which moves to the left one.
static int round_factors(const double *p, size_t n, const double *q, size_t k, size_t rank, duplex_f16 *left,
                         duplex_f16 *right) {
  int common = INT_MIN;
  for (size_t j = 0; j < rank; j++) {
    if (row_is_zero(p + j * n, n) || row_is_zero(q + j * k, k)) continue;
    const int both = row_exponent(p + j * n, n) + row_exponent(q + j * k, k);
    if (both > common) common = both;
  }
  if (common == INT_MIN) common = 0;  // no gradient at all
  for (size_t j = 0; j < rank; j++) {
    const int exponent = row_exponent(q + j * k, k);
    round_row(q + j * k, k, exponent, right + j, rank);
    round_row(p + j * n, n, common - exponent, left + j, rank);
  }
  return common;
}

// Row i of M from that of G in the eigenbases, 2^common * g.
static enum status divide_row(const duplex_f32 *g, const struct array *eigenvalues, double damping, size_t i,
                              int common, double *row, struct stream *query) {
  const size_t columns = query->columns;
  const duplex_f32 *values = (const duplex_f32 *)eigenvalues->data + i * columns;
  for (size_t k = 0; k < columns; k++) {
    const double damped = double_of_f32(values[k]) + damping;
    if (!(damped > 0))
      return report(BAD_INPUT, "%s %s: element %zu is %g, expected more than minus the damping",
                    eigenvalues->option, eigenvalues->path, i * columns + k, double_of_f32(values[k]));
    row[k] = double_of_f32(g[k]) / damped;
  }
  const int own = row_exponent(row, columns);
  const int exponent = row_is_zero(row, columns) ? 0 : own + common;
  if (exponent < INT8_MIN || exponent > INT8_MAX)
    return report(BAD_INPUT, "row %zu of the damped query matrix is about 2^%d, expected 2^-128 to 2^127", i,
                  exponent);
  round_row(row, columns, own, query->w + i * columns, 1);
  query->exponents[i] = (int8_t)exponent;
  return GOOD;
}

// All rows of M: G in the eigenbases block by block, then the division.
static enum status divide(struct processors *processors, const duplex_f16 *left, const struct stream *right,
                          int common, const struct array *eigenvalues, double damping, struct stream *query) {
  duplex_f32 *g = allocate((size_t)BLOCK_ROWS * query->columns, sizeof *g);
  double *row = allocate(query->columns, sizeof *row);
  enum status status = g && row ? GOOD : FAILED;
  for (unsigned first = 0; !status && first < query->rows; first += BLOCK_ROWS) {
    const unsigned count = query->rows - first < BLOCK_ROWS ? query->rows - first : BLOCK_ROWS;
    status = xpu_multiply(processors, right, left + (size_t)first * right->columns, count, g);
    for (unsigned i = 0; !status && i < count; i++)
      status =
          divide_row(g + (size_t)i * query->columns, eigenvalues, damping, first + i, common, row, query);
  }
  free(g);
  free(row);
  return status;
}

// Memory of the projections, beside that of M.
struct factors {
  double *p, *q;
  duplex_f16 *left;
  struct stream right;
};

static enum status make_matrix(struct processors *processors, const struct array *u, const struct array *v,
                               const struct array *eigenvalues, double damping, struct streams *streams,
                               struct factors *factors, struct product_times times[2], uint64_t *work) {
  struct stream *query = &streams->query;
  const unsigned rank = (unsigned)u->shape[1];
  enum status status = project(processors, &streams->s, u, factors->p, &times[0]);
  if (!status) status = project(processors, &streams->a, v, factors->q, &times[1]);
  if (status) return status;
  const int common = round_factors(factors->p, query->rows, factors->q, query->columns, rank, factors->left,
                                   factors->right.w);
  status = divide(processors, factors->left, &factors->right, common, eigenvalues, damping, query);
  *work = stream_times(processors, &factors->right, query->rows).xpu +
          elements_time(processors, (uint64_t)eigenvalues->count * 10);  // g and L in, binary16 out
  return status ? status : stream_open(processors, query);
}

enum status open_query(struct processors *processors, const struct array *u, const struct array *v,
                       const struct array *eigenvalues, double damping, struct streams *streams,
                       struct product_times times[2], uint64_t *work) {
  struct stream *query = &streams->query;
  struct factors factors = {.p = allocate(u->count, sizeof *factors.p),
                            .q = allocate(v->count, sizeof *factors.q),
                            .left = allocate(u->count, sizeof *factors.left)};
  factors.right = (struct stream){.name = "U V^T",
                                  .rows = (unsigned)v->shape[0],
                                  .columns = (unsigned)v->shape[1],
                                  .w = allocate(v->count, sizeof *factors.right.w)};
  *query = (struct stream){.name = "query",
                           .rows = (unsigned)u->shape[0],
                           .columns = (unsigned)v->shape[0],
                           .w = allocate(eigenvalues->count, sizeof *query->w),
                           .exponents = allocate(u->shape[0], 1)};
  const bool room = factors.p && factors.q && factors.left && factors.right.w && query->w && query->exponents;
  const enum status status =
      room ? make_matrix(processors, u, v, eigenvalues, damping, streams, &factors, times, work) : FAILED;
  free(factors.p);
  free(factors.q);
  free(factors.left);
  free(factors.right.w);
  return status;
}

void streams_free(struct streams *streams) {
  free(streams->a.w);
  free(streams->s.w);
  free(streams->query.w);
  free(streams->query.exponents);
}
