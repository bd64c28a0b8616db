// SPDX-License-Identifier: Apache-2.0
// A score times the scale, rounded once, as rtl/softmax/score_scale.v.
#include "cmodel/common/f32_fields.h"
#include "duplex/softmax.h"

duplex_f32 duplex_score_scale(duplex_f32 s, duplex_f32 c) {
  const duplex_f32 sign = (s ^ c) & 0x80000000u;
  const duplex_f32 infinity = 0x7f800000u;
  const bool zero = f32_is_zero(s) || f32_is_zero(c);
  if (f32_is_nan(s) || f32_is_nan(c)) return DUPLEX_F32_NAN;
  if (f32_is_infinite(s) || f32_is_infinite(c)) return zero ? DUPLEX_F32_NAN : sign | infinity;
  const struct duplex_sum product = {(uint64_t)f32_significand(s) * f32_significand(c), 0, 0};
  const int exponent = f32_exponent(s) + f32_exponent(c) - 300;  // of the product's last place
  return sign | duplex_round_f32(&product, exponent + DUPLEX_SUM_FRACTION_BITS);
}
