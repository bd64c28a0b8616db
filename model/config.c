// SPDX-License-Identifier: Apache-2.0
// What every description of a model has to keep, whatever file it comes from.
#include "model/config.h"

#include <math.h>
#include <stdlib.h>

#include "duplex/activation.h"
#include "xpu/choice.h"

const char *model_architecture_name(enum model_architecture architecture) {
  static const char *const names[MODEL_ARCHITECTURES] = {
      [MODEL_MIXTRAL] = "MixtralForCausalLM",       [MODEL_QWEN3_MOE] = "Qwen3MoeForCausalLM",
      [MODEL_OLMOE] = "OlmoeForCausalLM",           [MODEL_GRANITE_MOE] = "GraniteMoeForCausalLM",
      [MODEL_LLAMA] = "LlamaForCausalLM",           [MODEL_MISTRAL] = "MistralForCausalLM",
      [MODEL_QWEN3] = "Qwen3ForCausalLM",           [MODEL_GPT_OSS] = "GptOssForCausalLM",
      [MODEL_DEEPSEEK_V3] = "DeepseekV3ForCausalLM"};
  return names[architecture];
}

int model_config_layers(struct model_config *config, unsigned sparse_step, struct model_error *error) {
  config->layer = calloc(config->layers, sizeof *config->layer);
  if (!config->layer) return model_no_memory(error);
  for (unsigned i = 0; i < config->layers; i++) {
    config->layer[i].sparse = config->experts && sparse_step && (i + 1) % sparse_step == 0;
    config->layer[i].sliding = config->sliding_window != 0;
  }
  return DUPLEX_OK;
}

unsigned model_config_sparse_layers(const struct model_config *config) {
  unsigned count = 0;
  for (unsigned i = 0; i < config->layers; i++) count += config->layer[i].sparse;
  return count;
}

static bool is_positive(double value) { return isfinite(value) && value > 0; }

// What is wrong with the numbers of RoPE; NULL: nothing.
static const char *wrong_rope(const struct model_rope *rope) {
  if (!is_positive(rope->theta)) return "rope_theta (rope.freq_base): expected a positive number";
  if (rope->type == MODEL_ROPE_DEFAULT) return NULL;
  if (!is_positive(rope->factor)) return "the factor of RoPE: expected a positive number";
  if (rope->type == MODEL_ROPE_LINEAR) return NULL;
  if (!is_positive(rope->original_positions))
    return "original_max_position_embeddings (rope.scaling.original_context_length): expected a positive "
           "number";
  if (rope->type == MODEL_ROPE_YARN)
    return is_positive(rope->beta_fast) && is_positive(rope->beta_slow)
               ? NULL
               : "beta_fast and beta_slow: expected positive numbers";
  const bool ordered = is_positive(rope->low_freq_factor) && is_positive(rope->high_freq_factor) &&
                       rope->high_freq_factor > rope->low_freq_factor;
  return ordered ? NULL
                 : "low_freq_factor and high_freq_factor: expected positive numbers, the second larger";
}

// What is wrong with the numbers, by the names of config.json and of GGUF; NULL: nothing.
static const char *wrong_numbers(const struct model_config *config) {
  if (config->heads % config->kv_heads)
    return "num_key_value_heads (attention.head_count_kv): expected a divisor of num_attention_heads";
  if (config->head_size % 2) return "head_dim (attention.key_length): expected an even number";
  if (config->rope_size % 2) return "qk_rope_head_dim: expected an even number";
  if (config->chosen > config->experts)
    return "num_experts_per_tok (expert_used_count): expected no more than there are experts";
  const struct xpu_choice choice = {NULL, config->groups, config->groups_taken, 0};
  if (config->groups && !xpu_choice_is_legal(&choice, config->experts, config->chosen))
    return "n_group and topk_group: expected groups of two or more experts that divide n_routed_experts, and "
           "no more "
           "chosen than there are in the groups taken";
  if (config->groups && !isfinite(config->weights_scale))
    return "routed_scaling_factor: expected a finite number";
  if (model_config_sparse_layers(config) && !(config->chosen && config->expert_inner))
    return "num_experts_per_tok (expert_used_count) and the experts' size: expected both from 1 on";
  if (model_config_sparse_layers(config) < config->layers && !config->inner)
    return "intermediate_size (feed_forward_length): expected from 1 on";
  if (!is_positive(config->norm_epsilon))
    return "rms_norm_eps (attention.layer_norm_rms_epsilon): expected a positive number";
  if (config->attention_scale != 0 && !is_positive(config->attention_scale))
    return "attention_multiplier (attention.scale): expected a positive number";
  if (!isfinite(config->embedding_scale) || !isfinite(config->residual_scale))
    return "embedding_multiplier (embedding_scale) and residual_multiplier (residual_scale): expected finite "
           "numbers";
  if (config->gate_limit != 0 && !(is_positive(config->gate_limit) && is_positive(config->gate_slope)))
    return "swiglu_limit and swiglu_alpha: expected positive numbers";
  if (config->qkv_limit != 0 && !is_positive(config->qkv_limit))
    return "clip_qkv: expected a positive number";
  if (!isfinite(config->logits_divisor) || config->logits_divisor == 0)
    return "logits_scaling (logit_scale): expected a number other than 0";
  return wrong_rope(&config->rope);
}

int model_config_check(const struct model_config *config, const char *path, struct model_error *error) {
  const char *wrong = wrong_numbers(config);
  if (wrong) return model_fail(error, DUPLEX_ERROR_FORMAT, "%s: %s", path, wrong);
  if (!duplex_activation_builtin(config->act))
    return model_fail(error, DUPLEX_ERROR_NOT_AVAILABLE, "%s: the activation '%s' is not there", path,
                      config->act);
  return DUPLEX_OK;
}

void model_config_free(struct model_config *config) {
  free(config->layer);
  config->layer = NULL;
}
