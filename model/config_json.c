// SPDX-License-Identifier: Apache-2.0
// config.json of Hugging Face, in both dialects: every key is used, known to change no result, or refused.
#include <string.h>

#include "model/config_classes.h"
#include "model/json.h"

// Keys that change no logits: training, classifiers, sampling, names, how a program runs. The element type
// among them: what counts is that of the tensors.
static const char *const harmless[] = {"_attn_implementation",
                                       "_attn_implementation_autoset",
                                       "_commit_hash",
                                       "_experts_implementation",
                                       "_flash_attn_2_enabled",
                                       "_name_or_path",
                                       "attention_dropout",
                                       "attention_probs_dropout_prob",
                                       "attn_implementation",
                                       "attn_pdrop",
                                       "auto_map",
                                       "aux_loss_alpha",
                                       "bad_words_ids",
                                       "begin_suppress_tokens",
                                       "bos_token",
                                       "chunk_size_feed_forward",
                                       "classifier_dropout",
                                       "custom_pipelines",
                                       "decoder_start_token_id",
                                       "diversity_penalty",
                                       "do_sample",
                                       "dtype",
                                       "early_stopping",
                                       "embd_pdrop",
                                       "encoder_no_repeat_ngram_size",
                                       "eos_token",
                                       "ep_size",
                                       "experts_implementation",
                                       "exponential_decay_length_penalty",
                                       "finetuning_task",
                                       "forced_bos_token_id",
                                       "forced_eos_token_id",
                                       "generation_config",
                                       "gradient_checkpointing",
                                       "hidden_dropout",
                                       "hidden_dropout_prob",
                                       "id2label",
                                       "initializer_range",
                                       "is_llama_config",
                                       "keys_to_ignore_at_inference",
                                       "label2id",
                                       "length_penalty",
                                       "license",
                                       "loss_type",
                                       "max_length",
                                       "max_new_tokens",
                                       "min_length",
                                       "model_max_length",
                                       "name_or_path",
                                       "no_repeat_ngram_size",
                                       "num_beam_groups",
                                       "num_beams",
                                       "num_labels",
                                       "num_return_sequences",
                                       "output_attentions",
                                       "output_hidden_states",
                                       "output_router_logits",
                                       "output_scores",
                                       "pad_token",
                                       "pad_token_id",
                                       "prefix",
                                       "pretraining_tp",
                                       "problem_type",
                                       "remove_invalid_values",
                                       "renormalize_logits",
                                       "repetition_penalty",
                                       "resid_pdrop",
                                       "return_dict",
                                       "return_dict_in_generate",
                                       "router_aux_loss_coef",
                                       "router_jitter_noise",
                                       "sep_token_id",
                                       "seq_aux",
                                       "suppress_tokens",
                                       "task_specific_params",
                                       "temperature",
                                       "tf_legacy_loss",
                                       "tie_encoder_decoder",
                                       "tokenizer_class",
                                       "top_k",
                                       "top_p",
                                       "torch_dtype",
                                       "torchscript",
                                       "transformers.js_config",
                                       "transformers_version",
                                       "typical_p",
                                       "unsloth_fixed",
                                       "unsloth_training",
                                       "unsloth_version",
                                       "use_bfloat16",
                                       "use_cache",
                                       "use_return_dict"};

static bool is_harmless(const char *key) {
  for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
    if (strcmp(key, harmless[i]) == 0) return true;
  return false;
}

// Keys that transformers takes as on where they are not there, so that switching them off is what changes.
static const char *const usually_on[] = {"is_causal"};

static bool is_usually_on(const char *key) {
  for (size_t i = 0; i < sizeof usually_on / sizeof *usually_on; i++)
    if (strcmp(key, usually_on[i]) == 0) return true;
  return false;
}

// Whether a key that nobody took leaves what is computed as it is: it is harmless, or as without it.
static bool changes_nothing(const char *key, const json_t *value) {
  if (is_usually_on(key)) return json_is_true(value);
  return is_harmless(key) || model_json_is_off(value);
}

static void refuse_what_is_left(struct model_json *json) {
  const char *key;
  json_t *value;
  if (json->status) return;
  json_object_foreach(json->left, key, value) {
    if (changes_nothing(key, value)) continue;
    model_json_refuse(json, DUPLEX_ERROR_NOT_AVAILABLE, key,
                      "is not known: it may change what is computed, expected no such key");
    return;
  }
}

// Sizes, numbers and switches that the class has a value for. transformers takes no null for a size or number
// that is not 0 where the key is missing, so it is refused; null as a switch is off, whatever the default.
static uint64_t size_key(struct model_json *json, const char *key, uint64_t most, uint64_t otherwise) {
  json_t *value = otherwise ? model_json_take_value(json, key) : model_json_take(json, key);
  if (!value && !otherwise)
    model_json_refuse(json, DUPLEX_ERROR_FORMAT, key, "is missing: expected an integer from 1 to %llu",
                      (unsigned long long)most);
  return model_json_integer(json, key, value, 1, most, otherwise);
}

static double real_key(struct model_json *json, const char *key, double otherwise) {
  json_t *value = otherwise != 0 ? model_json_take_value(json, key) : model_json_take(json, key);
  return model_json_real(json, key, value, otherwise);
}

// A number that null leaves as the class has it.
static double nullable_real_key(struct model_json *json, const char *key, double otherwise) {
  return model_json_real(json, key, model_json_take(json, key), otherwise);
}

static bool bool_key(struct model_json *json, const char *key, bool otherwise) {
  const bool null = json_is_null(json_object_get(json->left, key));
  return model_json_bool(json, key, model_json_take(json, key), !null && otherwise);
}

// The class of a model_type; MODEL_ARCHITECTURES: there is none.
static enum model_architecture of_type(const char *type) {
  unsigned i = 0;
  while (i < MODEL_ARCHITECTURES && strcmp(type, model_classes[i].model_type) != 0) i++;
  return (enum model_architecture)i;
}

// The class, by its name in the list or, without a list, by model_type. Where both are there they have to
// agree: transformers opens a causal model by its model_type.
static enum model_architecture read_architecture(struct model_json *json) {
  json_t *list = model_json_take(json, "architectures");
  const char *type = model_json_string(json, "model_type", model_json_take(json, "model_type"), NULL);
  const char *name = json_string_value(json_array_get(list, 0));
  if (list && (!name || json_array_size(list) != 1))
    model_json_refuse(json, DUPLEX_ERROR_FORMAT, "architectures", "is wrong: expected a list of one name");
  const char *shown = type ? type : "";
  unsigned i = name ? 0 : of_type(shown);
  while (name && i < MODEL_ARCHITECTURES && strcmp(name, model_architecture_name(i)) != 0) i++;
  if (i == MODEL_ARCHITECTURES)
    model_json_refuse(json, DUPLEX_ERROR_NOT_AVAILABLE,
                      name ? "architectures:" : "model_type:", "'%.64s' is not there", name ? name : shown);
  else if (type && of_type(type) != i)
    model_json_refuse(json, DUPLEX_ERROR_FORMAT,
                      "model_type:", "'%.64s' differs from architectures, '%.64s': expected its type", type,
                      model_architecture_name(i));
  return json->status ? MODEL_LLAMA : (enum model_architecture)i;
}

// The name of the activation function that the key means; another one is refused.
static const char *read_act(struct model_json *json) {
  static const char *const names[][2] = {{"silu", "silu"},
                                         {"swish", "silu"},
                                         {"gelu", "gelu"},
                                         {"gelu_new", "gelu_tanh"},
                                         {"gelu_pytorch_tanh", "gelu_tanh"},
                                         {"gelu_fast", "gelu_tanh"},
                                         {"relu", "relu"},
                                         {"linear", "identity"}};
  const char *act = model_json_string(json, "hidden_act", model_json_take(json, "hidden_act"), "silu");
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp(act, names[i][0]) == 0) return names[i][1];
  model_json_refuse(
      json, DUPLEX_ERROR_NOT_AVAILABLE, "hidden_act:",
      "'%.64s' is not there: expected silu, swish, gelu, gelu_new, gelu_pytorch_tanh, gelu_fast, "
      "relu or linear",
      act);
  return "silu";
}

// The experts of gpt-oss have an activation of their own, which the class computes whatever the key says.
static const char *read_act_of(struct model_json *json, const struct model_class *class) {
  const char *act = read_act(json);
  if (class->gpt_oss && strcmp(act, "silu") != 0)
    model_json_refuse(json, DUPLEX_ERROR_FORMAT, "hidden_act",
                      "is wrong: expected silu, the only one of gpt_oss");
  return act;
}

// A limit that counts if it is there, 0 among the numbers that are.
static double limit_key(struct model_json *json, const char *key) {
  json_t *value = model_json_take(json, key);
  const double limit = model_json_real(json, key, value, 0);
  if (value && !(limit > 0))
    model_json_refuse(json, DUPLEX_ERROR_FORMAT, key, "is wrong: expected more than 0");
  return limit;
}

static uint32_t token_of(struct model_json *json, const char *key, json_t *value, uint32_t otherwise) {
  return (uint32_t)model_json_integer(json, key, value, 0, MODEL_SIZE_MOST, otherwise);
}

static void read_begin_token(struct model_json *json, const struct model_class *class,
                             struct model_config *c) {
  const bool given = json_object_get(json->left, "bos_token_id") != NULL;
  c->begin_token = token_of(json, "bos_token_id", model_json_take(json, "bos_token_id"),
                            given ? MODEL_NO_TOKEN : class->begin_token);
}

// A token or a list of them. null or no key: none, as transformers generates, whatever its class has.
static void read_end_tokens(struct model_json *json, struct model_config *c) {
  json_t *end = model_json_take(json, "eos_token_id");
  const size_t count = json_is_array(end) ? json_array_size(end) : 1;
  if (count > MODEL_END_TOKENS)
    model_json_refuse(json, DUPLEX_ERROR_FORMAT, "eos_token_id", "is wrong: expected at most %u tokens",
                      MODEL_END_TOKENS);
  c->end_token_count = 0;
  for (size_t i = 0; i < count && !json->status; i++) {
    json_t *value = json_is_array(end) ? json_array_get(end, i) : end;
    const uint32_t token = token_of(json, "eos_token_id", value, MODEL_NO_TOKEN);
    if (token != MODEL_NO_TOKEN) c->end_tokens[c->end_token_count++] = token;
  }
}

static enum model_rope_type read_rope_type(struct model_json *json) {
  static const char *const names[] = {[MODEL_ROPE_DEFAULT] = "default",
                                      [MODEL_ROPE_LINEAR] = "linear",
                                      [MODEL_ROPE_LLAMA3] = "llama3",
                                      [MODEL_ROPE_YARN] = "yarn"};
  const char *type =
      model_json_string(json, "rope_type", model_json_take_either(json, "rope_type", "type"), "default");
  for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp(type, names[i]) == 0) return (enum model_rope_type)i;
  model_json_refuse(json, DUPLEX_ERROR_NOT_AVAILABLE,
                    "rope_type:", "'%.64s' is not there: expected default, linear, llama3 or yarn", type);
  return MODEL_ROPE_DEFAULT;
}

static void read_yarn(struct model_json *json, double positions, struct model_rope *rope) {
  rope->original_positions = real_key(json, "original_max_position_embeddings", positions);
  if (rope->factor == 0) rope->factor = positions / rope->original_positions;
  rope->beta_fast = nullable_real_key(json, "beta_fast", 32);
  rope->beta_slow = nullable_real_key(json, "beta_slow", 1);
  rope->attention_factor = limit_key(json, "attention_factor");
  rope->mscale = real_key(json, "mscale", 0);
  rope->mscale_all_dim = real_key(json, "mscale_all_dim", 0);
  rope->truncate = bool_key(json, "truncate", true);
}

static void refuse_partial_rotation(struct model_json *json) {
  if (nullable_real_key(json, "partial_rotary_factor", 1) != 1)
    model_json_refuse(json, DUPLEX_ERROR_NOT_AVAILABLE, "partial_rotary_factor",
                      "is not 1: expected the rotation of whole heads, 1");
}

// The object of rope_scaling or rope_parameters. outer_theta: whether one stands beside it, which has to
// agree.
static void read_rope_object(struct model_json *json, double positions, bool outer_theta,
                             struct model_rope *rope) {
  rope->type = read_rope_type(json);
  const double theta = real_key(json, "rope_theta", rope->theta);
  if (outer_theta && theta != rope->theta)
    model_json_refuse(json, DUPLEX_ERROR_FORMAT, "rope_theta",
                      "differs from rope_theta outside: expected one value");
  rope->theta = theta;
  refuse_partial_rotation(json);
  if (rope->type != MODEL_ROPE_DEFAULT) rope->factor = limit_key(json, "factor");
  if (rope->type == MODEL_ROPE_LLAMA3) {
    rope->low_freq_factor = real_key(json, "low_freq_factor", 0);
    rope->high_freq_factor = real_key(json, "high_freq_factor", 0);
    rope->original_positions = real_key(json, "original_max_position_embeddings", positions);
  } else if (rope->type == MODEL_ROPE_YARN) {
    read_yarn(json, positions, rope);
  }
  refuse_what_is_left(json);
}

// What the class takes without an object.
static void set_gpt_oss_rope(struct model_rope *rope) {
  rope->type = MODEL_ROPE_YARN;
  rope->factor = 32;
  rope->beta_fast = 32;
  rope->beta_slow = 1;
  rope->original_positions = 4096;
}

static void read_rope(struct model_json *json, const struct model_class *class, struct model_config *c) {
  json_t *object = model_json_take_either(json, "rope_scaling", "rope_parameters");
  const bool outer_theta = json_object_get(json->left, "rope_theta") != NULL;
  c->rope.theta = real_key(json, "rope_theta", class->theta);
  refuse_partial_rotation(json);
  if (!object && class->gpt_oss) set_gpt_oss_rope(&c->rope);
  if (!object || json->status) return;
  struct model_json inner = model_json_open(object, json->path, "rope.", json->error);
  read_rope_object(&inner, c->positions, outer_theta, &c->rope);
  json->status = inner.status;
  model_json_close(&inner);
}

static unsigned count_key(struct model_json *json, const char *key, uint64_t otherwise) {
  return (unsigned)size_key(json, key, MODEL_SIZE_MOST, otherwise);
}

// A word that the class does not look at, since it knows one alone.
static void only_word(struct model_json *json, const char *key, const char *word) {
  const char *value = model_json_string(json, key, model_json_take(json, key), word);
  if (strcmp(value, word) != 0)
    model_json_refuse(json, DUPLEX_ERROR_NOT_AVAILABLE, key, "is '%.64s': expected %s", value, word);
}

// A size that follows from others.
static void only_size(struct model_json *json, const char *key, unsigned value) {
  const unsigned expected = value ? value : 1;
  if (model_json_integer(json, key, model_json_take(json, key), 1, MODEL_SIZE_MOST, expected) != expected)
    model_json_refuse(json, DUPLEX_ERROR_FORMAT, key, "is wrong: expected %u by the other keys", value);
}

// Experts of DeepSeek-V3: in groups, chosen by scores with a bias, and one FFN beside them.
static void read_grouped_experts(struct model_json *json, struct model_config *c) {
  json_t *shared = model_json_take_value(json, "n_shared_experts");
  json_t *experts = model_json_take_either(json, "n_routed_experts", "num_local_experts");
  c->experts = (unsigned)model_json_integer(json, "n_routed_experts", experts, 1, MODEL_EXPERTS_MOST, 256);
  c->chosen = (unsigned)size_key(json, "num_experts_per_tok", MODEL_EXPERTS_MOST, 8);
  c->expert_inner = count_key(json, "moe_intermediate_size", 2048);
  c->shared_inner = (unsigned)model_json_integer(json, "n_shared_experts", shared, 1,
                                                 MODEL_SIZE_MOST / c->expert_inner, 1) *
                    c->expert_inner;
  c->groups = (unsigned)size_key(json, "n_group", MODEL_EXPERTS_MOST, 8);
  c->groups_taken = (unsigned)size_key(json, "topk_group", MODEL_EXPERTS_MOST, 4);
  c->weights_scale = real_key(json, "routed_scaling_factor", 2.5);
  c->renormalise = bool_key(json, "norm_topk_prob", true);
  c->score = XPU_SCORE_SIGMOID;
  c->extra_layers = (unsigned)model_json_integer(
      json, "num_nextn_predict_layers",
      model_json_take_either(json, "num_nextn_predict_layers", "num_mtp_layers"), 0, MODEL_LAYERS_MOST, 1);
  only_word(json, "scoring_func", "sigmoid");
  only_word(json, "topk_method", "noaux_tc");
  only_size(json, "moe_layer_freq", 1);
}

// Heads of latent attention. head_dim is what is rotated, here and in the class.
static void read_latent_attention(struct model_json *json, const struct model_class *class,
                                  struct model_config *c) {
  c->heads = count_key(json, "num_attention_heads", 0);
  c->kv_heads = c->heads;
  only_size(json, "num_key_value_heads", c->heads);
  const bool given = json_object_get(json->left, "q_lora_rank") != NULL;
  c->q_rank = (unsigned)model_json_integer(json, "q_lora_rank", model_json_take(json, "q_lora_rank"), 1,
                                           MODEL_SIZE_MOST, given ? 0 : 1536);
  c->kv_rank = count_key(json, "kv_lora_rank", 512);
  c->rope_size = count_key(json, "qk_rope_head_dim", 64);
  c->head_size = count_key(json, "qk_nope_head_dim", 128) + c->rope_size;
  c->value_size = count_key(json, "v_head_dim", 128);
  c->rope_pairs = bool_key(json, "rope_interleave", true);
  only_size(json, "head_dim", c->rope_size);
  only_size(json, "qk_head_dim", c->head_size);
  c->qkv_bias = c->o_bias = bool_key(json, "attention_bias", class->bias);
}

static void read_experts(struct model_json *json, const struct model_class *class, struct model_config *c) {
  json_t *experts = model_json_take_either(json, "num_local_experts", "num_experts");
  if (!experts)
    model_json_refuse(json, DUPLEX_ERROR_FORMAT, "num_local_experts",
                      "is missing: expected an integer from 1 to %u", MODEL_EXPERTS_MOST);
  c->experts = (unsigned)model_json_integer(json, "num_local_experts", experts, 1, MODEL_EXPERTS_MOST, 1);
  c->chosen = (unsigned)size_key(json, "num_experts_per_tok", MODEL_EXPERTS_MOST, 0);
  c->expert_inner = c->architecture == MODEL_QWEN3_MOE
                        ? (unsigned)size_key(json, "moe_intermediate_size", MODEL_SIZE_MOST, 0)
                        : c->inner;
  c->score = class->score;
  c->renormalise = class->always_renormalises && !class->gpt_oss;
  if (!class->always_renormalises && !class->multipliers)
    c->renormalise = bool_key(json, "norm_topk_prob", false);
}

static void read_multipliers(struct model_json *json, struct model_config *c) {
  c->attention_scale = real_key(json, "attention_multiplier", 1);
  c->embedding_scale = real_key(json, "embedding_multiplier", 1);
  c->residual_scale = real_key(json, "residual_multiplier", 1);
  c->logits_divisor = real_key(json, "logits_scaling", 1);
  if (c->attention_scale == 0)
    model_json_refuse(json, DUPLEX_ERROR_FORMAT, "attention_multiplier", "is wrong: expected more than 0");
}

static void read_gpt_oss(struct model_json *json, struct model_config *c) {
  c->sinks = c->router_bias = c->ffn_bias = true;
  c->gate_limit = real_key(json, "swiglu_limit", 7);
  c->gate_slope = real_key(json, "swiglu_alpha", 1.702);
  if (c->gate_limit == 0)
    model_json_refuse(json, DUPLEX_ERROR_FORMAT, "swiglu_limit", "is wrong: expected more than 0");
  if (size_key(json, "experts_per_token", MODEL_EXPERTS_MOST, c->chosen) != c->chosen)
    model_json_refuse(json, DUPLEX_ERROR_FORMAT, "experts_per_token",
                      "differs from num_experts_per_tok: expected one value");
  model_json_take(json, "initial_context_length");  // what RoPE has as its original positions counts
}

// The layers named in mlp_only_layers are dense.
static void read_dense_layers(struct model_json *json, json_t *list, struct model_config *c) {
  size_t index;
  json_t *value;
  if (list && !json_is_array(list))
    model_json_refuse(json, DUPLEX_ERROR_FORMAT, "mlp_only_layers", "is wrong: expected a list of layers");
  if (json->status || !list) return;
  json_array_foreach(list, index, value) {
    const uint64_t layer = model_json_integer(json, "mlp_only_layers", value, 0, c->layers - 1, 0);
    if (!json->status) c->layer[layer].sparse = false;
  }
}

// One word a layer. A class without a key for the first sliding layer has all layers alike, whatever the
// words.
static void read_layer_types(struct model_json *json, const struct model_class *class, json_t *list,
                             struct model_config *c) {
  if (json->status || !list) return;
  if (!json_is_array(list) || json_array_size(list) != c->layers)
    model_json_refuse(json, DUPLEX_ERROR_FORMAT, "layer_types", "is wrong: expected a word for each layer");
  for (unsigned i = 0; i < c->layers && !json->status; i++) {
    const char *type = model_json_string(json, "layer_types", json_array_get(list, i), "");
    const bool sliding = strcmp(type, "sliding_attention") == 0;
    if (!sliding && strcmp(type, "full_attention") != 0)
      model_json_refuse(json, DUPLEX_ERROR_NOT_AVAILABLE,
                        "layer_types:", "'%.64s' is not there: expected sliding_attention or full_attention",
                        type);
    if (sliding && !c->sliding_window)
      model_json_refuse(json, DUPLEX_ERROR_FORMAT, "layer_types",
                        "has sliding layers without a window: expected sliding_window with them");
    if (sliding != c->layer[i].sliding && !class->has_first_window_key)
      model_json_refuse(json, DUPLEX_ERROR_NOT_AVAILABLE, "layer_types",
                        "of both kinds are not there: expected one kind for all layers");
    c->layer[i].sliding = sliding;
  }
}

static void read_window(struct model_json *json, const struct model_class *class, struct model_config *c) {
  if (!class->has_sliding_key) return;
  const bool given = json_object_get(json->left, "sliding_window") != NULL;
  c->sliding_window =
      (unsigned)model_json_integer(json, "sliding_window", model_json_take(json, "sliding_window"), 1,
                                   UINT32_MAX, given ? 0 : class->sliding_window);
  if (class->has_use_sliding_key && !bool_key(json, "use_sliding_window", false)) c->sliding_window = 0;
}

// Which layers are sparse and which slide.
static void read_layers(struct model_json *json, const struct model_class *class, struct model_config *c) {
  const bool steps = c->architecture == MODEL_QWEN3_MOE;
  const unsigned dense_first =
      class->latent ? (unsigned)model_json_integer(json, "first_k_dense_replace",
                                                   model_json_take_value(json, "first_k_dense_replace"), 0,
                                                   MODEL_SIZE_MOST, 3)
                    : 0;
  const unsigned step = steps ? (unsigned)size_key(json, "decoder_sparse_step", MODEL_LAYERS_MOST, 1) : 1;
  json_t *dense = steps ? model_json_take(json, "mlp_only_layers") : NULL;
  const uint64_t first =
      class->has_use_sliding_key
          ? model_json_integer(json, "max_window_layers", model_json_take(json, "max_window_layers"), 0,
                               MODEL_SIZE_MOST, 28)
          : 0;
  if (json->status) return;
  json->status = model_config_layers(c, step, json->error);
  if (json->status) return;
  read_dense_layers(json, dense, c);
  for (unsigned i = 0; i < dense_first && i < c->layers; i++) c->layer[i].sparse = false;
  for (unsigned i = 1; class->gpt_oss && i < c->layers; i += 2) c->layer[i].sliding = false;
  for (unsigned i = 0; class->has_first_window_key && i < c->layers && i < first; i++)
    c->layer[i].sliding = false;
  read_layer_types(json, class, model_json_take(json, "layer_types"), c);
}

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

static void read_attention(struct model_json *json, const struct model_class *class, struct model_config *c) {
  c->heads = (unsigned)size_key(json, "num_attention_heads", MODEL_SIZE_MOST, 0);
  const bool given = json_object_get(json->left, "num_key_value_heads") != NULL;
  const unsigned kv_heads = given || !class->kv_heads ? c->heads : class->kv_heads;
  c->kv_heads =
      (unsigned)model_json_integer(json, "num_key_value_heads", model_json_take(json, "num_key_value_heads"),
                                   1, MODEL_SIZE_MOST, kv_heads ? kv_heads : 1);
  read_head_size(json, class, c);
  c->value_size = c->head_size;
  c->qk_norm = class->qk_norm;
  if (class->has_ffn_bias_key) c->ffn_bias = bool_key(json, "mlp_bias", false);
  if (class->has_limit_key) c->qkv_limit = limit_key(json, "clip_qkv");
  if (class->has_bias_key) c->qkv_bias = c->o_bias = bool_key(json, "attention_bias", class->bias);
}

// Reads all keys of config.json; the first fault is kept, and a key that nobody reads is one.
static void read_all(struct model_json *json, struct model_config *c) {
  c->architecture = read_architecture(json);
  const struct model_class *class = &model_classes[c->architecture];
  c->embedding_scale = c->residual_scale = c->logits_divisor = 1;
  c->layers = (unsigned)size_key(json, "num_hidden_layers", MODEL_LAYERS_MOST, 0);
  c->hidden = (unsigned)size_key(json, "hidden_size", MODEL_SIZE_MOST, 0);
  c->vocabulary = (unsigned)size_key(json, "vocab_size", MODEL_SIZE_MOST, 0);
  c->positions = (unsigned)size_key(json, "max_position_embeddings", UINT32_MAX, 0);
  c->inner = (unsigned)size_key(json, "intermediate_size", MODEL_SIZE_MOST, 0);
  c->act = read_act_of(json, class);
  c->norm_epsilon = real_key(json, "rms_norm_eps", class->epsilon);
  c->tied_embeddings = bool_key(json, "tie_word_embeddings", false);
  if (class->latent) {
    read_latent_attention(json, class, c);
    read_grouped_experts(json, c);
  } else {
    read_attention(json, class, c);
    if (class->experts) read_experts(json, class, c);
  }
  read_window(json, class, c);
  if (class->multipliers) read_multipliers(json, c);
  if (class->gpt_oss) read_gpt_oss(json, c);
  read_begin_token(json, class, c);
  read_end_tokens(json, c);
  read_rope(json, class, c);
  read_layers(json, class, c);
  refuse_what_is_left(json);
}

// Whether the outer one of two different values of a key may stand: the names of classes around a text model
// are those of the whole, which is none that is there.
static bool may_differ(const char *key, const json_t *outer) {
  if (strcmp(key, "model_type") == 0)
    return of_type(json_is_string(outer) ? json_string_value(outer) : "") == MODEL_ARCHITECTURES;
  return strcmp(key, "architectures") == 0 || is_harmless(key);
}

// Puts the keys of text_config beside those around it. Where both have a key they have to agree, but for the
// names of the classes: of `architectures` the outer one counts, of `model_type` that of the text model.
static json_t *join_text_config(json_t *root, const char *path, struct model_error *error) {
  json_t *text = json_object_get(root, "text_config");
  json_t *all = json_copy(root);
  const char *key;
  json_t *value;
  if (!all) model_no_memory(error);
  if (!all || !json_is_object(text)) return all;
  json_object_del(all, "text_config");
  json_object_foreach(text, key, value) {
    json_t *outer = json_object_get(all, key);
    if (outer && !json_equal(outer, value) && !may_differ(key, outer)) {
      model_fail(error, DUPLEX_ERROR_FORMAT, "%s: %s differs from text_config.%s: expected one value", path,
                 key, key);
      json_decref(all);
      return NULL;
    }
    if ((!outer || strcmp(key, "architectures") != 0) && json_object_set(all, key, value) != 0) {
      model_no_memory(error);
      json_decref(all);
      return NULL;
    }
  }
  return all;
}

int model_config_read(const char *text, size_t size, const char *path, struct model_config *config,
                      struct model_error *error) {
  *config = (struct model_config){0};
  json_t *root = model_json_parse(text, size, path, error);
  if (!root) return DUPLEX_ERROR_FORMAT;
  json_t *object = join_text_config(root, path, error);
  int status = DUPLEX_ERROR_FORMAT;
  if (object) {
    struct model_json json = model_json_open(object, path, "", error);
    if (!json.status) read_all(&json, config);
    status = json.status;
    model_json_close(&json);
  }
  json_decref(object);
  json_decref(root);
  if (!status) status = model_config_check(config, path, error);
  if (status) model_config_free(config);
  return status;
}

int model_config_read_generation(const char *text, size_t size, const char *path, struct model_config *config,
                                 struct model_error *error) {
  json_t *root = model_json_parse(text, size, path, error);
  if (!root) return DUPLEX_ERROR_FORMAT;
  struct model_json json = model_json_open(root, path, "", error);
  if (!json.status) read_end_tokens(&json, config);
  const int status = json.status;
  model_json_close(&json);
  json_decref(root);
  return status;
}
