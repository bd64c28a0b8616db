// SPDX-License-Identifier: Apache-2.0
// An expert, or a part of its inner columns, on the xPU: the bits of a stack (docs/xpu_numerics.md).
#ifndef XPU_EXPERT_H
#define XPU_EXPERT_H

#include "duplex/activation.h"
#include "xpu/gemm.h"

// h = RN16(act(g) * u) with g and u = RN32(2^e * exact sum over x), or RN16(act(u)) without a gate; then
// out[token][row] = the sum over the inner columns of h * down. Parts of an expert give partial sums `acc`,
// which are added exactly, so any division of the inner columns gives the same bits.
struct xpu_expert {
  const duplex_f16 *x;  // [tokens][columns], x_stride values apart
  size_t x_stride;
  unsigned tokens, columns;            // as of struct xpu_gemm
  unsigned inner;                      // 0 to 65,536; 0: all sums are 0
  unsigned rows;                       // of down, from 1
  struct duplex_xpu_weights gate, up;  // [inner][columns]; gate.rows NULL: no gate
  struct duplex_xpu_weights down;      // [rows][inner]
  const int8_t *gate_exponents;        // of the inner columns, or NULL: all 0
  const int8_t *up_exponents;          // the same
  const int8_t *down_exponents;        // of the rows, or NULL: all 0; not applied to acc
  const struct duplex_activation_table *activation;
  enum duplex_result_format format;
  void *out;  // [tokens][rows] of 2, 4 or 16 bytes, out_stride elements apart
  size_t out_stride;
  bool add;          // acc only: the sums are added to what `out` holds
  unsigned threads;  // 0: one
};

// Errors as of xpu_gemm_run.
int xpu_expert_run(const struct xpu_expert *expert);

#endif
