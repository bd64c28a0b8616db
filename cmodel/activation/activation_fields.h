// SPDX-License-Identifier: Apache-2.0
// Fields of the entries of an activation table (layout in duplex/activation.h).
#ifndef DUPLEX_ACTIVATION_FIELDS_H
#define DUPLEX_ACTIVATION_FIELDS_H

#include "duplex/activation.h"

enum { ACTIVATION_HEADER, ACTIVATION_BELOW, ACTIVATION_ABOVE, ACTIVATION_SPARE, ACTIVATION_FIRST_SEGMENT };
enum {
  ACTIVATION_LIMIT_TAIL,
  ACTIVATION_LIMIT_ZERO,
  ACTIVATION_LIMIT_INFINITE,
  ACTIVATION_LIMIT_NAN,
  ACTIVATION_LIMIT_NEGATIVE
};

static inline uint32_t activation_field(uint64_t entry, unsigned lsb, unsigned width) {
  return (uint32_t)(entry >> lsb) & ((1u << width) - 1);
}

// The field of `width` bits (1 to 31) from bit `lsb` on, as a number in two's complement.
static inline int32_t activation_signed_field(uint64_t entry, unsigned lsb, unsigned width) {
  const uint32_t sign = 1u << (width - 1);
  return (int32_t)(activation_field(entry, lsb, width) ^ sign) - (int32_t)sign;
}

static inline int32_t activation_c0(uint64_t entry) { return activation_signed_field(entry, 0, 18); }
static inline int32_t activation_c1(uint64_t entry) { return activation_signed_field(entry, 18, 15); }
static inline int32_t activation_c2(uint64_t entry) { return activation_signed_field(entry, 33, 12); }
static inline int32_t activation_c3(uint64_t entry) { return activation_signed_field(entry, 45, 9); }
static inline int32_t activation_exponent(uint64_t entry) { return activation_signed_field(entry, 54, 9); }
static inline bool activation_ratio(uint64_t entry) { return entry >> 63; }

static inline int32_t activation_first(uint64_t header) { return activation_signed_field(header, 0, 12); }
static inline int activation_shift(uint64_t header) { return (int)activation_field(header, 12, 4); }
static inline unsigned activation_limit(uint64_t header, bool negative) {
  return activation_field(header, negative ? 16 : 19, 3);
}

#endif
