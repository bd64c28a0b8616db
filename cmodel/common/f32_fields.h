// SPDX-License-Identifier: Apache-2.0
// The fields of a binary32 number, from its bits.
#ifndef DUPLEX_F32_FIELDS_H
#define DUPLEX_F32_FIELDS_H

#include "duplex/numerics.h"

static inline bool f32_is_nan(duplex_f32 bits) { return (bits & 0x7fffffffu) > 0x7f800000u; }
static inline bool f32_is_infinite(duplex_f32 bits) { return (bits & 0x7fffffffu) == 0x7f800000u; }
static inline bool f32_is_zero(duplex_f32 bits) { return (bits & 0x7fffffffu) == 0; }
static inline bool f32_is_negative(duplex_f32 bits) { return bits >> 31; }

// A finite number is significand * 2^(exponent - 150); subnormals have exponent 1 and no hidden one.
static inline uint32_t f32_significand(duplex_f32 bits) {
  return (bits & 0x7fffffu) | (bits & 0x7f800000u ? 0x800000u : 0);
}

// The biased exponent by which the significand counts: that of subnormal numbers is 1.
static inline int f32_exponent(duplex_f32 bits) {
  const int field = (int)(bits >> 23 & 255);
  return field ? field : 1;
}

#endif
