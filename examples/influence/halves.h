// SPDX-License-Identifier: Apache-2.0
// Rows of numbers as binary16 with an exponent of their own, so that no row is too large or too small.
#ifndef INFLUENCE_HALVES_H
#define INFLUENCE_HALVES_H

#include <duplex/numerics.h>
#include <stdbool.h>
#include <stddef.h>

// The value of a binary32 number, exactly.
double double_of_f32(duplex_f32 bits);

bool row_is_zero(const double *row, size_t count);

// e with 2^e <= |largest| < 2^(e + 1) of the row; 0 if all are 0. No NaN, no infinity.
int row_exponent(const double *row, size_t count);

// out[i * stride] = RN16(2^-exponent * row[i]).
void round_row(const double *row, size_t count, int exponent, duplex_f16 *out, size_t stride);

#endif
