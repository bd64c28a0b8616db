// SPDX-License-Identifier: Apache-2.0
// Kernels of the fast path: double sums of binary16 products, with the host's own proof that nothing was
// rounded.
//
// Every product of two binary16 numbers is exact in binary64. A sum of them is exact as long as no addition
// raises the inexact flag, which is what the kernels report. Inf or NaN among the operands shows as a sum
// that is not finite.
#ifndef DUPLEX_FAST_KERNELS_H
#define DUPLEX_FAST_KERNELS_H

#include <stdbool.h>
#include <stddef.h>

#include "duplex/numerics.h"

// Sums of `rows` rows (at most DUPLEX_KERNEL_ROWS) over k_tiles tiles: sums[row][8] = sum over k of
// weights[tile][row][k] * x[tile][k][8]. `stride` is the distance of a row's tiles in weights. Returns true
// if every sum is exact.
typedef bool duplex_gemm_kernel(const duplex_f16 *weights, size_t stride, unsigned rows, unsigned k_tiles,
                                const double *x, double *sums);

// The same for lane 0 alone: x[k], sums[row].
typedef bool duplex_gemv_kernel(const duplex_f16 *weights, size_t stride, unsigned rows, unsigned k_tiles,
                                const double *x, double *sums);

#define DUPLEX_KERNEL_ROWS 8

struct duplex_kernels {
  const char *name;
  duplex_gemm_kernel *gemm;
  duplex_gemv_kernel *gemv;
};

// The fastest that this processor can run; DUPLEX_KERNEL=portable|avx2|avx512 in the environment chooses a
// slower one.
const struct duplex_kernels *duplex_kernels(void);

#endif
