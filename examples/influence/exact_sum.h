// SPDX-License-Identifier: Apache-2.0
// Exact sums of products of binary32 numbers times powers of two, rounded once: no order of the terms shows.
#ifndef INFLUENCE_EXACT_SUM_H
#define INFLUENCE_EXACT_SUM_H

#include <duplex/numerics.h>
#include <stddef.h>

#define SUM_DIGITS 30

// Digits of base 2^32, each with its own sign; the least one counts units of 2^-448.
struct exact_sum {
  int64_t digit[SUM_DIGITS];
};

// sum += 2^exponent * (a[0] b[0] + ... + a[count - 1] b[count - 1]), finite numbers; count to 2^28, exponent
// -149 to 127.
void exact_sum_add(struct exact_sum *sum, const duplex_f32 *a, const duplex_f32 *b, size_t count,
                   int exponent);

// RN32 of the sum.
duplex_f32 exact_sum_round(const struct exact_sum *sum);

#endif
