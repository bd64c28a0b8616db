// SPDX-License-Identifier: Apache-2.0
// Kernels of the xPU's GEMM: a block of double sums, with the host's own proof that nothing was rounded.
//
// A product of two binary16 numbers is exact in binary64, and so is a sum of them as long as no addition
// raises the inexact flag. A kernel reports that flag, so its caller knows for each block whether the sums
// are the exact ones, whatever the numbers are.
#ifndef XPU_PANEL_KERNELS_H
#define XPU_PANEL_KERNELS_H

#include <stdbool.h>

#include "duplex/numerics.h"

#define XPU_PANEL_TOKENS 8  // tokens of a block
#define XPU_PANEL_ROWS 24   // weight rows of a block

// sums[token][row] += sum over k of x[k][token] * w[k][row], for `columns` values of k. Operands are finite
// and aligned to 64 bytes. True if every addition was exact; false leaves sums that mean nothing.
typedef bool xpu_panel_kernel(const double *x, const double *w, unsigned columns, double *sums);

// RN16 and RN32 of 2^exponents[i] * values[i] for `count` finite sums, multiples of 2^-48 below 2^48 in
// magnitude; exponents NULL: all 0.
typedef void xpu_round_f16_kernel(const double *values, const int8_t *exponents, unsigned count,
                                  duplex_f16 *out);
typedef void xpu_round_f32_kernel(const double *values, const int8_t *exponents, unsigned count,
                                  duplex_f32 *out);

struct xpu_kernels {
  const char *name;  // "portable", "avx2" or "avx512"
  xpu_panel_kernel *panel;
  xpu_round_f16_kernel *round_f16;
  xpu_round_f32_kernel *round_f32;
};

// The fastest that this processor can run; DUPLEX_KERNEL=portable|avx2|avx512 in the environment chooses a
// slower one.
const struct xpu_kernels *xpu_kernels(void);

#endif
