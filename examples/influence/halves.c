// SPDX-License-Identifier: Apache-2.0
// Rows as binary16 with an exponent of their own.
#include "halves.h"

#include <string.h>

double double_of_f32(duplex_f32 bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

// Of the bits, so that it depends on no library: e of a number that is normal in binary64.
static int exponent_of(double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  return (int)(bits >> 52 & 0x7ff) - 1023;
}

static double largest_of(const double *row, size_t count) {
  double largest = 0;
  for (size_t i = 0; i < count; i++) {
    const double magnitude = row[i] < 0 ? -row[i] : row[i];
    if (magnitude > largest) largest = magnitude;
  }
  return largest;
}

bool row_is_zero(const double *row, size_t count) { return largest_of(row, count) == 0; }

int row_exponent(const double *row, size_t count) {
  return row_is_zero(row, count) ? 0 : exponent_of(largest_of(row, count));
}

void round_row(const double *row, size_t count, int exponent, duplex_f16 *out, size_t stride) {
  for (size_t i = 0; i < count; i++) out[i * stride] = duplex_f16_from_scaled(row[i], -exponent);
}
