// SPDX-License-Identifier: Apache-2.0
// An MoE layer by GMP, MPFR and the host's IEEE arithmetic, for tests: shares nothing with the library
// (docs/xpu_numerics.md tells what it computes). Activations are relu and identity, whose h is an exact
// product rounded once.
#ifndef DUPLEX_TEST_MOE_ORACLE_H
#define DUPLEX_TEST_MOE_ORACLE_H

#include <math.h>
#include <mpfr.h>
#include <stdlib.h>

#include "duplex/device.h"
#include "tests/numerics/f32_bits.h"
#include "tests/numerics/oracle.h"

struct moe_case {
  struct duplex_moe_shape shape;
  struct duplex_moe_weights weights;
  struct duplex_moe_routing routing;
  bool relu;  // else identity
  const duplex_f16 *x;
  size_t tokens;
};

// RN32 of the exact sum times 2^exponents[row]; NULL: 2^0.
static inline float oracle_dot(const uint16_t *a, const uint16_t *b, size_t count, const int8_t *exponents,
                               size_t row) {
  struct oracle_sum sum = {0};
  mpz_init(sum.units);
  for (size_t i = 0; i < count; i++) oracle_add(&sum, a[i], b[i]);
  const float value = float_of(oracle_round(&sum, exponents ? exponents[row] : 0, 24, 8));
  mpz_clear(sum.units);
  return value;
}

// RN16 of a double, as bits, by its place on the grid of binary16.
static inline uint16_t oracle_f16(double value) {
  const uint16_t sign = signbit(value) ? 0x8000 : 0;
  if (isnan(value)) return 0x7e00;
  int exponent;
  const double size = fabs(value);
  frexp(size, &exponent);
  const int grid = exponent - 11 < -24 ? -24 : exponent - 11;
  const double rounded = isinf(size) ? size : ldexp(nearbyint(ldexp(size, -grid)), grid);
  if (rounded > 65504) return sign | 0x7c00;
  if (rounded < 0x1p-14) return sign | (uint16_t)(rounded * 0x1p24);
  frexp(rounded, &exponent);
  return (uint16_t)(sign | (exponent + 14) << 10 | ((unsigned)ldexp(rounded, 11 - exponent) & 1023));
}

// exp rounded once to binary32, gradual underflow too.
static inline float oracle_exp(float x) {
  if (isnan(x)) return NAN;
  mpfr_t value;
  const mpfr_exp_t least = mpfr_get_emin();
  const mpfr_exp_t most = mpfr_get_emax();
  mpfr_init2(value, 24);
  mpfr_set_emin(-148);
  mpfr_set_emax(128);
  mpfr_set_flt(value, x, MPFR_RNDN);
  const int direction = mpfr_exp(value, value, MPFR_RNDN);
  mpfr_subnormalize(value, direction, MPFR_RNDN);
  const float result = mpfr_get_flt(value, MPFR_RNDN);
  mpfr_set_emin(least);
  mpfr_set_emax(most);
  mpfr_clear(value);
  return result;
}

// True if logit a of expert i goes before b of expert j: NaN is below all numbers.
static inline bool oracle_before(float a, size_t i, float b, size_t j) {
  if (isnan(a) || isnan(b)) return isnan(a) == isnan(b) ? i < j : isnan(b);
  return a > b || (a == b && i < j);
}

// Which experts a token has, and their weights (0 for the others).
static inline void oracle_route(const struct moe_case *c, const float *logits, bool *chosen, float *weights) {
  const size_t experts = c->shape.experts;
  for (size_t e = 0; e < experts; e++) {
    size_t before = 0;
    for (size_t i = 0; i < experts; i++) before += oracle_before(logits[i], i, logits[e], e);
    chosen[e] = before < c->routing.top_k;
  }
  const bool sigmoid = c->routing.score == DUPLEX_SCORE_SIGMOID;
  const bool over_all = c->routing.score == DUPLEX_SCORE_SOFTMAX;
  float most = NAN;
  float sum = 0;
  float kept = 0;
  for (size_t e = 0; e < experts; e++)
    if ((chosen[e] || over_all) && (isnan(most) || logits[e] > most)) most = logits[e];
  for (size_t e = 0; e < experts; e++) {
    weights[e] = 0;
    if (!chosen[e] && !over_all) continue;
    const float difference = logits[e] - most;
    weights[e] = oracle_exp(difference);
    sum = sum + weights[e];
  }
  for (size_t e = 0; e < experts; e++) {
    const float below = 1.0f + oracle_exp(-logits[e]);
    weights[e] = !chosen[e] ? 0 : sigmoid ? 1.0f / below : weights[e] / sum;
    if (chosen[e]) kept = kept + weights[e];
  }
  for (size_t e = 0; e < experts && c->routing.renormalise; e++)
    if (chosen[e]) weights[e] = weights[e] / kept;
}

// y_e of one token: RN32 of the exact sum, element by element.
static inline void oracle_expert(const struct moe_case *c, size_t expert, const uint16_t *x, float *y) {
  const size_t hidden = c->shape.hidden;
  const size_t inner = c->shape.inner;
  uint16_t *h = malloc(inner * sizeof *h);
  for (size_t f = 0; f < inner; f++) {
    const size_t row = expert * inner + f;
    const struct duplex_moe_weights *w = &c->weights;
    const float up = oracle_dot(x, w->up + row * hidden, hidden, w->up_exponents, row);
    const float gate = w->gate ? oracle_dot(x, w->gate + row * hidden, hidden, w->gate_exponents, row) : up;
    const double act = c->relu && gate < 0 ? 0 : gate;
    h[f] = oracle_f16(c->weights.gate ? act * up : act);
  }
  for (size_t i = 0; i < hidden; i++)
    y[i] = oracle_dot(h, c->weights.down + (expert * hidden + i) * inner, inner, c->weights.down_exponents,
                      expert * hidden + i);
  free(h);
}

// One token of the layer.
static inline void oracle_token(const struct moe_case *c, const uint16_t *x, uint16_t *y) {
  const size_t experts = c->shape.experts;
  const size_t hidden = c->shape.hidden;
  float *logits = malloc(experts * sizeof *logits);
  float *weights = malloc(experts * sizeof *weights);
  float *sum = calloc(hidden, sizeof *sum);
  float *part = malloc(hidden * sizeof *part);
  bool *chosen = malloc(experts * sizeof *chosen);
  for (size_t e = 0; e < experts; e++)
    logits[e] = oracle_dot(x, c->weights.router + e * hidden, hidden, c->weights.router_exponents, e);
  oracle_route(c, logits, chosen, weights);
  for (size_t e = 0; e < experts; e++) {
    if (!chosen[e]) continue;
    oracle_expert(c, e, x, part);
    for (size_t i = 0; i < hidden; i++) {
      const float product = weights[e] * part[i];
      sum[i] = sum[i] + product;
    }
  }
  for (size_t i = 0; i < hidden; i++) y[i] = oracle_f16((double)sum[i]);
  free(logits), free(weights), free(sum), free(part), free(chosen);
}

static inline void oracle_moe(const struct moe_case *c, uint16_t *y) {
  for (size_t t = 0; t < c->tokens; t++) oracle_token(c, c->x + t * c->shape.hidden, y + t * c->shape.hidden);
}

#endif
