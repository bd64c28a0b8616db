// SPDX-License-Identifier: Apache-2.0
// An FFN with biases (network_biased.h).
#include "model/network_biased.h"

#include <math.h>
#include <stdlib.h>

#include "cmodel/numerics/exact_mode.h"
#include "xpu/binary32.h"

static float clamped(float value, float least, float most) {
  if (value < least) return least;
  return value > most ? most : value;  // NaN stays NaN
}

// g and u of the activation from the products: with their biases, and, where the model has a limit, cut by it
// and scaled as its activation is written in terms of silu.
static void prepare(const struct network *network, const struct biased_ffn *ffn, size_t values, duplex_f32 *g,
                    duplex_f32 *u) {
  const float limit = (float)network->config->gate_limit;
  const float slope = (float)network->config->gate_slope;
  const size_t inner = ffn->up.rows;
  const exact_mode saved = exact_begin(g);
  for (size_t i = 0; i < values; i++) {
    float gate = binary32_float(g[i]) + binary32_float(ffn->gate_bias[i % inner]);
    float up = binary32_float(u[i]) + binary32_float(ffn->up_bias[i % inner]);
    if (limit != 0) {
      gate = clamped(gate, -INFINITY, limit) * slope;
      up = (clamped(up, -limit, limit) + 1) / slope;
    }
    g[i] = binary32_bits(gate);
    u[i] = binary32_bits(up);
  }
  exact_end(saved, u);
}

static int make_h(struct network *network, const struct biased_ffn *ffn, const duplex_f16 *x, size_t tokens,
                  duplex_f32 *g, duplex_f32 *u, duplex_f16 *h) {
  const size_t values = tokens * ffn->up.rows;
  int error = network_product(network, &ffn->gate, x, tokens, g);
  if (!error) error = network_product(network, &ffn->up, x, tokens, u);
  if (error) return error;
  prepare(network, ffn, values, g, u);
  for (size_t i = 0; i < values; i++) h[i] = duplex_activation(network->activation, g[i], u[i], true);
  return DUPLEX_OK;
}

int network_biased_ffn(struct network *network, const struct biased_ffn *ffn, const duplex_f16 *x,
                       size_t tokens, duplex_f32 *out) {
  const size_t values = tokens * ffn->up.rows;
  duplex_f32 *g = malloc(values * sizeof *g);
  duplex_f32 *u = malloc(values * sizeof *u);
  duplex_f16 *h = malloc(values * sizeof *h);
  int error = g && u && h ? make_h(network, ffn, x, tokens, g, u, h) : DUPLEX_ERROR_NO_MEMORY;
  if (!error) error = network_product(network, &ffn->down, h, tokens, out);
  if (!error) network_add_bias(out, ffn->down_bias, tokens, ffn->down.rows);
  free(g);
  free(u);
  free(h);
  return error;
}
