// SPDX-License-Identifier: Apache-2.0
// Softmax of 8 rows of scores side by side, by the units of the C model.
#include "xpu/softmax.h"

#define ROWS XPU_SOFTMAX_ROWS
#define COARSE_FROM 0x6800u  // the weight 1/2

void xpu_softmax_scale(duplex_f32 *t, size_t positions, duplex_f32 c, duplex_f32 *maximum) {
  for (size_t i = 0; i < positions * ROWS; i++) {
    if (t[i] != DUPLEX_MAXIMUM_START) t[i] = duplex_score_scale(t[i], c);
    maximum[i % ROWS] = duplex_running_maximum(maximum[i % ROWS], t[i]);
  }
}

// The weight of one score; its low part, of two, is fine.
static uint64_t weigh(duplex_f32 t, duplex_f32 maximum, bool wide, double *coarse, double *fine) {
  const duplex_p16 high = duplex_exponential(t, maximum, wide ? DUPLEX_P32_HIGH : DUPLEX_P16);
  const duplex_p16 low = wide ? duplex_exponential(t, maximum, DUPLEX_P32_LOW) : 0;
  const double value = duplex_p16_to_double(high);
  *coarse = high >= COARSE_FROM ? value : 0;
  *fine = (high >= COARSE_FROM ? 0 : value) + duplex_p16_to_double(low);
  return duplex_p16_units(high) + duplex_p16_units(low);
}

void xpu_softmax_weigh(const duplex_f32 *t, size_t positions, const duplex_f32 *maximum, bool wide,
                       struct xpu_softmax_weights *weights, uint64_t *l) {
  weights->any_coarse = weights->any_fine = false;
  for (size_t i = 0; i < positions * ROWS; i++) {
    l[i % ROWS] += weigh(t[i], maximum[i % ROWS], wide, &weights->coarse[i], &weights->fine[i]);
    weights->any_coarse |= weights->coarse[i] != 0;
    weights->any_fine |= weights->fine[i] != 0;
  }
}
