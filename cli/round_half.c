// SPDX-License-Identifier: Apache-2.0
// Numbers of other formats as binary16, rounded once: to nearest, ties to even, with gradual underflow.
#include "cli/round_half.h"

#define FRACTION 10  // bits of binary16
#define LEAST (-24)  // exponent of its last place
#define INFINITE 0x7c00u
#define NOT_A_NUMBER 0x7e00u

// magnitude * 2^-right, to nearest, ties to even.
static uint64_t shift_right(uint64_t magnitude, int right, bool *exact) {
  if (right > 64) return *exact = false, 0;
  const uint64_t kept = right == 64 ? 0 : magnitude >> right;
  const uint64_t rest = right == 64 ? magnitude : magnitude - (kept << right);
  const uint64_t half = UINT64_C(1) << (right - 1);
  if (rest) *exact = false;
  return kept + (rest > half || (rest == half && (kept & 1)));
}

uint16_t round_half(const struct number *number, bool *exact) {
  const uint16_t sign = number->negative ? 0x8000 : 0;
  *exact = true;
  if (number->nan) return sign | NOT_A_NUMBER;
  if (number->infinite) return sign | INFINITE;
  if (number->magnitude == 0) return sign;
  const int top = 63 - __builtin_clzll(number->magnitude) + number->exponent;  // of the leading one
  if (top > 15) return *exact = false, sign | INFINITE;
  const int place = top - FRACTION > LEAST ? top - FRACTION : LEAST;  // exponent of the last place
  const int right = place - number->exponent;
  const uint64_t units =
      right > 0 ? shift_right(number->magnitude, right, exact) : number->magnitude << -right;
  // The hidden one raises the exponent field, and so does a carry out of the fraction.
  return sign | (uint16_t)(((uint64_t)(place - LEAST) << FRACTION) + units);
}

struct number number_of_float(uint64_t bits, unsigned exponent_bits, unsigned fraction_bits) {
  const uint64_t fraction = bits & ((UINT64_C(1) << fraction_bits) - 1);
  const unsigned most = (1u << exponent_bits) - 1;
  const unsigned field = (unsigned)(bits >> fraction_bits) & most;
  const int bias = (int)(most >> 1);
  struct number number = {.negative = bits >> (exponent_bits + fraction_bits) & 1,
                          .infinite = field == most && fraction == 0,
                          .nan = field == most && fraction != 0,
                          .magnitude = fraction,
                          .exponent = (field ? (int)field : 1) - bias - (int)fraction_bits};
  if (field) number.magnitude |= UINT64_C(1) << fraction_bits;
  return number;
}

struct number number_of_integer(uint64_t bits, unsigned size_bits, bool is_signed) {
  struct number number = {.negative = is_signed && bits >> (size_bits - 1) & 1, .magnitude = bits};
  if (number.negative) number.magnitude = ~bits + 1;
  if (size_bits < 64) number.magnitude &= (UINT64_C(1) << size_bits) - 1;
  return number;
}
