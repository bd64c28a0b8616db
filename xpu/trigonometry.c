// SPDX-License-Identifier: Apache-2.0
// Sine and cosine by their power series in the nearest eighth of a turn, in integers.
//
// Angle and pi / 2 have 100 places behind the point, so that the largest multiple of pi / 2 is less than
// 2^-76 off. The series count units of 2^-63; their roundings cost less than 16 of them.
#include "xpu/trigonometry.h"

#include <string.h>

#define ANGLE_FRACTION_BITS 100
#define SERIES_FRACTION_BITS 63
#define ONE (UINT64_C(1) << SERIES_FRACTION_BITS)
#define SERIES_TERMS 10  // (pi / 4)^22 / 22! is below 2^-77

typedef unsigned __int128 fixed;

static const fixed half_pi = (fixed)0x1921fb5444 << 64 | 0x2d18469898cc5170;  // rounded down

static uint64_t product(uint64_t a, uint64_t b) { return (uint64_t)((fixed)a * b >> SERIES_FRACTION_BITS); }

// The angle in units of 2^-100, bits below them cut off.
static fixed fixed_angle(double angle) {
  uint64_t bits;
  memcpy(&bits, &angle, sizeof bits);
  const int shift = (int)(bits >> 52) - 1075 + ANGLE_FRACTION_BITS;
  const fixed significand = (bits & UINT64_C(0xfffffffffffff)) | (uint64_t)(bits >> 52 != 0) << 52;
  if (shift >= 0) return significand << shift;
  return shift > -64 ? significand >> -shift : 0;
}

static uint64_t sine(uint64_t r) {
  const uint64_t square = product(r, r);
  uint64_t sum = ONE;
  for (unsigned n = SERIES_TERMS; n > 0; n--) sum = ONE - product(square, sum) / ((2 * n) * (2 * n + 1));
  return product(r, sum);
}

static uint64_t cosine(uint64_t r) {
  const uint64_t square = product(r, r);
  uint64_t sum = ONE;
  for (unsigned n = SERIES_TERMS; n > 0; n--) sum = ONE - product(square, sum) / ((2 * n - 1) * (2 * n));
  return sum;
}

static duplex_f32 rounded(uint64_t magnitude, bool negative) {
  const struct duplex_sum sum = {magnitude, 0, 0};
  const duplex_f32 bits = duplex_round_f32(&sum, DUPLEX_SUM_FRACTION_BITS - SERIES_FRACTION_BITS);
  return negative ? bits ^ 0x80000000u : bits;
}

void xpu_sine_cosine(double angle, duplex_f32 *sine_of_angle, duplex_f32 *cosine_of_angle) {
  const fixed x = fixed_angle(angle);
  const uint64_t quadrant = (uint64_t)(x / half_pi);
  fixed r = x - quadrant * half_pi;
  const bool mirrored = r > half_pi / 2;
  if (mirrored) r = half_pi - r;
  const uint64_t near = (uint64_t)(r >> (ANGLE_FRACTION_BITS - SERIES_FRACTION_BITS));
  // An odd number of quarter turns, or a mirror at an eighth, changes sine and cosine.
  const bool changed = (quadrant & 1) != mirrored;
  const uint64_t of_sine = changed ? cosine(near) : sine(near);
  const uint64_t of_cosine = changed ? sine(near) : cosine(near);
  *sine_of_angle = rounded(of_sine, quadrant & 2);
  *cosine_of_angle = rounded(of_cosine, (quadrant + 1) & 2);
}
