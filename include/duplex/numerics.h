// SPDX-License-Identifier: Apache-2.0
// Exact sums of binary16 products, rounded once (docs/numerics.md, N1 to N3).
//
// A product of two finite binary16 numbers is a multiple of 2^-48 below 2^32 in magnitude. A sum is kept
// exactly as a two's complement number of units of 2^-48; NaN and the infinities that entered it are sticky
// flags beside it. Nothing here depends on the host's floating-point mode, libm or byte order of arithmetic.
#ifndef DUPLEX_NUMERICS_H
#define DUPLEX_NUMERICS_H

#include <stdbool.h>
#include <stdint.h>

#include "duplex/params.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef uint16_t duplex_f16;  // bits of an IEEE binary16
typedef uint32_t duplex_f32;  // bits of an IEEE binary32

// A weight of softmax, 0 to 2^15: no sign, 5 bits of exponent, 11 of fraction. Normal, exponent field e from
// 1 on: (2^11 + fraction) * 2^(e - 25); e = 0: fraction * 2^-24. Ordered as its bits are; never NaN or
// infinite.
typedef uint16_t duplex_p16;
#define DUPLEX_P16_MOST 0xe800u  // 2^15; larger patterns have no meaning

#define DUPLEX_F16_NAN 0x7e00u
#define DUPLEX_F32_NAN 0x7fc00000u

enum duplex_sum_flags { DUPLEX_SUM_NAN = 1, DUPLEX_SUM_POS_INF = 2, DUPLEX_SUM_NEG_INF = 4 };

// Exact sum: value = (high * 2^64 + low) * 2^-48, and sticky flags. The hardware keeps the low
// DUPLEX_SUM_BITS (97) bits, which hold every sum of magnitude below 2^48; K up to 65,536 cannot leave that
// range.
struct duplex_sum {
  uint64_t low;
  int64_t high;
  uint32_t flags;
};

// sum += a * b, exactly. NaN operands and Inf x 0 set the NaN flag; other products with Inf set the flag of
// their sign.
void duplex_sum_add_product(struct duplex_sum *sum, duplex_f16 a, duplex_f16 b);

// sum += p * v, exactly; as above if v is NaN or infinite.
void duplex_sum_add_weighted(struct duplex_sum *sum, duplex_p16 p, duplex_f16 v);

// sum += other, exactly; flags are joined.
void duplex_sum_add(struct duplex_sum *sum, const struct duplex_sum *other);

// sum += value, a finite multiple of 2^-48 below 2^48 in magnitude.
void duplex_sum_add_double(struct duplex_sum *sum, double value);

// RN(2^exponent * sum), exponent -128 to 127 in hardware, any of 16 bits here: to nearest, ties to even,
// gradual underflow, overflow to Inf. An exact zero is +0; a negative sum that rounds to zero is -0; NaN, or
// infinities of both signs, give the canonical quiet NaN.
duplex_f16 duplex_round_f16(const struct duplex_sum *sum, int exponent);
duplex_f32 duplex_round_f32(const struct duplex_sum *sum, int exponent);

// The 16-byte `acc` form, little-endian: bits 0-124 the sum, 125 NaN, 126 +Inf, 127 -Inf.
void duplex_sum_pack(const struct duplex_sum *sum, uint8_t bytes[16]);
void duplex_sum_unpack(const uint8_t bytes[16], struct duplex_sum *sum);

// Exact conversions: every binary16 number is a binary32 and a binary64 number. NaN payloads are not kept.
duplex_f32 duplex_f16_to_f32(duplex_f16 value);
double duplex_f16_to_double(duplex_f16 value);
double duplex_p16_to_double(duplex_p16 value);

// A weight in units of 2^-24.
uint64_t duplex_p16_units(duplex_p16 value);

// RN16 of a double, and of a binary32 given by its bits.
duplex_f16 duplex_f16_from_double(double value);
duplex_f16 duplex_f16_from_f32(duplex_f32 value);

// RN16 and RN32 of 2^exponent * value; exponent -1,000 to 1,000.
duplex_f16 duplex_f16_from_scaled(double value, int exponent);
duplex_f32 duplex_f32_from_scaled(double value, int exponent);

#ifdef __cplusplus
}
#endif
#endif
