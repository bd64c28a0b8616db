// SPDX-License-Identifier: Apache-2.0
// The k largest of a row of binary32 numbers (docs/xpu_numerics.md).
#ifndef XPU_TOP_K_H
#define XPU_TOP_K_H

#include "duplex/numerics.h"

// Writes the indices of the k largest of `count` numbers to chosen[k], in ascending order; k at most `count`.
// Of equal numbers those of lower index are chosen; -0 equals +0; NaN ranks below all numbers, and every NaN
// equals every other.
void xpu_top_k(const duplex_f32 *numbers, unsigned count, unsigned k, uint32_t *chosen);

#endif
