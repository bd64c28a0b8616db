// SPDX-License-Identifier: Apache-2.0
// The classes of transformers whose config.json is read.
#ifndef MODEL_CONFIG_CLASSES_H
#define MODEL_CONFIG_CLASSES_H

#include "model/config.h"

// What a class of transformers takes where the file is silent, and which keys it has.
struct model_class {
  const char *model_type;
  double theta, epsilon;
  unsigned kv_heads;   // 0: as many as heads
  unsigned head_size;  // 0: hidden / heads
  unsigned sliding_window;
  uint32_t begin_token;
  enum model_qk_norm qk_norm;
  enum xpu_score score;
  bool experts;
  bool multipliers;           // Granite's
  bool always_renormalises;   // no key norm_topk_prob
  bool has_bias_key;          // attention_bias
  bool bias;                  // its value where the file is silent
  bool gpt_oss;               // sinks, biases everywhere, a cut activation, every second layer slides
  bool latent;                // DeepSeek's attention and experts
  bool has_ffn_bias_key;      // mlp_bias
  bool has_limit_key;         // clip_qkv
  bool has_sliding_key;       // sliding_window
  bool has_use_sliding_key;   // use_sliding_window; without it sliding_window says nothing
  bool has_first_window_key;  // max_window_layers: layers before it do not slide
};

extern const struct model_class model_classes[MODEL_ARCHITECTURES];

#endif
