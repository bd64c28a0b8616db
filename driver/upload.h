// SPDX-License-Identifier: Apache-2.0
// Weights on their way into DRAM.
#ifndef DUPLEX_DRIVER_UPLOAD_H
#define DUPLEX_DRIVER_UPLOAD_H

#include "driver/stack.h"

// What a matrix consists of: one source of rows, or gate and up in turn. Rows lie `stride` values apart.
struct upload_source {
  const duplex_f16 *even, *odd;                  // odd: NULL if not gated
  const int8_t *even_exponents, *odd_exponents;  // NULL: all 0
  size_t n, k, stride;
  bool pair;  // a second one behind it
};

// Brings the matrix to where its layout says. DUPLEX_ERROR_NO_MEMORY, and those of region_write.
int upload_matrix(struct duplex_stack *stack, const struct weight_layout *layout, struct region region,
                  const struct upload_source *source);

#endif
