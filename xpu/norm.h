// SPDX-License-Identifier: Apache-2.0
// RMS norm of a row of binary32 numbers (docs/xpu_numerics.md).
#ifndef XPU_NORM_H
#define XPU_NORM_H

#include <stddef.h>

#include "duplex/numerics.h"

// out[i] = RN32(RN32(x[i] * r) * weight[i]) with r = 1 / sqrt(mean of the squares + epsilon), in binary64 and
// in ascending order. `columns` from 1 on; out may be x. A row with a NaN or an infinity gives canonical NaN,
// or what IEEE 754 has for its operations.
void xpu_norm(const duplex_f32 *x, const duplex_f32 *weight, double epsilon, size_t columns, duplex_f32 *out);

#endif
