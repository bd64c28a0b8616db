// SPDX-License-Identifier: Apache-2.0
// The stages of the activation unit, as in rtl/activation/activation_lane.v.
#include "duplex/activation.h"

#include "activation_fields.h"
#include "cmodel/common/f32_fields.h"

#define ONE_F32 0x3f800000u
#define T_BITS 16
#define DROPPED_BITS 16  // of |p0| * g: keeps the whole of g where the polynomial is a power of two

void duplex_activation_classify(duplex_f32 g, duplex_f32 u, bool gated,
                                struct duplex_activation_stages *stages) {
  stages->argument = gated ? g : u;
  stages->factor = gated ? u : ONE_F32;
  stages->nan = f32_is_nan(stages->argument) || f32_is_nan(stages->factor);
  stages->argument_infinite = f32_is_infinite(stages->argument);
  stages->argument_zero = f32_is_zero(stages->argument);
  stages->factor_infinite = f32_is_infinite(stages->factor);
  stages->factor_zero = f32_is_zero(stages->factor);
}

// The argument in units of 2^-(shift + 16), rounded down (towards -Inf, so that a tiny negative number is
// below 0), 27 bits of magnitude. Returns false if it is larger.
static bool fixed_point(duplex_f32 argument, int shift, int32_t *fixed) {
  const int right = 137 - shift - f32_exponent(argument);  // from significand * 8
  if (right < 0) return false;
  const uint32_t wide = f32_significand(argument) << 3;
  const uint32_t magnitude = right > 27 ? 0 : wide >> right;
  const bool inexact = right > 27 ? wide != 0 : (magnitude << right) != wide;
  *fixed = f32_is_negative(argument) ? -(int32_t)magnitude - inexact : (int32_t)magnitude;
  return true;
}

void duplex_activation_segment(const struct duplex_activation_table *table,
                               struct duplex_activation_stages *stages) {
  const uint64_t header = table->entries[ACTIVATION_HEADER];
  int32_t fixed = 0;
  const bool inside = fixed_point(stages->argument, activation_shift(header), &fixed);
  const int32_t segment = (fixed >> T_BITS) - activation_first(header);
  if (inside ? segment < 0 : f32_is_negative(stages->argument)) {
    stages->segment = DUPLEX_ACTIVATION_SEGMENTS;
    stages->entry = table->entries[ACTIVATION_BELOW];
  } else if (!inside || segment >= DUPLEX_ACTIVATION_SEGMENTS) {
    stages->segment = DUPLEX_ACTIVATION_SEGMENTS + 1;
    stages->entry = table->entries[ACTIVATION_ABOVE];
  } else {
    stages->segment = (unsigned)segment;
    stages->entry = table->entries[ACTIVATION_FIRST_SEGMENT + segment];
  }
  stages->t = stages->segment < DUPLEX_ACTIVATION_SEGMENTS ? (fixed & 0xffff) - 0x8000 : 0;
}

void duplex_activation_polynomial(struct duplex_activation_stages *stages) {
  const uint64_t entry = stages->entry;
  const int64_t t = stages->t;
  stages->p2 = (int32_t)((activation_c2(entry) * INT64_C(16384) + activation_c3(entry) * t) >> 10);
  stages->p1 = (int32_t)((activation_c1(entry) * INT64_C(262144) + stages->p2 * t) >> 14);
  stages->p0 = (int32_t)((activation_c0(entry) * INT64_C(262144) + stages->p1 * t) >> 16);
}

// Zero and infinity of act, and its sign, from the limits of the header or the polynomial.
static void classify_act(uint64_t header, bool ratio, struct duplex_activation_stages *stages) {
  const bool negative = f32_is_negative(stages->argument);
  const unsigned limit = activation_limit(header, negative);
  const unsigned kind = stages->argument_infinite ? limit & 3 : ACTIVATION_LIMIT_TAIL;
  const bool zero = ratio && stages->argument_zero;
  stages->nan |= kind == ACTIVATION_LIMIT_NAN;
  stages->act_infinite = kind == ACTIVATION_LIMIT_INFINITE;
  stages->act_zero =
      kind == ACTIVATION_LIMIT_ZERO || (kind == ACTIVATION_LIMIT_TAIL && (stages->p0 == 0 || zero));
  if (kind != ACTIVATION_LIMIT_TAIL) {
    stages->act_negative = limit & ACTIVATION_LIMIT_NEGATIVE;
  } else {
    stages->act_negative = stages->p0 != 0 && (stages->p0 < 0) != (ratio && negative);
  }
}

void duplex_activation_multiply(const struct duplex_activation_table *table,
                                struct duplex_activation_stages *stages) {
  // A direct polynomial, and any at Inf, is multiplied by 1.
  const bool ratio = activation_ratio(stages->entry) && !stages->argument_infinite;
  const duplex_f32 multiplier = ratio ? stages->argument : ONE_F32;
  classify_act(table->entries[ACTIVATION_HEADER], ratio, stages);
  const uint64_t magnitude = (uint64_t)(stages->p0 < 0 ? -stages->p0 : stages->p0);
  stages->act = (uint32_t)(magnitude * f32_significand(multiplier) >> DROPPED_BITS);
  stages->act_exponent =
      activation_exponent(stages->entry) - 34 + f32_exponent(multiplier) - 150 + DROPPED_BITS;
  stages->product = (uint64_t)stages->act * f32_significand(stages->factor);
  stages->product_exponent = stages->act_exponent + f32_exponent(stages->factor) - 150;
}

// RN16(product * 2^exponent): normalise, shift a subnormal down, round to nearest even.
static duplex_f16 round_product(uint64_t product, int exponent) {
  if (product == 0) return 0;
  const int zeros = __builtin_clzll(product);
  const uint64_t normal = product << zeros;
  const int top = 63 - zeros + exponent;  // weight of the leading one
  if (top > 15) return 0x7c00;
  if (top < -25) return 0;
  const int below = top < -14 ? -14 - top : 0;  // a subnormal's missing bits
  const int drop = 53 + below;                  // bits below the result's last place
  const uint64_t significand = drop > 63 ? 0 : normal >> drop;
  const uint64_t half = UINT64_C(1) << (drop - 1);
  const uint64_t rest = normal & (half | (half - 1));
  const bool up = rest > half || (rest == half && (significand & 1));
  const int field = top < -14 ? 0 : top + 14;  // the hidden one adds 1; a carry raises the exponent by itself
  return (duplex_f16)(((unsigned)field << 10) + (unsigned)significand + up);
}

void duplex_activation_round(struct duplex_activation_stages *stages) {
  const bool infinite = stages->act_infinite || stages->factor_infinite;
  const bool zero = stages->act_zero || stages->factor_zero;
  const uint16_t sign = stages->act_negative != f32_is_negative(stages->factor) ? 0x8000 : 0;
  if (stages->nan || (infinite && zero)) {
    stages->result = DUPLEX_F16_NAN;
  } else if (infinite) {
    stages->result = sign | 0x7c00;
  } else {
    stages->result = sign | (zero ? 0 : round_product(stages->product, stages->product_exponent));
  }
}

duplex_f16 duplex_activation(const struct duplex_activation_table *table, duplex_f32 g, duplex_f32 u,
                             bool gated) {
  struct duplex_activation_stages stages;
  duplex_activation_classify(g, u, gated, &stages);
  duplex_activation_segment(table, &stages);
  duplex_activation_polynomial(&stages);
  duplex_activation_multiply(table, &stages);
  duplex_activation_round(&stages);
  return stages.result;
}
