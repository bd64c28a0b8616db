// SPDX-License-Identifier: Apache-2.0
// The arithmetic units of softmax, one lane each, as in rtl/softmax (docs/numerics.md, N5).
//
// A row of scores becomes weights and one division: t = RN32(s * c), m = max t, p = 2^(15 - (m - t)) in 12
// significant bits, or 23 in two parts, l = sum p, o = RN16(sum(p * v) / l). Everything is integer
// arithmetic: nothing depends on the host's floating-point mode or libm. Every function is defined for every
// bit pattern of its arguments.
#ifndef DUPLEX_SOFTMAX_H
#define DUPLEX_SOFTMAX_H

#include "duplex/numerics.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DUPLEX_MAXIMUM_START 0xff800000u           // -Inf: the maximum of no scores
#define DUPLEX_DIFFERENCE_FRACTION_BITS 23         // a difference d counts units of 2^-23
#define DUPLEX_DIFFERENCE_FAR (UINT32_C(1) << 29)  // d of 64 and more: 2^(15 - d) is zero anyway
#define DUPLEX_SOFTMAX_SUM_BITS 57                 // l < 2^57 units of 2^-24: 131,072 positions and more

// score_scale: RN32(s * c), IEEE: gradual underflow, signed zeros, Inf; Inf x 0 and NaN give the canonical
// NaN.
duplex_f32 duplex_score_scale(duplex_f32 s, duplex_f32 c);

// running_maximum: the larger of m and t; zeros compare equal and give +0; a NaN stays (canonical).
duplex_f32 duplex_running_maximum(duplex_f32 m, duplex_f32 t);

// Quantised difference: floor((m - t) * 2^23) of the exact difference, at most DUPLEX_DIFFERENCE_FAR; 0 if t
// > m. m and t finite.
uint32_t duplex_softmax_difference(duplex_f32 t, duplex_f32 m);

// p16: the nearest weight (half up). p32: the upper 12 bits, and the 11 below them; together the nearest
// multiple of 2^-24.
enum duplex_weight_part { DUPLEX_P16, DUPLEX_P32_HIGH, DUPLEX_P32_LOW };

// 2^(15 - d * 2^-23) in 23 significant bits, falling with d; 2^15 at 0; 0 beyond underflow. Of that the part
// that is asked for.
duplex_p16 duplex_exponential_of(uint32_t d, enum duplex_weight_part part);

// exponential: +0 if t is -Inf or NaN, or m is NaN or infinite; otherwise as for d = 0 if t > m (a maximum is
// never below its scores), and duplex_exponential_of the quantised difference.
duplex_p16 duplex_exponential(duplex_f32 t, duplex_f32 m, enum duplex_weight_part part);

// softmax_sum: l + p in units of 2^-24, modulo 2^57. Of patterns above DUPLEX_P16_MOST the exponent counts
// on.
uint64_t duplex_softmax_sum(uint64_t l, duplex_p16 p);

// quotient: RN16(sum / l), l in units of 2^-24 below 2^57. NaN if row_nan or l = 0, or if the sum's flags say
// so; one infinity keeps its sign; a zero sum gives +0; a negative quotient that rounds to zero -0.
duplex_f16 duplex_quotient(const struct duplex_sum *sum, uint64_t l, bool row_nan);

#ifdef __cplusplus
}
#endif
#endif
