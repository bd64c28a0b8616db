// SPDX-License-Identifier: Apache-2.0
// One exact product of 64 weights and 64 activations, stage by stage, as rtl/gemm/dot64.v.
#include "duplex/gemm_units.h"

static bool is_zero(struct duplex_operand a) { return a.exponent == DUPLEX_OPERAND_SPECIAL && !a.negative; }
static bool is_nan(struct duplex_operand a) { return a.exponent == DUPLEX_OPERAND_SPECIAL && a.negative; }
static bool is_inf(struct duplex_operand a) { return a.exponent == DUPLEX_OPERAND_INF; }

// What a product with a NaN or an infinity does to the sum: flags of duplex_sum_flags, 0 for finite operands.
static uint32_t product_flags(struct duplex_operand x, struct duplex_operand w) {
  if (is_nan(x) || is_nan(w)) return DUPLEX_SUM_NAN;
  if (!is_inf(x) && !is_inf(w)) return 0;
  if (is_zero(x) || is_zero(w)) return DUPLEX_SUM_NAN;
  return x.negative != w.negative ? DUPLEX_SUM_NEG_INF : DUPLEX_SUM_POS_INF;
}

// The 64 products as integers, each with the even part of its shift, its sign and all flags together.
static void stage_product(const struct duplex_operand *x, const struct duplex_operand *w,
                          struct duplex_dot64_stages *stages) {
  stages->flags = 0;
  for (unsigned i = 0; i < DUPLEX_WIDTH; i++) {
    const unsigned shift = (unsigned)x[i].exponent + w[i].exponent;
    stages->product[i] = (uint32_t)x[i].magnitude * w[i].magnitude << shift % 2;
    stages->shift[i] = (uint8_t)(shift / 2);
    stages->negative[i] = x[i].negative != w[i].negative;
    stages->flags |= product_flags(x[i], w[i]);
  }
}

// Both words of one aligned product. A negative one is inverted in both and gets its one in the low word,
// which may so become 2^48.
static void align(uint32_t product, unsigned shift, bool negative, uint64_t *low, int64_t *high) {
  const uint64_t mask = (UINT64_C(1) << DUPLEX_LOW_BITS) - 1;
  const uint64_t wide = product;
  const uint64_t below = shift < DUPLEX_LOW_BITS ? wide << shift & mask : 0;
  const uint64_t above = shift < DUPLEX_LOW_BITS ? (shift ? wide >> (DUPLEX_LOW_BITS - shift) : 0)
                                                 : wide << (shift - DUPLEX_LOW_BITS);
  *low = negative ? mask + 1 - below : below;
  *high = negative ? -1 - (int64_t)above : (int64_t)above;
}

// Aligned products in two words, low and high, summed in groups of 8; the carry stays in the low word.
static void stage_align_and_sum_of_8(struct duplex_dot64_stages *stages) {
  for (unsigned group = 0; group < DUPLEX_DOT64_GROUPS; group++) {
    stages->group_low[group] = 0;
    stages->group_high[group] = 0;
    for (unsigned i = 8 * group; i < 8 * group + 8; i++) {
      uint64_t low;
      int64_t high;
      align(stages->product[i], 2u * stages->shift[i], stages->negative[i], &low, &high);
      stages->group_low[group] += low;
      stages->group_high[group] += high;
    }
  }
}

// The sums of the groups, still as two words that are joined in the accumulator.
static void stage_sum_of_64(struct duplex_dot64_stages *stages) {
  stages->low = 0;
  stages->high = 0;
  for (unsigned group = 0; group < DUPLEX_DOT64_GROUPS; group++) {
    stages->low += stages->group_low[group];
    stages->high += stages->group_high[group];
  }
}

void duplex_dot64(const struct duplex_operand x[DUPLEX_WIDTH], const struct duplex_operand w[DUPLEX_WIDTH],
                  struct duplex_dot64_stages *stages) {
  stage_product(x, w, stages);
  stage_align_and_sum_of_8(stages);
  stage_sum_of_64(stages);
}
