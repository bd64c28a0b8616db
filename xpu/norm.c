// SPDX-License-Identifier: Apache-2.0
// RMS norm, in the host's binary64 and binary32 operations one by one.
#include "xpu/norm.h"

#include <math.h>

#include "cmodel/numerics/exact_mode.h"
#include "xpu/binary32.h"

// Squares of binary32 numbers are exact in binary64.
static double sum_of_squares(const duplex_f32 *x, size_t columns) {
  double sum = 0;
  for (size_t i = 0; i < columns; i++) sum += (double)binary32_float(x[i]) * (double)binary32_float(x[i]);
  return sum;
}

void xpu_norm(const duplex_f32 *x, const duplex_f32 *weight, double epsilon, size_t columns,
              duplex_f32 *out) {
  const exact_mode saved = exact_begin(x);
  const double r = 1.0 / sqrt(sum_of_squares(x, columns) / (double)columns + epsilon);
  for (size_t i = 0; i < columns; i++) {
    const float scaled = (float)((double)binary32_float(x[i]) * r);
    out[i] = binary32_bits(scaled * binary32_float(weight[i]));
  }
  exact_end(saved, out);
}
