// SPDX-License-Identifier: Apache-2.0
// Heads of latent attention (DeepSeek-V3): q, k and v from normed vectors of low rank
// (docs/model_numerics.md).
#include <stdlib.h>
#include <string.h>

#include "model/network_elements.h"
#include "xpu/norm.h"

// The class of transformers gives these two norms no epsilon, so they have that of its norm, whatever the
// description says of all others.
#define LATENT_EPSILON 1e-6

// What a step needs between the two products of q, and of k and v.
struct latent {
  duplex_f32 *wide;    // [tokens][rows of q_a, kv_a or kv_b]
  duplex_f16 *narrow;  // [tokens][rank]
};

// narrow[tokens][rank] = RN16 of the norm of the first `rank` values of each row.
static void norm_rank(struct network_rows *rows, struct latent *latent, size_t stride, size_t rank,
                      const duplex_f32 *weight) {
  for (size_t token = 0; token < rows->tokens; token++) {
    duplex_f32 *row = latent->wide + token * stride;
    xpu_norm(row, weight, LATENT_EPSILON, rank, row);
    network_narrow(rows->network, row, rank, latent->narrow + token * rank);
  }
}

static int make_q(struct network_rows *rows, const struct network_layer *layer, struct latent *latent) {
  struct network *network = rows->network;
  if (!layer->q_a.rows) return network_product(network, &layer->q, rows->narrow, rows->tokens, rows->q);
  const int error = network_product(network, &layer->q_a, rows->narrow, rows->tokens, latent->wide);
  if (error) return error;
  network_add_bias(latent->wide, layer->q_a_bias, rows->tokens, layer->q_a.rows);
  norm_rank(rows, latent, layer->q_a.rows, layer->q_a.rows, layer->q_a_norm);
  return network_product(network, &layer->q, latent->narrow, rows->tokens, rows->q);
}

// The rotated part of k is one for all heads.
static void spread_rotated(struct network_rows *rows, const struct latent *latent, size_t stride) {
  const struct model_config *config = rows->network->config;
  const size_t size = config->rope_size;
  for (size_t token = 0; token < rows->tokens; token++)
    for (unsigned head = 0; head < config->heads; head++)
      memcpy(rows->k + (token * config->heads + head + 1) * config->head_size - size,
             latent->wide + token * stride + config->kv_rank, size * sizeof *rows->k);
}

// Of each head the rows of kv_b are its k without the rotated part, then its v.
static void split_heads(struct network_rows *rows, const struct latent *latent) {
  const struct model_config *config = rows->network->config;
  const size_t plain = config->head_size - config->rope_size;
  const size_t values = config->value_size;
  const duplex_f32 *from = latent->wide;
  for (size_t i = 0; i < rows->tokens * config->heads; i++, from += plain + values) {
    memcpy(rows->k + i * config->head_size, from, plain * sizeof *from);
    memcpy(rows->v + i * values, from + plain, values * sizeof *from);
  }
}

static int make_k_and_v(struct network_rows *rows, const struct network_layer *layer, struct latent *latent) {
  struct network *network = rows->network;
  int error = network_product(network, &layer->kv_a, rows->narrow, rows->tokens, latent->wide);
  if (error) return error;
  network_add_bias(latent->wide, layer->kv_a_bias, rows->tokens, layer->kv_a.rows);
  spread_rotated(rows, latent, layer->kv_a.rows);
  norm_rank(rows, latent, layer->kv_a.rows, network->config->kv_rank, layer->kv_a_norm);
  error = network_product(network, &layer->kv_b, latent->narrow, rows->tokens, latent->wide);
  if (!error) split_heads(rows, latent);
  return error;
}

int network_make_latent(struct network_rows *rows, const struct network_layer *layer) {
  const struct model_config *config = rows->network->config;
  size_t widest = layer->kv_b.rows;
  if (layer->q_a.rows > widest) widest = layer->q_a.rows;
  if (layer->kv_a.rows > widest) widest = layer->kv_a.rows;
  const size_t rank = config->q_rank > config->kv_rank ? config->q_rank : config->kv_rank;
  struct latent latent = {malloc(rows->tokens * widest * sizeof *latent.wide),
                          malloc(rows->tokens * rank * sizeof *latent.narrow)};
  int error = latent.wide && latent.narrow ? make_q(rows, layer, &latent) : DUPLEX_ERROR_NO_MEMORY;
  if (!error) error = make_k_and_v(rows, layer, &latent);
  free(latent.wide);
  free(latent.narrow);
  return error ? error : elements_latent(rows);
}
