// SPDX-License-Identifier: Apache-2.0
// Stages, as in rtl/softmax/exponential.v: align and subtract, fixed point, segment, slope, multiply, round,
// pack.
#include "cmodel/common/f32_fields.h"
#include "duplex/softmax.h"
#include "exponential_table.h"

#define WINDOW 5  // bits below the larger operand's last place
#define FAR DUPLEX_DIFFERENCE_FAR

// floor(large +- small) in units of 2^-WINDOW of the last place of `large`, whose exponent is the larger one.
static int32_t align_and_subtract(duplex_f32 large, duplex_f32 small, bool subtract) {
  const int distance = f32_exponent(large) - f32_exponent(small);
  const int32_t wide = (int32_t)f32_significand(small) << WINDOW;
  const int32_t placed = distance > 30 ? 0 : wide >> distance;
  const bool sticky = distance > 30 ? wide != 0 : placed << distance != wide;
  const int32_t kept = (int32_t)f32_significand(large) << WINDOW;
  return subtract ? kept - placed - sticky : kept + placed;
}

uint32_t duplex_softmax_difference(duplex_f32 t, duplex_f32 m) {
  const bool subtract = f32_is_negative(t) == f32_is_negative(m);
  // Of equal signs the larger magnitude is known; otherwise the magnitudes are added.
  duplex_f32 large = subtract && f32_is_negative(m) ? t : m;
  duplex_f32 small = subtract && f32_is_negative(m) ? m : t;
  if (f32_exponent(large) < f32_exponent(small)) {
    if (subtract) return 0;
    const duplex_f32 swapped = large;
    large = small;
    small = swapped;
  }
  const int32_t difference = align_and_subtract(large, small, subtract);
  if (difference <= 0 || (!subtract && f32_is_negative(m))) return 0;
  // Exact: of operands from 64 on the difference is 41 or more, or nothing was cut.
  const int left = f32_exponent(large) - 150 - WINDOW + DUPLEX_DIFFERENCE_FRACTION_BITS;
  if (left < 0) return left < -31 ? 0 : (uint32_t)difference >> -left;
  return left > 29 || (int64_t)difference << left > FAR ? FAR : (uint32_t)difference << left;
}

// 2^-fraction in units of 2^-23, above 1/2 and at most 1, by the distance from the end of the fraction's
// segment.
static uint32_t power_of(uint32_t fraction) {
  const struct exponential_segment *segment = &exponential_segments[fraction >> EXPONENTIAL_PLACE_BITS];
  const uint32_t place = ~fraction & ((1u << EXPONENTIAL_PLACE_BITS) - 1);
  const uint32_t slope =
      segment->base + (segment->curve * (place >> EXPONENTIAL_TOP_SHIFT) >> EXPONENTIAL_CURVE_SHIFT);
  return (uint32_t)((((uint64_t)segment->start << EXPONENTIAL_START_SHIFT) + (uint64_t)slope * place) >>
                    EXPONENTIAL_SLOPE_SHIFT);
}

// Significand and exponent field as a p16: the leading one of 12 bits raises the field, so it comes one too
// low.
static duplex_p16 pack(uint32_t field, uint32_t significand) {
  return (duplex_p16)((field << 11) + significand);
}

// The upper 12 bits, the nearest or cut; where there is no room for a low part always the nearest.
static duplex_p16 high_of(uint32_t power, uint32_t whole, bool nearest) {
  const uint32_t missing = whole > 27 ? whole - 27 : 0;  // bits that a subnormal lacks
  return pack(whole > 27 ? 0 : 27 - whole, ((power >> 10 >> missing) + (nearest || missing)) >> 1);
}

// The lower 11 bits of the power, in units of 2^-(8 + whole); where these are below 2^-24 to nearest, half
// up.
static duplex_p16 low_of(uint32_t power, uint32_t whole) {
  const uint32_t rest = power & 0x7ff;
  if (whole > 16) return pack(0, ((rest >> (whole - 17)) + 1) >> 1);
  if (rest == 0) return 0;
  const uint32_t zeros = (uint32_t)__builtin_clz(rest) - 20;
  const uint32_t room = 16 - whole;
  const uint32_t left = zeros < room ? zeros : room;
  return pack(room - left, rest << left);
}

duplex_p16 duplex_exponential_of(uint32_t d, enum duplex_weight_part part) {
  const uint32_t whole = d >> DUPLEX_DIFFERENCE_FRACTION_BITS;
  if (whole > 40) return 0;
  const uint32_t power = power_of(d & ((1u << DUPLEX_DIFFERENCE_FRACTION_BITS) - 1));
  return part == DUPLEX_P32_LOW ? low_of(power, whole) : high_of(power, whole, part == DUPLEX_P16);
}

duplex_p16 duplex_exponential(duplex_f32 t, duplex_f32 m, enum duplex_weight_part part) {
  if (f32_is_nan(t) || f32_is_nan(m) || f32_is_infinite(m)) return 0;
  if (f32_is_infinite(t)) return f32_is_negative(t) ? 0 : duplex_exponential_of(0, part);
  return duplex_exponential_of(duplex_softmax_difference(t, m), part);
}
