// SPDX-License-Identifier: Apache-2.0
// From a token's router logits to the weights of its experts (docs/xpu_numerics.md).
#ifndef XPU_SCORE_H
#define XPU_SCORE_H

#include "duplex/numerics.h"

enum xpu_score {
  XPU_SCORE_TOP_K_SOFTMAX,  // softmax over the chosen experts
  XPU_SCORE_SOFTMAX,        // softmax over all experts, of which the chosen ones keep their weights
  XPU_SCORE_SIGMOID,        // 1 / (1 + e^-l) of each
  XPU_SCORES                // how many there are
};

// Writes weights[k] of the experts chosen[k], in ascending order, of `count` logits. `renormalise`: the
// weights are divided by their sum. Every operation is rounded to binary32 by itself, sums go in ascending
// order of experts; NaN and infinities take the course of IEEE 754.
void xpu_score_token(enum xpu_score score, bool renormalise, const duplex_f32 *logits, unsigned count,
                     const uint32_t *chosen, unsigned k, duplex_f32 *weights);

// Divides each of weights[k] by RN32(s + added), s their sum in ascending order.
void xpu_score_normalise(duplex_f32 *weights, unsigned k, duplex_f32 added);

#endif
