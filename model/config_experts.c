// SPDX-License-Identifier: Apache-2.0
// Keys of a mixture of experts in config.json: how many there are, of what size, and how they are chosen.
#include "model/config_experts.h"

#include "model/config_keys.h"

void model_config_read_experts(struct model_json *json, const struct model_class *class,
                               struct model_config *c) {
  const bool local = c->architecture != MODEL_QWEN3_MOE && c->architecture != MODEL_OLMOE;
  const char *key = local ? "num_local_experts" : "num_experts";
  json_t *experts = model_json_take_either(json, &key, local ? "num_experts" : "num_local_experts");
  if (!experts)
    model_json_refuse(json, DUPLEX_ERROR_FORMAT, key, "is missing: expected an integer from 1 to %u",
                      MODEL_EXPERTS_MOST);
  c->experts = (unsigned)model_json_integer(json, key, experts, 1, MODEL_EXPERTS_MOST, 1);
  c->chosen = (unsigned)model_key_size(json, "num_experts_per_tok", MODEL_EXPERTS_MOST, 0);
  c->expert_inner = c->architecture == MODEL_QWEN3_MOE
                        ? (unsigned)model_key_size(json, "moe_intermediate_size", MODEL_SIZE_MOST, 0)
                        : c->inner;
  c->score = class->score;
  c->renormalise = class->always_renormalises && !class->gpt_oss;
  if (!class->always_renormalises && !class->multipliers)
    c->renormalise = model_key_bool(json, "norm_topk_prob", false);
}

void model_config_read_grouped_experts(struct model_json *json, struct model_config *c) {
  json_t *shared = model_json_take_value(json, "n_shared_experts");
  const char *routed = "n_routed_experts";
  const char *extra = "num_nextn_predict_layers";
  json_t *experts = model_json_take_either(json, &routed, "num_local_experts");
  json_t *extra_layers = model_json_take_either(json, &extra, "num_mtp_layers");
  c->experts = (unsigned)model_json_integer(json, routed, experts, 1, MODEL_EXPERTS_MOST, 256);
  c->chosen = (unsigned)model_key_size(json, "num_experts_per_tok", MODEL_EXPERTS_MOST, 8);
  c->expert_inner = model_key_count(json, "moe_intermediate_size", 2048);
  c->shared_inner = (unsigned)model_json_integer(json, "n_shared_experts", shared, 1,
                                                 MODEL_SIZE_MOST / c->expert_inner, 1) *
                    c->expert_inner;
  c->groups = (unsigned)model_key_size(json, "n_group", MODEL_EXPERTS_MOST, 8);
  c->groups_taken = (unsigned)model_key_size(json, "topk_group", MODEL_EXPERTS_MOST, 4);
  c->weights_scale = model_key_real(json, "routed_scaling_factor", 2.5);
  c->renormalise = model_key_bool(json, "norm_topk_prob", true);
  c->score = XPU_SCORE_SIGMOID;
  c->extra_layers = (unsigned)model_json_integer(json, extra, extra_layers, 0, MODEL_LAYERS_MOST, 1);
  model_key_only_word(json, "scoring_func", "sigmoid");
  model_key_only_word(json, "topk_method", "noaux_tc");
  model_key_only_size(json, "moe_layer_freq", 1);
}
