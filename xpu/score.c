// SPDX-License-Identifier: Apache-2.0
// Scores, in the host's binary32 operations one by one.
#include "xpu/score.h"

#include <math.h>

#include "cmodel/numerics/exact_mode.h"
#include "xpu/binary32.h"
#include "xpu/exponential.h"

// Logits of some experts: chosen[count], or the first `count` if `chosen` is NULL.
struct logits {
  const duplex_f32 *values;
  const uint32_t *chosen;
  unsigned count;
};

static float logit(const struct logits *logits, unsigned i) {
  return binary32_float(logits->values[logits->chosen ? logits->chosen[i] : i]);
}

static float exponential(float x) { return binary32_float(xpu_exponential(binary32_bits(x))); }

// The largest number among them; -Inf if there is none.
static float largest(const struct logits *logits) {
  float most = -INFINITY;
  for (unsigned i = 0; i < logits->count; i++)
    if (logit(logits, i) > most) most = logit(logits, i);
  return most;
}

// weights[k] = e^(l - most) / s: `most` and the sum s are those of `all`, the weights those of `kept`.
static void softmax(const struct logits *all, const struct logits *kept, duplex_f32 *weights) {
  const float most = largest(all);
  float sum = 0;
  for (unsigned i = 0; i < all->count; i++) sum += exponential(logit(all, i) - most);
  for (unsigned i = 0; i < kept->count; i++)
    weights[i] = binary32_bits(exponential(logit(kept, i) - most) / sum);
}

static void sigmoid(const struct logits *kept, duplex_f32 *weights) {
  for (unsigned i = 0; i < kept->count; i++)
    weights[i] = binary32_bits(1.0F / (1.0F + exponential(-logit(kept, i))));
}

void xpu_score_normalise(duplex_f32 *weights, unsigned k, duplex_f32 added) {
  const exact_mode saved = exact_begin(weights);
  float sum = 0;
  for (unsigned i = 0; i < k; i++) sum += binary32_float(weights[i]);
  sum += binary32_float(added);
  for (unsigned i = 0; i < k; i++) weights[i] = binary32_bits(binary32_float(weights[i]) / sum);
  exact_end(saved, weights);
}

void xpu_score_token(enum xpu_score score, bool renormalise, const duplex_f32 *logits, unsigned count,
                     const uint32_t *chosen, unsigned k, duplex_f32 *weights) {
  const struct logits all = {logits, NULL, count};
  const struct logits kept = {logits, chosen, k};
  const exact_mode saved = exact_begin(logits);
  if (score == XPU_SCORE_SIGMOID) {
    sigmoid(&kept, weights);
  } else {
    softmax(score == XPU_SCORE_SOFTMAX ? &all : &kept, &kept, weights);
  }
  exact_end(saved, weights);
  if (renormalise) xpu_score_normalise(weights, k, 0);
}
