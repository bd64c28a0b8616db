// SPDX-License-Identifier: Apache-2.0
// The outputs of a layer's experts, weighted and joined (docs/xpu_numerics.md).
#ifndef XPU_COMBINE_H
#define XPU_COMBINE_H

#include <stddef.h>

#include "duplex/numerics.h"

// The sums of a layer's tokens in binary32.
struct xpu_combine {
  duplex_f32 *sums;  // [tokens][columns], stride values apart
  size_t stride;
  unsigned tokens, columns;
  unsigned threads;  // 0: one
};

// All sums become +0.
void xpu_combine_begin(const struct xpu_combine *combine);

// One expert: sum = RN32(sum + RN32(weight * y)) in the rows tokens[count], each another one, with weights
// [count] and y[count][columns], y_stride values apart. Experts come in ascending order.
void xpu_combine_add(const struct xpu_combine *combine, const uint32_t *tokens, const duplex_f32 *weights,
                     unsigned count, const duplex_f32 *y, size_t y_stride);

// y[tokens][columns] = RN16 of the sums, y_stride values apart.
void xpu_combine_finish(const struct xpu_combine *combine, duplex_f16 *y, size_t y_stride);

#endif
