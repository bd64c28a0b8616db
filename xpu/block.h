// SPDX-License-Identifier: Apache-2.0
// The exact sums of a block of 8 tokens by 24 rows, whatever its numbers are.
#ifndef XPU_BLOCK_H
#define XPU_BLOCK_H

#include "xpu/gemm.h"
#include "xpu/panel_kernels.h"

#define XPU_BLOCK_SUMS (XPU_PANEL_TOKENS * XPU_PANEL_ROWS)
#define XPU_BLOCK_COLUMNS 256u  // of panels, at most

// sums[token][row] += the products of two panels, as xpu_panel_kernel has them. In parts, if their double
// sums are not exact: small and large numbers of x apart, then fewer columns, then product by product.
void xpu_block_add(const struct xpu_kernels *kernels, const double *x, const double *w, unsigned columns,
                   struct duplex_sum *sums, struct xpu_gemm_tiers *tiers);

// sums[token][row] += values[token][row]: exact double sums of products.
void xpu_block_add_values(const double *values, struct duplex_sum *sums);

// Sums that many panels are added to: double sums as long as these are exact, and what was carried out of
// them.
struct xpu_block {
  double values[XPU_BLOCK_SUMS] __attribute__((aligned(64)));
  struct duplex_sum sums[XPU_BLOCK_SUMS];
  bool carried;  // `sums` counts
};
void xpu_block_begin(struct xpu_block *block);
void xpu_block_continue(const struct xpu_kernels *kernels, const double *x, const double *w, unsigned columns,
                        struct xpu_block *block, struct xpu_gemm_tiers *tiers);

// The sum of one token and row, token * XPU_PANEL_ROWS + row.
struct duplex_sum xpu_block_sum(const struct xpu_block *block, unsigned number);

#endif
