// SPDX-License-Identifier: Apache-2.0
// What the files of the network share: its weights, sequences, and the rows of one step.
#ifndef MODEL_NETWORK_STATE_H
#define MODEL_NETWORK_STATE_H

#include "model/network.h"
#include "xpu/binary32.h"
#include "xpu/choice.h"
#include "xpu/rotary.h"

// Matrices of all experts of a layer, one expert behind the other.
struct expert_matrices {
  duplex_f16 *gate, *up, *down;
  int8_t *gate_exponents, *up_exponents, *down_exponents;
  duplex_f32 *gate_bias, *up_bias, *down_bias;  // [experts] each
};

// Weights of one layer. What the model does not have is NULL, or a matrix without rows.
struct network_layer {
  duplex_f32 *attention_norm, *ffn_norm;
  struct model_matrix q, k, v, o;
  duplex_f32 *q_bias, *k_bias, *v_bias, *o_bias;
  duplex_f32 *q_norm, *k_norm;
  struct model_matrix q_a, kv_a,
      kv_b;  // of latent attention, whose q may come from q_a, and k and v do from kv_b
  duplex_f32 *q_a_norm, *kv_a_norm, *q_a_bias, *kv_a_bias;
  duplex_f32 *sinks, *router_bias, *choice_bias;
  duplex_f16 *sink_queries;            // [heads][2], what stands for a sink behind a query
  struct model_matrix gate, up, down;  // of a dense layer
  duplex_f32 *gate_bias, *up_bias, *down_bias;
  struct duplex_moe *moe;  // of a sparse one, or, without stacks, the next two
  struct model_matrix router;
  struct expert_matrices experts;
  struct model_matrix shared_gate, shared_up, shared_down;  // of the FFN beside the experts
};

struct network {
  const struct model *model;
  const struct model_config *config;
  struct network_options options;
  struct duplex_device *device;
  struct duplex_device_kv *kv;
  struct duplex_xpu *xpu;
  unsigned channels;             // of all stacks
  struct network_layer *layers;  // [config->layers]
  duplex_f32 *final_norm;
  struct model_matrix head;
  const struct duplex_activation_table *activation;
  struct xpu_rotary rotary;
  // As the stacks have them: heads of whole 16 values, at most 16 query heads to a KV head. Query heads of
  // zeros behind those of a KV head of the model make all groups equal.
  unsigned head_size, kv_heads, q_heads;
  unsigned pinned;  // positions before the first token: the one whose score is the sink
  double scale;     // of scores, where the model has none of its own
  bool wide;        // softmax weights of two parts
  struct network_statistics statistics;
  size_t steps;        // that have been run
  uint64_t ticks;      // of time before this step (model/network_account.c)
  unsigned clock_khz;  // of the stacks
  int layer;           // that runs; -1: none
};

struct network_sequence {
  struct network *network;
  struct duplex_device_sequence *kv;
  struct duplex_device_sequence *spaces;  // of a prefix: its copy in the KV spaces
  const struct network_sequence *base;  // the prefix that it begins with; NULL: none, or the prompt has ended
  struct untimed_kv *untimed;
  uint64_t number;
  size_t length;
  bool decodes;
  bool is_prefix;
};

// The rows of a step: every token of every piece, piece by piece.
struct network_rows {
  struct network *network;
  const struct network_piece *pieces;
  size_t piece_count;
  size_t tokens;
  size_t *positions;            // [tokens]
  duplex_f32 *residual;         // [tokens][hidden]
  size_t added;                 // bytes of a value of the block that was added to it last; 0: none was
  duplex_f16 *narrow;           // [tokens][widest input of a product]
  duplex_f32 *wide;             // [tokens][hidden]
  duplex_f16 *experts;          // [tokens][hidden], what the experts give
  duplex_f32 *shared;           // [tokens][hidden], what the FFN beside them gives; NULL: there is none
  duplex_f32 *q, *k, *v;        // [tokens][heads * head size of the model]
  duplex_f32 *sines, *cosines;  // [tokens][pairs]
};

#define MOE_TOKENS_MOST 4096u  // of a call of duplex_device_moe

// Positions that attention of a layer sees; 0: all.
static inline uint32_t network_window(const struct network *network, unsigned layer) {
  return network->config->layer[layer].sliding ? network->config->sliding_window : 0;
}

// The factor of scores.
static inline double network_scale(const struct network *network) {
  return network->config->attention_scale != 0 ? network->config->attention_scale : network->scale;
}

// Experts with biases are the xPU's; all others both sides', if there are stacks.
static inline bool network_has_stacks_for_experts(const struct network *network) {
  return network->device && !network->config->ffn_bias;
}

// The query head of the model that one of the stacks is; false: it is one of zeros.
static inline bool network_query_head(const struct network *network, unsigned head, unsigned *of_model) {
  const unsigned kv_heads = network->config->kv_heads;
  const unsigned group = network->config->heads / kv_heads;
  const unsigned padded = network->q_heads / kv_heads;
  *of_model = head / padded * group + head % padded;
  return head % padded < group;
}

// How the experts of a token are chosen, if not by the logits alone.
static inline struct xpu_choice network_choice(const struct model_config *config,
                                               const struct network_layer *layer) {
  return (struct xpu_choice){layer->choice_bias, config->groups, config->groups_taken,
                             binary32_bits((float)config->weights_scale)};
}

// The text of the device's last error.
int network_device_failed(const struct network *network, int error, struct model_error *error_text);

// Adds RN32(residual_scale * RN32(y + bias)) to the residual stream; bias may be NULL. The device has y in so
// many bytes a value.
void network_add(struct network_rows *rows, const duplex_f32 *y, const duplex_f32 *bias, size_t bytes);

// RN16 of each value of a row; finite values that become infinite are counted.
void network_narrow(struct network *network, const duplex_f32 *from, size_t count, duplex_f16 *to);

// Submits a work to the xPU, waits for it, and adds its time and launch to the statistics.
int network_work(struct network *network, const struct duplex_xpu_work *work);

// out[tokens][matrix rows] = RN32 of the exact sums; its time is added to the statistics.
int network_product(struct network *network, const struct model_matrix *matrix, const duplex_f16 *x,
                    size_t tokens, duplex_f32 *out);

// values[tokens][columns] = RN32(values + bias), NULL: as they are.
void network_add_bias(duplex_f32 *values, const duplex_f32 *bias, size_t tokens, size_t columns);

// q, k and v of latent attention from the normed rows in `narrow`, before the rotation.
int network_make_latent(struct network_rows *rows, const struct network_layer *layer);

// The two blocks of a layer, each from norm to residual stream.
int network_attend(struct network_rows *rows, unsigned layer, struct model_error *error);
int network_feed_forward(struct network_rows *rows, unsigned layer, struct model_error *error);

#endif
