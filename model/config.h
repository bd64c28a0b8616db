// SPDX-License-Identifier: Apache-2.0
// What a model is: its sizes and rules, whatever file and dialect they come from (docs/model_files.md).
#ifndef MODEL_CONFIG_H
#define MODEL_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/error.h"
#include "xpu/score.h"

enum model_architecture {
  MODEL_MIXTRAL,
  MODEL_QWEN3_MOE,
  MODEL_OLMOE,
  MODEL_GRANITE_MOE,
  MODEL_LLAMA,
  MODEL_MISTRAL,
  MODEL_QWEN3,
  MODEL_GPT_OSS,
  MODEL_DEEPSEEK_V3,
  MODEL_ARCHITECTURES  // how many there are
};

// RMS norm of q and k before RoPE: none, over each head by itself, or over the whole vector of all heads.
enum model_qk_norm { MODEL_QK_NORM_NONE, MODEL_QK_NORM_HEAD, MODEL_QK_NORM_WHOLE };

enum model_rope_type { MODEL_ROPE_DEFAULT, MODEL_ROPE_LINEAR, MODEL_ROPE_LLAMA3, MODEL_ROPE_YARN };

// Names and meaning as in the files; what a type does not use is 0.
struct model_rope {
  enum model_rope_type type;
  double theta;
  double factor;                             // linear, llama3, yarn
  double low_freq_factor, high_freq_factor;  // llama3
  double original_positions;                 // llama3, yarn: positions before the extension
  double beta_fast, beta_slow;               // yarn
  double attention_factor;                   // yarn, on cosines and sines; 0: derived
  double mscale, mscale_all_dim;             // yarn, for the derivation; 0: not given
  bool truncate;                             // yarn: the limits of its ramp are rounded to integers
};

struct model_layer {
  bool sparse;   // experts in place of one FFN
  bool sliding;  // attention to the last `sliding_window` positions only, its own included
};

#define MODEL_END_TOKENS 16u
#define MODEL_NO_TOKEN UINT32_MAX
enum { MODEL_LAYERS_MOST = 4096, MODEL_EXPERTS_MOST = 4096, MODEL_SIZE_MOST = 1 << 24 };

struct model_config {
  enum model_architecture architecture;
  unsigned layers;
  struct model_layer *layer;  // [layers]
  unsigned hidden, vocabulary, positions;
  unsigned heads, kv_heads, head_size;  // kv_heads divides heads
  unsigned value_size;                  // of a head of v; head_size but for latent attention
  // Latent attention: q (if q_rank is not 0) and k and v come from normed vectors of so many values; the last
  // rope_size values of a head of q and k are rotated, those of k are the same for all heads. 0: none.
  unsigned q_rank, kv_rank, rope_size;
  bool rope_pairs;           // values that turn together lie side by side in the files
  unsigned inner;            // of a dense FFN; 0: there is none
  unsigned experts, chosen;  // of a sparse layer, and of a token; 0: there are none
  unsigned expert_inner;
  enum xpu_score score;
  bool renormalise;               // the chosen experts' weights are divided by their sum
  unsigned groups, groups_taken;  // of experts (xpu/choice.h), by scores with a bias; 0: by the logits alone
  double weights_scale;           // with groups: of the weights
  unsigned shared_inner;          // of an FFN beside the experts of a layer; 0: there is none
  unsigned extra_layers;          // in the files behind the last one, which the model does not run
  const char *act;                // a name of duplex_activation_builtin
  double norm_epsilon;            // of all RMS norms but those of latent attention
  enum model_qk_norm qk_norm;
  bool qkv_bias, o_bias, ffn_bias, router_bias;
  bool sinks;                     // a score of each head that takes part in its softmax and has no value
  double qkv_limit;               // q, k and v are cut to it and to -it before RoPE; 0: they are not
  double gate_limit, gate_slope;  // of an activation that is cut (network_biased.c); 0: it is not
  bool tied_embeddings;           // the head is the embedding's matrix
  unsigned sliding_window;        // 0: none
  struct model_rope rope;
  // score = attention_scale * q.k; 0: 1 / sqrt(head_size).
  double attention_scale;
  double embedding_scale;  // on the embedding's row
  double residual_scale;   // on what attention and FFN add to the residual stream
  double logits_divisor;
  uint32_t begin_token;  // MODEL_NO_TOKEN: none
  uint32_t end_tokens[MODEL_END_TOKENS];
  unsigned end_token_count;
};

// The class name as in `architectures` of config.json.
const char *model_architecture_name(enum model_architecture architecture);

// Reads the text of a config.json; `path` is for messages. Every key is used, known to change no result, or
// refused by its name. Errors, after which config holds nothing to free: FORMAT (no JSON, a wrong type or
// range, a key that is missing or would change the result), NOT_AVAILABLE (an architecture, or a rule of
// one, that is not there), NO_MEMORY.
int model_config_read(const char *text, size_t size, const char *path, struct model_config *config,
                      struct model_error *error);

// Reads the text of a generation_config.json, which has the end tokens in place of config.json, as in
// transformers: without a key there are none. Nothing else of it counts. Errors: FORMAT, NO_MEMORY.
int model_config_read_generation(const char *text, size_t size, const char *path, struct model_config *config,
                                 struct model_error *error);

// Fills `layer` by the rules that the files have: layer i is sparse if there are experts, it is not among the
// dense ones and (i + 1) mod step = 0. For readers of files. Errors: NO_MEMORY.
int model_config_layers(struct model_config *config, unsigned sparse_step, struct model_error *error);

// How many layers have experts.
unsigned model_config_sparse_layers(const struct model_config *config);

// Ranges and divisibility of what was read. Errors: FORMAT.
int model_config_check(const struct model_config *config, const char *path, struct model_error *error);

void model_config_free(struct model_config *config);

#endif
