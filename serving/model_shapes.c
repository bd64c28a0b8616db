// SPDX-License-Identifier: Apache-2.0
// Shapes of models with experts beside shared ones: the keys of DeepSeek's and Qwen2-MoE's classes.
#include "serving/model_shapes.h"

#include <stdio.h>
#include <string.h>

#include "duplex/error.h"
#include "model/config.h"

enum kind { DEEPSEEK, DEEPSEEK_LATENT, QWEN2_MOE };

static const struct shapes {
  const char *name, *model_type;
  enum kind kind;
} known[] = {{"DeepseekForCausalLM", "deepseek", DEEPSEEK},
             {"DeepseekV2ForCausalLM", "deepseek_v2", DEEPSEEK_LATENT},
             {"DeepseekV3ForCausalLM", "deepseek_v3", DEEPSEEK_LATENT},
             {"Qwen2MoeForCausalLM", "qwen2_moe", QWEN2_MOE}};
#define KNOWN (sizeof known / sizeof *known)

// By the name of the class or, without one, by the type; NULL: another model.
static const struct shapes *find(const struct config_file *file) {
  const char *name = json_string_value(json_array_get(json_object_get(file->root, "architectures"), 0));
  const char *type = json_string_value(json_object_get(file->root, "model_type"));
  for (size_t i = 0; i < KNOWN; i++)
    if (name ? strcmp(name, known[i].name) == 0 : type && strcmp(type, known[i].model_type) == 0)
      return &known[i];
  return NULL;
}

bool model_shapes_are(const struct config_file *file) { return find(file) != NULL; }

// Keys that stand as null are those that are not there.
static void drop_nulls(json_t *object) {
  const char *key;
  json_t *value;
  void *next;
  json_object_foreach_safe(object, next, key, value) {
    if (json_is_null(value)) json_object_del(object, key);
  }
}

// Weights of 8 or 4 bits: those of `quant_method` fp8, or `bits`.
static int read_bits(const struct config_file *file, struct serving_model *m) {
  json_t *how = json_object_get(file->root, "quantization_config");
  const char *method = json_string_value(json_object_get(how, "quant_method"));
  if (!how) return DUPLEX_OK;
  if (method && strcmp(method, "fp8") == 0) {
    m->weight_bits = 8;
    return DUPLEX_OK;
  }
  const json_int_t bits = json_integer_value(json_object_get(how, "bits"));
  if (bits != 4 && bits != 8)
    return config_refuse(file, "quantization_config", "expected quant_method fp8, or bits 4 or 8");
  m->weight_bits = (unsigned)bits;
  return DUPLEX_OK;
}

// What all have.
static int read_common(const struct config_file *file, struct serving_model *m) {
  const struct config_field fields[] = {
      {"num_hidden_layers", CONFIG_WHOLE, true, &m->layers, 1, SERVING_LAYERS_MOST, NULL},
      {"hidden_size", CONFIG_WHOLE, true, &m->hidden, 1, SERVING_HIDDEN_MOST, NULL},
      {"intermediate_size", CONFIG_WHOLE, true, &m->dense_inner, 1, SERVING_INNER_MOST, NULL},
      {"moe_intermediate_size", CONFIG_WHOLE, true, &m->inner, 1, SERVING_INNER_MOST, NULL},
      {"num_attention_heads", CONFIG_WHOLE, true, &m->heads, 1, SERVING_HEADS_MOST, NULL},
      {"num_key_value_heads", CONFIG_WHOLE, false, &m->kv_heads, 1, SERVING_HEADS_MOST, NULL},
      {"head_dim", CONFIG_WHOLE, false, &m->head_size, 1, SERVING_HEADS_MOST, NULL},
      {"num_experts_per_tok", CONFIG_WHOLE, true, &m->top_k, 1, SERVING_CHOSEN_MOST, NULL},
      {"vocab_size", CONFIG_WHOLE, true, &m->vocabulary, 1, 1 << 24, NULL},
      {0}};
  const int error = config_fields(file, "", file->root, fields, true);
  if (!m->kv_heads) m->kv_heads = m->heads;
  if (!error && !m->head_size) m->head_size = m->hidden / m->heads;
  if (!error && m->head_size == 0)
    return config_refuse(file, "num_attention_heads", "is %u, expected at most hidden_size", m->heads);
  return error ? error : read_bits(file, m);
}

static int read_deepseek(const struct config_file *file, struct serving_model *m) {
  const struct config_field fields[] = {
      {"n_routed_experts", CONFIG_WHOLE, true, &m->experts, 1, 4096, NULL},
      {"n_shared_experts", CONFIG_WHOLE, false, &m->shared_experts, 0, 64, NULL},
      {"first_k_dense_replace", CONFIG_WHOLE, false, &m->dense_layers, 0, SERVING_LAYERS_MOST, NULL},
      {"moe_layer_freq", CONFIG_WHOLE, false, &m->moe_every, 1, 1024, NULL},
      {0}};
  return config_fields(file, "", file->root, fields, true);
}

// Latent attention, with whole keys and values in the cache, as a device has them: the values of a key and of
// a value are those of two heads of the mean size.
static int read_latent(const struct config_file *file, struct serving_model *m) {
  struct serving_latent *l = &m->latent;
  unsigned without = 0;  // of a head of q and k: what is not rotated
  const struct config_field fields[] = {
      {"q_lora_rank", CONFIG_WHOLE, false, &l->q_rank, 1, SERVING_HIDDEN_MOST, NULL},
      {"kv_lora_rank", CONFIG_WHOLE, true, &l->kv_rank, 1, SERVING_HIDDEN_MOST, NULL},
      {"qk_rope_head_dim", CONFIG_WHOLE, true, &l->rope, 1, SERVING_HEADS_MOST / 2, NULL},
      {"qk_nope_head_dim", CONFIG_WHOLE, true, &without, 1, SERVING_HEADS_MOST / 2, NULL},
      {"v_head_dim", CONFIG_WHOLE, true, &l->value, 1, SERVING_HEADS_MOST, NULL},
      {0}};
  const int error = config_fields(file, "", file->root, fields, true);
  l->key = without + l->rope;
  if (!error && (l->key + l->value) % 2)
    return config_refuse(file, "v_head_dim", "is %u beside keys of %u, expected an even sum", l->value,
                         l->key);
  m->head_size = (l->key + l->value) / 2;
  m->kv_heads = m->heads;
  return error;
}

static int refuse_dense_layers(const struct config_file *file, const struct serving_model *m) {
  return config_refuse(file, "mlp_only_layers",
                       "is not as it must be, expected a list of layers from 0 to %u", m->layers - 1);
}

// Takes the experts from the layers that mlp_only_layers names.
static int clear_dense_layers(const struct config_file *file, const struct serving_model *m,
                              struct model_layer *layer) {
  json_t *list = json_object_get(file->root, "mlp_only_layers");
  size_t i;
  json_t *value;
  if (list && !json_is_array(list)) return refuse_dense_layers(file, m);
  json_array_foreach(list, i, value) {
    const json_int_t dense = json_is_integer(value) ? json_integer_value(value) : -1;
    if (dense < 0 || dense >= m->layers) return refuse_dense_layers(file, m);
    layer[dense].sparse = false;
  }
  return DUPLEX_OK;
}

// Counts the dense layers of Qwen2-MoE, by the rule of a run of Qwen3-MoE. Without any other it is a dense
// model.
static int count_dense_layers(const struct config_file *file, unsigned step, struct serving_model *m) {
  struct model_config config = {.layers = m->layers, .experts = m->experts};
  struct model_error wrong;
  int error = model_config_layers(&config, step, &wrong);
  if (error)
    snprintf(file->error, file->size, "%s", wrong.text);
  else
    error = clear_dense_layers(file, m, config.layer);
  if (!error) m->dense_layers = m->layers - model_config_sparse_layers(&config);
  if (m->dense_layers == m->layers) {
    m->experts = m->shared_experts = m->dense_layers = 0;
    m->inner = m->dense_inner;
  }
  model_config_free(&config);
  return error;
}

// A shared expert of Qwen2-MoE is as large as several others.
static int read_qwen2(const struct config_file *file, struct serving_model *m) {
  bool sliding = false;
  unsigned shared = 0;
  unsigned step = 1;
  const struct config_field fields[] = {
      {"num_experts", CONFIG_WHOLE, true, &m->experts, 1, 4096, NULL},
      {"shared_expert_intermediate_size", CONFIG_WHOLE, true, &shared, 0, SERVING_INNER_MOST, NULL},
      {"decoder_sparse_step", CONFIG_WHOLE, false, &step, 1, MODEL_LAYERS_MOST, NULL},
      {"use_sliding_window", CONFIG_FLAG, false, &sliding, 0, 0, NULL},
      {0}};
  const int error = config_fields(file, "", file->root, fields, true);
  if (error) return error;
  if (sliding)
    return config_refuse(file, "use_sliding_window", "is true, expected attention to all positions");
  if (shared % m->inner)
    return config_refuse(file, "shared_expert_intermediate_size",
                         "is %u, expected a multiple of moe_intermediate_size, %u", shared, m->inner);
  m->shared_experts = shared / m->inner;
  return count_dense_layers(file, step, m);
}

int model_shapes_read(const struct config_file *file, struct serving_model *m) {
  const enum kind kind = find(file)->kind;
  drop_nulls(file->root);
  int error = read_common(file, m);
  if (!error) error = kind == QWEN2_MOE ? read_qwen2(file, m) : read_deepseek(file, m);
  if (!error && kind == DEEPSEEK_LATENT) error = read_latent(file, m);
  return error;
}
