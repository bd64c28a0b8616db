// SPDX-License-Identifier: Apache-2.0
// Partial sums of several stacks, and of the xPU, joined (docs/xpu_numerics.md).
#ifndef XPU_PARTIALS_H
#define XPU_PARTIALS_H

#include <stddef.h>

#include "duplex/enumerations.h"
#include "duplex/numerics.h"

// y[token][column] = RN32(2^e[column] * sum over the sources), the sum exact: format acc. Or format f32: y
// begins with +0, y = RN32(y + part) in the order of the sources, whose parts have had their exponent.
struct xpu_partials {
  const void *const *sources;  // each [tokens][columns] of 16 or 4 bytes, `stride` elements apart
  unsigned count;              // of sources; 0: y is +0
  size_t stride;
  unsigned tokens, columns;
  enum duplex_result_format format;  // acc or f32
  const int8_t *exponents;           // of the columns, acc only; NULL: all 0
  duplex_f32 *y;                     // [tokens][columns], y_stride values apart
  size_t y_stride;
  unsigned threads;  // 0: one
};

// DUPLEX_ERROR_ARGUMENT: NULL, another format, or strides below `columns`.
int xpu_join_partials(const struct xpu_partials *partials);

// to[count] += from[count], exact sums of 16 bytes.
void xpu_add_sums(uint8_t *to, const uint8_t *from, size_t count);

#endif
