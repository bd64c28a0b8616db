// SPDX-License-Identifier: Apache-2.0
// A language model as the serving simulator sees it: shapes and counts of its layers.
#ifndef SERVING_MODEL_H
#define SERVING_MODEL_H

#include <stdbool.h>
#include <stddef.h>

enum {
  SERVING_LAYERS_MOST = 1024,
  SERVING_HIDDEN_MOST = 65536,
  SERVING_INNER_MOST = 1048576,
  SERVING_HEADS_MOST = 1024,  // and positions of a head
  SERVING_CHOSEN_MOST = 64
};

// Latent attention: q (if q_rank is not 0), k and v come from vectors of so many values.
struct serving_latent {
  unsigned q_rank, kv_rank;  // kv_rank 0: none
  unsigned rope;             // of a key, the same for all heads
  unsigned key, value;       // of a head
};

struct serving_model {
  unsigned layers, hidden, inner, heads, kv_heads, head_size, vocabulary;
  unsigned dense_inner;     // of dense feed-forward layers
  unsigned experts, top_k;  // 0: dense
  unsigned shared_experts;  // for each token, beside the chosen ones
  unsigned dense_layers;    // without experts; which ones they are changes nothing
  unsigned moe_every;       // of the others a layer in so many has experts
  unsigned matrices;        // 2 or 3 (gated) of a feed-forward
  unsigned weight_bits;     // 4, 8 or 16
  unsigned nodes, devices;  // default: nodes, devices of a node
  struct serving_latent latent;
};

// Keys of files of both kinds, for config_where.
#define MODEL_EXPERTS \
  ((const char *const[]){"experts", "num_local_experts", "num_experts", "n_routed_experts", NULL})
#define MODEL_HIDDEN ((const char *const[]){"hidden", "hidden_size", NULL})
#define MODEL_LAYERS ((const char *const[]){"layers", "num_hidden_layers", NULL})
#define MODEL_INNER ((const char *const[]){"inner", "moe_intermediate_size", "intermediate_size", NULL})

// A built-in name, a file of these keys, or a Hugging Face config.json. Returns 0 or an error of config_open
// with a line in `error`.
int serving_model_read(struct serving_model *model, const char *name, char *error, size_t size);

static inline unsigned model_moe_layers(const struct serving_model *m) {
  return m->experts ? (m->layers - m->dense_layers) / m->moe_every : 0;
}
static inline double model_weight_bytes(const struct serving_model *m) { return m->weight_bits / 8.0; }

// Weights of one expert, of all that is not an expert, in values; K and V of a token in bytes.
double model_expert_weights(const struct serving_model *model);
double model_other_weights(const struct serving_model *model);
double model_kv_bytes(const struct serving_model *model);

#endif
