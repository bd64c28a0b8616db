// SPDX-License-Identifier: Apache-2.0
// The arithmetic units of the GEMM module, stage by stage, as in rtl/gemm: operand, dot64, accumulator
// (numerics N1, N2).
//
// The sums are those of duplex/numerics.h; what is added here is how the hardware represents them on the way,
// so that a mismatch can be traced to the unit, the stage, the row and the lane. Rounding: duplex_round_f16
// and duplex_round_f32.
#ifndef DUPLEX_GEMM_UNITS_H
#define DUPLEX_GEMM_UNITS_H

#include "duplex/numerics.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DUPLEX_DOT64_GROUPS (DUPLEX_WIDTH / 8)
#define DUPLEX_LOW_BITS 48  // bits of the low word of a sum

// operand: |value| = magnitude * 2^(exponent - 24); or one of the codes, with magnitude 0. binary16:
// magnitude 1 to 2047, exponent 0 to 29; weights of softmax: magnitude 1 to 4095, exponent 0 to 28, never
// negative.
enum duplex_operand_code {
  DUPLEX_OPERAND_INF = 30,
  DUPLEX_OPERAND_SPECIAL = 31
};  // special: NaN if negative, else zero
struct duplex_operand {
  bool negative;
  uint16_t magnitude;
  uint8_t exponent;
};
struct duplex_operand duplex_operand_decode(duplex_f16 value);
struct duplex_operand duplex_operand_decode_p16(duplex_p16 value);

// dot64: every register between its stages.
struct duplex_dot64_stages {
  // product: |product| in units of 2^-48 is product << 2 * shift
  uint32_t product[DUPLEX_WIDTH];
  uint8_t shift[DUPLEX_WIDTH];
  bool negative[DUPLEX_WIDTH];
  // align and sum of 8: the group's sum is high * 2^48 + low, low up to 2^51
  uint64_t group_low[DUPLEX_DOT64_GROUPS];
  int64_t group_high[DUPLEX_DOT64_GROUPS];
  // sum of 64: low up to 2^54
  uint64_t low;
  int64_t high;
  uint32_t flags;  // of enum duplex_sum_flags
};
void duplex_dot64(const struct duplex_operand x[DUPLEX_WIDTH], const struct duplex_operand w[DUPLEX_WIDTH],
                  struct duplex_dot64_stages *stages);

// accumulator: the rows of one lane. low below 2^48, high a signed number of 49 bits.
struct duplex_accumulator {
  uint64_t low[DUPLEX_ROWS];
  int64_t high[DUPLEX_ROWS];
  uint32_t flags[DUPLEX_ROWS];
};

struct duplex_accumulator_stages {
  uint64_t low, carry;  // low word: the row's new low word and what goes to the high one
  int64_t high;         // high word
  struct duplex_sum sum;
};

// Adds a dot product to a row, or replaces the row by it if `first`.
void duplex_accumulator_add(struct duplex_accumulator *accumulator, unsigned row, bool first,
                            const struct duplex_dot64_stages *dot, struct duplex_accumulator_stages *stages);

#ifdef __cplusplus
}
#endif
#endif
