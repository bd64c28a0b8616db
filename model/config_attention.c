// SPDX-License-Identifier: Apache-2.0
// Keys of attention in config.json: heads, their sizes, biases and limits.
#include "model/config_attention.h"

#include "model/config_keys.h"

// Without a size of its own a class takes null as if the key were missing.
static void read_head_size(struct model_json *json, const struct model_class *class, struct model_config *c) {
  const unsigned size = c->heads ? c->hidden / c->heads : 0;
  const unsigned otherwise = class->head_size ? class->head_size : size;
  json_t *value =
      class->head_size ? model_json_take_value(json, "head_dim") : model_json_take(json, "head_dim");
  if (!value && !otherwise)
    model_json_refuse(json, DUPLEX_ERROR_FORMAT, "head_dim", "is missing: expected an integer from 1 to %u",
                      MODEL_SIZE_MOST);
  c->head_size = (unsigned)model_json_integer(json, "head_dim", value, 1, MODEL_SIZE_MOST, otherwise);
}

void model_config_read_attention(struct model_json *json, const struct model_class *class,
                                 struct model_config *c) {
  c->heads = (unsigned)model_key_size(json, "num_attention_heads", MODEL_SIZE_MOST, 0);
  const bool given = json_object_get(json->left, "num_key_value_heads") != NULL;
  const unsigned kv_heads = given || !class->kv_heads ? c->heads : class->kv_heads;
  c->kv_heads =
      (unsigned)model_json_integer(json, "num_key_value_heads", model_json_take(json, "num_key_value_heads"),
                                   1, MODEL_SIZE_MOST, kv_heads ? kv_heads : 1);
  read_head_size(json, class, c);
  c->value_size = c->head_size;
  c->qk_norm = class->qk_norm;
  if (class->has_ffn_bias_key) c->ffn_bias = model_key_bool(json, "mlp_bias", false);
  if (class->has_limit_key) c->qkv_limit = model_key_limit(json, "clip_qkv");
  if (class->has_bias_key) c->qkv_bias = c->o_bias = model_key_bool(json, "attention_bias", class->bias);
}

void model_config_read_latent(struct model_json *json, const struct model_class *class,
                              struct model_config *c) {
  c->heads = model_key_count(json, "num_attention_heads", 0);
  c->kv_heads = c->heads;
  model_key_only_size(json, "num_key_value_heads", c->heads);
  const bool given = json_object_get(json->left, "q_lora_rank") != NULL;
  c->q_rank = (unsigned)model_json_integer(json, "q_lora_rank", model_json_take(json, "q_lora_rank"), 1,
                                           MODEL_SIZE_MOST, given ? 0 : 1536);
  c->kv_rank = model_key_count(json, "kv_lora_rank", 512);
  c->rope_size = model_key_count(json, "qk_rope_head_dim", 64);
  c->head_size = model_key_count(json, "qk_nope_head_dim", 128) + c->rope_size;
  c->value_size = model_key_count(json, "v_head_dim", 128);
  c->rope_pairs = model_key_bool(json, "rope_interleave", true);
  model_key_only_size(json, "head_dim", c->rope_size);
  model_key_only_size(json, "qk_head_dim", c->head_size);
  c->qkv_bias = c->o_bias = model_key_bool(json, "attention_bias", class->bias);
}
