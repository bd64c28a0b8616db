// SPDX-License-Identifier: Apache-2.0
// The exponential function of binary32 numbers, correctly rounded (docs/xpu_numerics.md).
#ifndef XPU_EXPONENTIAL_H
#define XPU_EXPONENTIAL_H

#include "duplex/numerics.h"

// RN32(e^x): +Inf where that is 2^128 - 2^103 or more, +0 for -Inf and below 2^-150, the canonical NaN for
// NaN. Integers only: nothing depends on the host's floating-point mode or libm.
duplex_f32 xpu_exponential(duplex_f32 x);

// e^x of x in units of 2^-49, from -700 to 700: less than 2^-50 times itself away. Integers, and one
// conversion.
#define XPU_EXPONENTIAL_FRACTION_BITS 49
double xpu_exponential_units(int64_t x);

#endif
