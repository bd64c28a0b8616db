// SPDX-License-Identifier: Apache-2.0
// Panels: blocks of a binary16 matrix as the kernels of the xPU's GEMM read them, in binary64, column by
// column.
#ifndef XPU_PANEL_H
#define XPU_PANEL_H

#include <stddef.h>

#include "duplex/numerics.h"

// Packs `rows` (at most `width`) rows of `columns` values, `stride` apart, as panel[column][width]; missing
// rows are zeros. NaN and infinities become zeros too: bit r of the result tells that row r has one, and the
// caller adds what they do to the sums.
uint32_t xpu_pack_panel(const duplex_f16 *values, size_t stride, unsigned rows, unsigned columns,
                        unsigned width, double *panel);

// The same of a matrix that lies the other way: value r of column c is values[c * stride + r].
uint32_t xpu_pack_transposed(const duplex_f16 *values, size_t stride, unsigned rows, unsigned columns,
                             unsigned width, double *panel);

// One row, its values next to each other; NaN and infinities become zeros.
void xpu_widen_row(const duplex_f16 *values, unsigned columns, double *row);

// Splits a panel's numbers by size: those of 2^-1 or more stay in `large`, the others in `small`, zeros
// elsewhere.
void xpu_split_panel(const double *panel, size_t count, double *small, double *large);

#endif
