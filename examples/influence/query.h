// SPDX-License-Identifier: Apache-2.0
// What a query brings: its gradient in the eigenbases, divided by the damped eigenvalues.
#ifndef INFLUENCE_QUERY_H
#define INFLUENCE_QUERY_H

#include "npy.h"
#include "processors.h"

// The three matrices that tokens meet: Q_A^T, Q_S^T and the damped query matrix M. Memory of w and exponents
// is the struct's.
struct streams {
  struct stream a, s, query;
};

// w[j, i] = q[i, j] of a square matrix, and onto the stack.
enum status open_basis(struct processors *processors, const struct array *q, const char *name,
                       struct stream *stream);

// M = (Q_S^T U V^T Q_A) / (L + damping), rows as binary16 with exponents, and onto the stack;
// docs/influence.md has the roundings. u [N, r], v [K, r], eigenvalues [N, K], shapes checked. *work is the
// time of the rank-r product and of the division, both on the xPU; times[2] those of Q_S^T U and Q_A^T V.
enum status open_query(struct processors *processors, const struct array *u, const struct array *v,
                       const struct array *eigenvalues, double damping, struct streams *streams,
                       struct product_times times[2], uint64_t *work);

void streams_free(struct streams *streams);

#endif
