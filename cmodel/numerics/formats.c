// SPDX-License-Identifier: Apache-2.0
// Conversions among binary16, binary32, binary64 and the weights of softmax.
#include <string.h>

#include "duplex/numerics.h"

void duplex_sum_pack(const struct duplex_sum *sum, uint8_t bytes[16]) {
  const uint64_t high = ((uint64_t)sum->high & 0x1fffffffffffffffu) | (uint64_t)(sum->flags & 7) << 61;
  for (int i = 0; i < 8; i++) {
    bytes[i] = (uint8_t)(sum->low >> 8 * i);
    bytes[8 + i] = (uint8_t)(high >> 8 * i);
  }
}

void duplex_sum_unpack(const uint8_t bytes[16], struct duplex_sum *sum) {
  uint64_t low = 0;
  uint64_t high = 0;
  for (int i = 0; i < 8; i++) {
    low |= (uint64_t)bytes[i] << 8 * i;
    high |= (uint64_t)bytes[8 + i] << 8 * i;
  }
  sum->low = low;
  sum->high = (int64_t)(high << 3) >> 3;
  sum->flags = (uint32_t)(high >> 61);
}

duplex_f32 duplex_f16_to_f32(duplex_f16 value) {
  const uint32_t sign = (uint32_t)(value & 0x8000) << 16;
  const uint32_t exponent = value >> 10 & 31;
  uint32_t fraction = value & 0x3ff;
  if (exponent == 31) return fraction ? DUPLEX_F32_NAN : sign | 0x7f800000;
  if (exponent) return sign | (exponent + 112) << 23 | fraction << 13;
  if (!fraction) return sign;
  const int shift = __builtin_clz(fraction) - 21;  // brings the highest one to bit 10
  fraction = fraction << shift & 0x3ff;
  return sign | (uint32_t)(113 - shift) << 23 | fraction << 13;
}

double duplex_f16_to_double(duplex_f16 value) {
  const duplex_f32 bits = duplex_f16_to_f32(value);
  float result;
  memcpy(&result, &bits, sizeof result);
  return result;
}

uint64_t duplex_p16_units(duplex_p16 value) {
  const unsigned exponent = value >> 11;
  const uint64_t fraction = value & 0x7ff;
  return exponent ? (fraction | 0x800) << (exponent - 1) : fraction;
}

double duplex_p16_to_double(duplex_p16 value) { return (double)duplex_p16_units(value) * 0x1p-24; }

// Rounds significand * 2^exponent, the significand below 2^62, to the grid of a format of `fraction_bits`;
// its largest exponent is `bias`. The result is the packed exponent and fraction.
static uint32_t round_parts(uint64_t significand, int exponent, int fraction_bits, int bias) {
  if (!significand) return 0;
  const uint32_t infinity = (uint32_t)(2 * bias + 1) << fraction_bits;
  const int smallest = 1 - bias;
  int result_exponent = 63 - __builtin_clzll(significand) + exponent;
  if (result_exponent > bias) return infinity;
  if (result_exponent < smallest) result_exponent = smallest;
  const int shift = result_exponent - fraction_bits - exponent;
  uint64_t kept;
  if (shift <= 0) {
    kept = significand << -shift;
  } else if (shift > 62) {
    kept = 0;
  } else {
    kept = significand >> shift;
    const uint64_t rest = significand - (kept << shift);
    const uint64_t half = UINT64_C(1) << (shift - 1);
    if (rest > half || (rest == half && (kept & 1))) kept++;
  }
  return ((uint32_t)(result_exponent + bias - 1) << fraction_bits) + (uint32_t)kept;
}

duplex_f16 duplex_f16_from_f32(duplex_f32 value) {
  const uint16_t sign = (uint16_t)(value >> 16 & 0x8000);
  const int exponent = (int)(value >> 23 & 255);
  const uint32_t fraction = value & 0x7fffff;
  if (exponent == 255) return fraction ? DUPLEX_F16_NAN : sign | 0x7c00;
  const uint32_t significand = exponent ? fraction | 0x800000 : fraction;
  return sign | (duplex_f16)round_parts(significand, (exponent ? exponent : 1) - 150, 10, 15);
}

// A finite double is significand * 2^exponent.
struct parts {
  bool negative, finite;
  uint64_t significand;
  int exponent;
};

static struct parts parts_of(double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  const int exponent = (int)(bits >> 52 & 2047);
  const uint64_t fraction = bits & 0xfffffffffffffu;
  return (struct parts){.negative = bits >> 63,
                        .finite = exponent != 2047,
                        .significand = exponent && exponent != 2047 ? fraction | UINT64_C(1) << 52 : fraction,
                        .exponent = (exponent ? exponent : 1) - 1075};
}

duplex_f16 duplex_f16_from_scaled(double value, int exponent) {
  const struct parts parts = parts_of(value);
  const duplex_f16 sign = parts.negative ? 0x8000 : 0;
  if (!parts.finite) return parts.significand ? DUPLEX_F16_NAN : sign | 0x7c00;
  return sign | (duplex_f16)round_parts(parts.significand, parts.exponent + exponent, 10, 15);
}

duplex_f32 duplex_f32_from_scaled(double value, int exponent) {
  const struct parts parts = parts_of(value);
  const duplex_f32 sign = parts.negative ? 0x80000000u : 0;
  if (!parts.finite) return parts.significand ? DUPLEX_F32_NAN : sign | 0x7f800000;
  return sign | round_parts(parts.significand, parts.exponent + exponent, 23, 127);
}

duplex_f16 duplex_f16_from_double(double value) { return duplex_f16_from_scaled(value, 0); }
