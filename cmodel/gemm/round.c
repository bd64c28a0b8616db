// SPDX-License-Identifier: Apache-2.0
// Sums to binary16 and binary32, rounded once, as rtl/gemm/round.v.
#include "cmodel/gemm/normalise.h"

// Stages, as in rtl/gemm/round.v: magnitude, normalise, round, pack.

struct format {
  int fraction_bits;
  int bias;
  uint32_t nan, infinity;
  int sign_bit;
};

static const struct format f16_format = {10, 15, DUPLEX_F16_NAN, 0x7c00, 15};
static const struct format f32_format = {23, 127, DUPLEX_F32_NAN, 0x7f800000, 31};

// Rounds magnitude * 2^(exponent - 48) to the format's grid at that magnitude: the result is the packed
// exponent and fraction.
static uint32_t stage_round_and_pack(unsigned __int128 value, int exponent, const struct format *format) {
  const int lsb_weight = exponent - DUPLEX_SUM_FRACTION_BITS;
  int result_exponent = top_bit(value) + lsb_weight;
  const int smallest = 1 - format->bias;
  if (result_exponent > format->bias) return format->infinity;
  if (result_exponent < smallest) result_exponent = smallest;
  const int shift = result_exponent - format->fraction_bits -
                    lsb_weight;  // bits of the magnitude below the result's last place
  unsigned __int128 significand;
  if (shift <= 0) {
    significand = value << -shift;
  } else if (shift > 127) {
    significand = 0;
  } else {
    significand = value >> shift;
    const unsigned __int128 rest = value - (significand << shift);
    const unsigned __int128 half = (unsigned __int128)1 << (shift - 1);
    if (rest > half || (rest == half && (significand & 1))) significand++;
  }
  // A carry out of the fraction raises the exponent field by itself; a subnormal has no hidden one and
  // exponent field 0.
  const uint32_t packed =
      ((uint32_t)(result_exponent + format->bias - 1) << format->fraction_bits) + (uint32_t)significand;
  return packed > format->infinity ? format->infinity : packed;
}

// RN(2^exponent * sum) in a format, as bits; a sum with flags gives NaN or an infinity, 0 gives +0.
static uint32_t round_to(const struct duplex_sum *sum, int exponent, const struct format *format) {
  const bool both = (sum->flags & DUPLEX_SUM_POS_INF) && (sum->flags & DUPLEX_SUM_NEG_INF);
  if ((sum->flags & DUPLEX_SUM_NAN) || both) return format->nan;
  const uint32_t sign = 1u << format->sign_bit;
  if (sum->flags) return sum->flags & DUPLEX_SUM_NEG_INF ? sign | format->infinity : format->infinity;
  const struct magnitude magnitude = stage_magnitude(sum);
  if (magnitude.value == 0) return 0;
  return stage_round_and_pack(magnitude.value, exponent, format) | (magnitude.negative ? sign : 0);
}

duplex_f16 duplex_round_f16(const struct duplex_sum *sum, int exponent) {
  return (duplex_f16)round_to(sum, exponent, &f16_format);
}

duplex_f32 duplex_round_f32(const struct duplex_sum *sum, int exponent) {
  return round_to(sum, exponent, &f32_format);
}
