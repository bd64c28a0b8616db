// SPDX-License-Identifier: Apache-2.0
// Numbers of other formats as binary16, rounded once.
#ifndef DUPLEX_CLI_ROUND_HALF_H
#define DUPLEX_CLI_ROUND_HALF_H

#include <stdbool.h>
#include <stdint.h>

// A number as it is in its own format: (-1)^negative * magnitude * 2^exponent, or none.
struct number {
  bool negative, infinite, nan;
  uint64_t magnitude;
  int exponent;
};

// The nearest binary16 number, ties to even; *exact: nothing was lost.
uint16_t round_half(const struct number *number, bool *exact);

// IEEE formats of so many bits of exponent and fraction, bfloat16 among them.
struct number number_of_float(uint64_t bits, unsigned exponent_bits, unsigned fraction_bits);
struct number number_of_integer(uint64_t bits, unsigned size_bits, bool is_signed);

#endif
