// SPDX-License-Identifier: Apache-2.0
// Sine and cosine of an angle, in binary32 (docs/xpu_numerics.md).
#ifndef XPU_TRIGONOMETRY_H
#define XPU_TRIGONOMETRY_H

#include "duplex/numerics.h"

#define XPU_ANGLE_LIMIT 16777216.0  // 2^24

// Sine and cosine of `angle`, from 0 to below XPU_ANGLE_LIMIT, in units of radian: RN32 of a number less than
// 2^-58 away from the real value. Bits of the angle below 2^-100 do not count. Integers only: nothing depends
// on the host's floating-point mode or libm.
void xpu_sine_cosine(double angle, duplex_f32 *sine, duplex_f32 *cosine);

#endif
