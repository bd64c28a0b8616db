// SPDX-License-Identifier: Apache-2.0
// Softmax of 8 rows of scores side by side, in the numbers of docs/numerics.md, N5.
#ifndef XPU_SOFTMAX_H
#define XPU_SOFTMAX_H

#include <stddef.h>

#include "duplex/softmax.h"
#include "xpu/panel_kernels.h"

#define XPU_SOFTMAX_ROWS XPU_PANEL_TOKENS

// t[positions][8]: scores become t = RN32(s * c), and maximum[8] the running maximum of each row; c is
// positive and finite. A score that a row does not have is -Inf before and after.
typedef void xpu_softmax_scale(duplex_f32 *t, size_t positions, duplex_f32 c, duplex_f32 *maximum);

// The weights of t[positions][8] as numbers: coarse + fine = p, or high + low of weights in two parts. Coarse
// weights are multiples of 2^-12, and fine ones 2^3 at most, so that double sums of either are exact for most
// values.
struct xpu_softmax_weights {
  double *coarse;  // [positions][8]
  double *fine;
  bool any_coarse, any_fine;  // one of them is not zero
};

// Makes them and adds each row's to l[8], in units of 2^-24. No t is above its row's maximum.
typedef void xpu_softmax_weigh(const duplex_f32 *t, size_t positions, const duplex_f32 *maximum, bool wide,
                               struct xpu_softmax_weights *weights, uint64_t *l);

struct xpu_softmax_kernels {
  xpu_softmax_scale *scale;
  xpu_softmax_weigh *weigh;
};

// The fastest that this processor can run, as xpu_kernels has it.
const struct xpu_softmax_kernels *xpu_softmax_kernels(void);

#endif
