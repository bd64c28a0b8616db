// SPDX-License-Identifier: Apache-2.0
// Products and quotients of whole numbers beyond 64 bits.
#ifndef XPU_RATIONAL_H
#define XPU_RATIONAL_H

#include <stdint.h>

typedef unsigned __int128 xpu_wide;

// a / b, rounded up; UINT64_MAX if it is larger than that.
static inline uint64_t xpu_rounded_up(xpu_wide a, xpu_wide b) {
  const xpu_wide quotient = a / b + (a % b != 0);
  return quotient > UINT64_MAX ? UINT64_MAX : (uint64_t)quotient;
}

#endif
