// Stages, as in rtl/softmax/exponential.v: align, subtract, fixed point, segment, round and pack.
#include "cmodel/common/f32_fields.h"
#include "duplex/softmax.h"
#include "exponential_table.h"

#define WINDOW 2  // bits below the larger operand's last place
#define FAR DUPLEX_DIFFERENCE_FAR

// floor(large +- small) in quarters of the last place of `large`, whose exponent is the larger one.
static int32_t align_and_subtract(duplex_f32 large, duplex_f32 small, bool subtract) {
  const int distance = f32_exponent(large) - f32_exponent(small);
  const int32_t wide = (int32_t)f32_significand(small) << WINDOW;
  const int32_t placed = distance > 26 ? 0 : wide >> distance;
  const bool sticky = distance > 26 ? wide != 0 : placed << distance != wide;
  const int32_t kept = (int32_t)f32_significand(large) << WINDOW;
  return subtract ? kept - placed - sticky : kept + placed;
}

// floor(m - t) in units of 2^-15, or 2 * FAR if it is 64 or more; negative if t > m.
static int32_t fixed_point(duplex_f32 t, duplex_f32 m) {
  const bool subtract = f32_is_negative(t) == f32_is_negative(m);
  // Of equal signs the larger magnitude is known; otherwise the magnitudes are added.
  duplex_f32 large = subtract && f32_is_negative(m) ? t : m, small = subtract && f32_is_negative(m) ? m : t;
  if (f32_exponent(large) < f32_exponent(small)) {
    if (subtract) return -1;
    const duplex_f32 swapped = large;
    large = small;
    small = swapped;
  }
  const int32_t difference = align_and_subtract(large, small, subtract);
  if (!subtract && f32_is_negative(m) && difference != 0) return -1;
  if (difference <= 0) return difference;
  // With two bits of window the floor is exact: of operands above 2^10 the difference is 64 and more, or nothing was cut.
  const int left = f32_exponent(large) - 150 - WINDOW + DUPLEX_DIFFERENCE_FRACTION_BITS + 1;
  if (left < 0) return left < -31 ? 0 : difference >> -left;
  return left > 20 || (int64_t)difference << left >= 2 * FAR ? (int32_t)(2 * FAR) : difference << left;
}

uint32_t duplex_softmax_difference(duplex_f32 t, duplex_f32 m) {
  const int32_t halves = fixed_point(t, m);
  if (halves < 0) return 0;
  const uint32_t d_q = ((uint32_t)halves + 1) >> 1;
  return d_q > FAR ? FAR : d_q;
}

duplex_f16 duplex_exponential_of(uint32_t d_q) {
  const uint32_t whole = d_q >> DUPLEX_DIFFERENCE_FRACTION_BITS;
  if (whole > 40) return 0;
  const uint32_t fraction = d_q & ((1u << DUPLEX_DIFFERENCE_FRACTION_BITS) - 1);
  const struct exponential_segment *segment = &exponential_segments[fraction >> EXPONENTIAL_PLACE_BITS];
  const uint32_t place = fraction & ((1u << EXPONENTIAL_PLACE_BITS) - 1);
  // 2^-fraction in units of 2^-16, at least 1/2 and below 1: 11 bits of result and 5 below.
  const uint32_t value = (segment->start - segment->slope * place) >> EXPONENTIAL_GUARD_BITS;
  const uint32_t missing = whole > 28 ? whole - 28 : 0;  // bits that a subnormal lacks
  const uint32_t rounded = ((value >> 4 >> missing) + 1) >> 1;
  const uint32_t field = whole > 28 ? 0 : 28 - whole;  // one less: the hidden one adds it
  return (duplex_f16)((field << 10) + rounded);
}

duplex_f16 duplex_exponential(duplex_f32 t, duplex_f32 m) {
  if (f32_is_nan(t) || f32_is_nan(m) || f32_is_infinite(m)) return 0;
  if (f32_is_infinite(t)) return f32_is_negative(t) ? 0 : duplex_exponential_of(0);
  return duplex_exponential_of(duplex_softmax_difference(t, m));
}
