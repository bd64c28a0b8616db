// SPDX-License-Identifier: Apache-2.0
// GEMM on the xPU: out[token][row] = 2^e[row] * sum over k of x[token][k] * w[row][k], exact sums rounded
// once (docs/numerics.md, N1 to N3): the bits of a stack, whatever the threads and the processor.
#ifndef XPU_GEMM_H
#define XPU_GEMM_H

#include <stddef.h>

#include "duplex/enumerations.h"
#include "duplex/numerics.h"
#include "duplex/xpu.h"

// Weights in memory, row by row without gaps: the `rows` of struct duplex_xpu_weights with the first value as
// context needs no room.
struct xpu_dense {
  const duplex_f16 *values;
  size_t stride;
};
struct duplex_xpu_weights xpu_dense_weights(const struct xpu_dense *dense);

struct xpu_gemm {
  const duplex_f16 *x;  // [tokens][columns], x_stride values apart: strides hold a whole row
  size_t x_stride;
  unsigned tokens;   // 1 to 2^30
  unsigned columns;  // 1 to 65,536
  unsigned rows;     // 1 to 2^30
  struct duplex_xpu_weights weights;
  const int8_t *exponents;  // of the rows, or NULL: all 0; not applied to acc
  enum duplex_result_format format;
  void *out;  // [tokens][rows] of 2, 4 or 16 bytes, out_stride elements apart
  size_t out_stride;
  bool add;          // acc only: the sums are added to what `out` holds
  unsigned threads;  // 0: one
};

// How often each tier ran, in blocks of 8 tokens by 24 rows (xpu/gemm.c).
struct xpu_gemm_tiers {
  uint64_t direct;
  uint64_t split;
  uint64_t halved;  // pieces that were halved
  uint64_t plain;   // pieces done product by product
};

// Runs it; `tiers` may be NULL. DUPLEX_ERROR_ARGUMENT, _NO_MEMORY, or _IO if weights could not be had: `out`
// is undefined then.
int xpu_gemm_run(const struct xpu_gemm *gemm, struct xpu_gemm_tiers *tiers);

#endif
