// SPDX-License-Identifier: Apache-2.0
// The router of an MoE layer: logits, the experts of each token, their weights (docs/xpu_numerics.md).
#ifndef XPU_ROUTER_H
#define XPU_ROUTER_H

#include "xpu/choice.h"
#include "xpu/gemm.h"

struct xpu_router {
  const duplex_f16 *x;  // [tokens][columns], x_stride values apart
  size_t x_stride;
  unsigned tokens, columns;           // as of struct xpu_gemm
  unsigned experts;                   // from 1
  struct duplex_xpu_weights weights;  // [experts][columns]
  const int8_t *exponents;            // of the rows; NULL: all 0
  const duplex_f32 *bias;             // [experts], added to the rounded products; NULL: none
  unsigned top_k;                     // 1 to experts
  enum xpu_score score;
  bool renormalise;
  const struct xpu_choice *choice;  // of scores by sigmoid; NULL: by the logits alone
  unsigned threads;                 // 0: one
};

// Writes chosen[tokens][top_k], in ascending order for each token, and weights[tokens][top_k].
// DUPLEX_ERROR_ARGUMENT, _NO_MEMORY, or _IO if weights could not be had: both are undefined then.
int xpu_route(const struct xpu_router *router, uint32_t *chosen, duplex_f32 *weights);

#endif
