// SPDX-License-Identifier: Apache-2.0
// Models: files of the project's own keys, and Hugging Face's config.json.
#include "serving/model.h"

#include "duplex/error.h"
#include "serving/config_file.h"

#define SIZE_MOST 1048576
#define DEVICES_MOST 1024

double model_expert_weights(const struct serving_model *m) {
  return (double)m->matrices * m->hidden * m->inner;
}

// Attention and router of all layers, dense feed-forwards, shared experts, embedding and LM head.
double model_other_weights(const struct serving_model *m) {
  const double attention = (double)m->hidden * m->head_size * (2.0 * m->heads + 2.0 * m->kv_heads);
  const double moe = model_moe_layers(m);
  const double dense = (double)m->matrices * m->hidden * m->dense_inner * (m->layers - moe);
  const double shared = moe * (m->shared_experts * model_expert_weights(m) + (double)m->hidden * m->experts);
  return m->layers * attention + dense + shared + 2.0 * m->hidden * m->vocabulary;
}

double model_kv_bytes(const struct serving_model *m) {
  return 2.0 * 2.0 * m->kv_heads * m->head_size * m->layers;
}

// Reads a model by this project's keys; docs/serving.md lists them.
static int own_keys(const struct config_file *file, struct serving_model *m) {
  const struct config_field fields[] = {
      {"layers", CONFIG_WHOLE, true, &m->layers, 1, 1024, NULL},
      {"hidden", CONFIG_WHOLE, true, &m->hidden, 1, 65536, NULL},
      {"inner", CONFIG_WHOLE, true, &m->inner, 1, SIZE_MOST, NULL},
      {"dense_inner", CONFIG_WHOLE, false, &m->dense_inner, 1, SIZE_MOST, NULL},
      {"heads", CONFIG_WHOLE, true, &m->heads, 1, 1024, NULL},
      {"kv_heads", CONFIG_WHOLE, true, &m->kv_heads, 1, 1024, NULL},
      {"head_size", CONFIG_WHOLE, true, &m->head_size, 1, 1024, NULL},
      {"vocabulary", CONFIG_WHOLE, true, &m->vocabulary, 1, 1 << 24, NULL},
      {"experts", CONFIG_WHOLE, false, &m->experts, 0, 4096, NULL},
      {"top_k", CONFIG_WHOLE, false, &m->top_k, 1, 64, NULL},
      {"shared_experts", CONFIG_WHOLE, false, &m->shared_experts, 0, 64, NULL},
      {"moe_every", CONFIG_WHOLE, false, &m->moe_every, 1, 1024, NULL},
      {"matrices", CONFIG_WHOLE, false, &m->matrices, 2, 3, NULL},
      {"weight_bits", CONFIG_WHOLE, false, &m->weight_bits, 4, 16, NULL},
      {"nodes", CONFIG_WHOLE, false, &m->nodes, 1, DEVICES_MOST, NULL},
      {"devices", CONFIG_WHOLE, false, &m->devices, 1, DEVICES_MOST, NULL},
      {0}};
  return config_fields(file, "", file->root, fields, false);
}

// The first of several keys that is there, as Hugging Face's models differ in them.
static const char *first_key(json_t *object, const char *const *keys) {
  for (; keys[1]; keys++)
    if (json_is_integer(json_object_get(object, *keys))) return *keys;
  return *keys;
}

// Reads a model by the keys of a Hugging Face config.json, of which all others are passed over.
static int hugging_face_keys(const struct config_file *file, struct serving_model *m) {
  static const char *const experts[] = {"num_local_experts", "num_experts", "n_routed_experts", NULL};
  static const char *const inner[] = {"moe_intermediate_size", "intermediate_size", NULL};
  json_t *root = file->root;
  const struct config_field fields[] = {
      {"num_hidden_layers", CONFIG_WHOLE, true, &m->layers, 1, 1024, NULL},
      {"hidden_size", CONFIG_WHOLE, true, &m->hidden, 1, 65536, NULL},
      {first_key(root, inner), CONFIG_WHOLE, true, &m->inner, 1, SIZE_MOST, NULL},
      {"intermediate_size", CONFIG_WHOLE, false, &m->dense_inner, 1, SIZE_MOST, NULL},
      {"num_attention_heads", CONFIG_WHOLE, true, &m->heads, 1, 1024, NULL},
      {"num_key_value_heads", CONFIG_WHOLE, false, &m->kv_heads, 1, 1024, NULL},
      {"vocab_size", CONFIG_WHOLE, true, &m->vocabulary, 1, 1 << 24, NULL},
      {first_key(root, experts), CONFIG_WHOLE, false, &m->experts, 0, 4096, NULL},
      {"num_experts_per_tok", CONFIG_WHOLE, false, &m->top_k, 1, 64, NULL},
      {"n_shared_experts", CONFIG_WHOLE, false, &m->shared_experts, 0, 64, NULL},
      {0}};
  int error = config_fields(file, "", root, fields, true);
  if (error) return error;
  if (!m->kv_heads) m->kv_heads = m->heads;
  m->head_size = m->hidden / m->heads ? m->hidden / m->heads : 1;
  const struct config_field head[] = {{"head_dim", CONFIG_WHOLE, false, &m->head_size, 1, 1024, NULL}, {0}};
  return json_is_null(json_object_get(root, "head_dim")) ? DUPLEX_OK
                                                         : config_fields(file, "", root, head, true);
}

static int check_model(const struct config_file *file, const struct serving_model *m) {
  if (m->heads % m->kv_heads)
    return config_refuse(file, "kv_heads", "is %u, expected a divisor of heads, %u", m->kv_heads, m->heads);
  if (m->experts && m->top_k > m->experts)
    return config_refuse(file, "top_k", "is %u, expected at most experts, %u", m->top_k, m->experts);
  if (m->weight_bits != 4 && m->weight_bits != 8 && m->weight_bits != 16)
    return config_refuse(file, "weight_bits", "is %u, expected 4, 8 or 16", m->weight_bits);
  if (m->experts && m->layers % m->moe_every)
    return config_refuse(file, "moe_every", "is %u, expected a divisor of layers, %u", m->moe_every,
                         m->layers);
  return DUPLEX_OK;
}

int serving_model_read(struct serving_model *model, const char *name, char *error, size_t size) {
  struct config_file file;
  *model = (struct serving_model){
      .top_k = 2, .moe_every = 1, .matrices = 3, .weight_bits = 16, .nodes = 1, .devices = 4};
  int status = config_open(&file, "models", name, error, size);
  if (!status)
    status = json_object_get(file.root, "num_hidden_layers") ? hugging_face_keys(&file, model)
                                                             : own_keys(&file, model);
  if (!model->dense_inner) model->dense_inner = model->inner;
  if (!status) status = check_model(&file, model);
  config_close(&file);
  return status;
}
