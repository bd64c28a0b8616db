// SPDX-License-Identifier: Apache-2.0
// Kernels of the xPU's GEMM for few tokens: weight rows are read as they lie, since packing them would cost
// more than the products. The proof of exactness is that of xpu/panel_kernels.h.
#ifndef XPU_ROW_KERNELS_H
#define XPU_ROW_KERNELS_H

#include <stddef.h>

#include "xpu/panel_kernels.h"

#define XPU_ROW_STEP 16u  // columns of a step: rows of x are padded with zeros to a multiple

// sums[token][row], XPU_PANEL_ROWS apart, = sum over k of x[token][k] * w[row][k], for up to XPU_PANEL_TOKENS
// tokens and XPU_PANEL_ROWS rows. x: finite, x_stride values apart. NaN and infinities of w count as zeros:
// bit r of *special tells that row r has one. True if every addition was exact; false leaves sums that mean
// nothing.
typedef bool xpu_row_kernel(const double *x, size_t x_stride, unsigned tokens, const duplex_f16 *w,
                            size_t w_stride, unsigned rows, unsigned columns, double *sums,
                            uint32_t *special);

// The one that goes with the panel kernels; NULL: there is none, panels are as fast.
xpu_row_kernel *xpu_row_kernel_of(const struct xpu_kernels *kernels);

#endif
