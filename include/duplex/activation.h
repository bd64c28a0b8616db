// SPDX-License-Identifier: Apache-2.0
// Gated activation: h = RN16(act(g) * u), and RN16(act(u)) without a gate (SPEC N4, docs/activation.md).
//
// `act` is a table of DUPLEX_ACTIVATION_SEGMENTS uniform segments, each a cubic with integer coefficients and
// an exponent, and two constant tails. Integer arithmetic only; rtl/activation does the same on every bit,
// for every image and all binary32 patterns.
//
// Image: 129 words of 32 bytes, each four little-endian 64-bit entries, as the hardware loads it.
//   word 0     header, tail below the range, tail above it, 0
//   word 1 + i segments 4 i to 4 i + 3
// Header entry:
//   bits 11:0  first  signed; the range begins at first * 2^-shift
//   bits 15:12 shift  a segment is 2^-shift wide, 0 to 15; segment k covers
//                     [first + k, first + k + 1) * 2^-shift
//   bits 18:16        act(-Inf): 0 the tail's polynomial (a direct tail), 1 +0, 5 -0, 2 +Inf, 6 -Inf, 3 NaN
//   bits 21:19        act(+Inf), the same
//   the others are 0
// Segment or tail entry:
//   bits 17:0  c0, 32:18 c1, 44:33 c2, 53:45 c3, 62:54 e: all signed
//   bit  63    ratio: the polynomial is act(g) / g, the unit multiplies by g; otherwise it is act(g)
//   polynomial(t) = 2^(e - 32) * (c0 + 4 c1 t + 16 c2 t^2 + 64 c3 t^3), t in [-1/2, 1/2) the place in the
//   segment, a multiple of 2^-16; tails have c1 = c2 = c3 = 0. Best precision with |c0| in [2^16, 2^17).
// A polynomial of value 0 makes act = +0. A tail that tends to zero without reaching it is a tiny constant
// (c0 = 1, e = -256): times finite numbers it rounds to a zero with sign, times Inf it gives Inf.
//
// File of a user's table: 32 bytes (8 bytes magic "DUPLEXAT", version 1 and number of segments 512 as 32 bits
// little-endian, 16 zero bytes), then the image.
#ifndef DUPLEX_ACTIVATION_H
#define DUPLEX_ACTIVATION_H

#include <stddef.h>

#include "duplex/numerics.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DUPLEX_ACTIVATION_MAGIC "DUPLEXAT"
#define DUPLEX_ACTIVATION_VERSION 1u
#define DUPLEX_ACTIVATION_FILE_HEADER_BYTES 32u
#define DUPLEX_ACTIVATION_ENTRIES (DUPLEX_ACTIVATION_SEGMENTS + 4)
#define DUPLEX_ACTIVATION_IMAGE_WORDS (DUPLEX_ACTIVATION_ENTRIES / 4)
#define DUPLEX_ACTIVATION_WORD_BYTES 32
#define DUPLEX_ACTIVATION_IMAGE_BYTES (DUPLEX_ACTIVATION_IMAGE_WORDS * DUPLEX_ACTIVATION_WORD_BYTES)
#define DUPLEX_ACTIVATION_FILE_BYTES (DUPLEX_ACTIVATION_FILE_HEADER_BYTES + DUPLEX_ACTIVATION_IMAGE_BYTES)

struct duplex_activation_table {
  uint64_t entries[DUPLEX_ACTIVATION_ENTRIES];
};

// The table of "silu", "gelu" (erf), "gelu_tanh", "relu" or "identity"; NULL for any other name. Do not free
// it.
const struct duplex_activation_table *duplex_activation_builtin(const char *name);

// The table in the bytes of a file, to be freed with duplex_activation_free. NULL if they are no valid table
// or memory is short: *error_text (may be NULL) then says why, a constant text.
struct duplex_activation_table *duplex_activation_load(const void *bytes, size_t size,
                                                       const char **error_text);
void duplex_activation_free(struct duplex_activation_table *table);

// NULL if the bytes of a file are a valid table, else what is wrong with them.
const char *duplex_activation_check(const void *bytes, size_t size);

// The image as the hardware loads it, and one word of it as the table port takes it (words beyond the image
// are ignored).
void duplex_activation_image(const struct duplex_activation_table *table,
                             uint8_t image[DUPLEX_ACTIVATION_IMAGE_BYTES]);
void duplex_activation_write(struct duplex_activation_table *table, unsigned address,
                             const uint8_t word[DUPLEX_ACTIVATION_WORD_BYTES]);

// h. Not gated: g is not used, act takes u.
duplex_f16 duplex_activation(const struct duplex_activation_table *table, duplex_f32 g, duplex_f32 u,
                             bool gated);

// What each stage of the unit makes; the names are those of rtl/activation.
struct duplex_activation_stages {
  // classify: what the function is taken of, and its factor (1 without a gate)
  duplex_f32 argument, factor;
  bool nan, argument_infinite, argument_zero, factor_infinite, factor_zero;
  // segment: argument in units of 2^-(shift + 16), rounded down; entry 0 to 511, 512 the tail below, 513 the
  // tail above
  unsigned segment;
  uint64_t entry;
  int32_t t;  // signed, units of 2^-16; 0 in a tail
  // polynomial (Horner): p2 in units of c0, p1 and p0 in quarters of it
  int32_t p2, p1, p0;
  // multiply: |act| = act * 2^act_exponent (truncated), product * 2^product_exponent = |act * u| exactly
  uint32_t act;
  int act_exponent;
  uint64_t product;
  int product_exponent;
  bool act_negative, act_zero, act_infinite;
  // round
  duplex_f16 result;
};
void duplex_activation_classify(duplex_f32 g, duplex_f32 u, bool gated,
                                struct duplex_activation_stages *stages);
void duplex_activation_segment(const struct duplex_activation_table *table,
                               struct duplex_activation_stages *stages);
void duplex_activation_polynomial(struct duplex_activation_stages *stages);
void duplex_activation_multiply(const struct duplex_activation_table *table,
                                struct duplex_activation_stages *stages);
void duplex_activation_round(struct duplex_activation_stages *stages);

#ifdef __cplusplus
}
#endif
#endif
