// SPDX-License-Identifier: Apache-2.0
// The natural logarithm of binary64 numbers, in fixed point (docs/xpu_numerics.md).
#ifndef XPU_LOGARITHM_H
#define XPU_LOGARITHM_H

#include <stdint.h>

#define XPU_LOGARITHM_FRACTION_BITS 49

// ln x in units of 2^-49, less than one unit too small or too large, for positive normal x. Integers only:
// nothing depends on the host's floating-point mode or libm.
int64_t xpu_logarithm(double x);

#endif
