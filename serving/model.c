// SPDX-License-Identifier: Apache-2.0
// Models: files of the project's own keys, or of Hugging Face's.
#include "serving/model.h"

#include "duplex/error.h"
#include "serving/config_file.h"
#include "serving/hugging_face.h"
#include "serving/model_shapes.h"

#define DEVICES_MOST 1024

double model_expert_weights(const struct serving_model *m) {
  return (double)m->matrices * m->hidden * m->inner;
}

// Of a layer.
static double attention_weights(const struct serving_model *m) {
  const struct serving_latent *l = &m->latent;
  const double hidden = m->hidden;
  if (!l->kv_rank) return hidden * m->head_size * (2.0 * m->heads + 2.0 * m->kv_heads);
  const double q = l->q_rank ? l->q_rank * (hidden + (double)m->heads * l->key) : hidden * m->heads * l->key;
  const double kv = (double)l->kv_rank * m->heads * (l->key - l->rope + l->value);
  return q + kv + hidden * (l->kv_rank + l->rope) + hidden * m->heads * l->value;
}

// Attention and router of all layers, dense feed-forwards, shared experts, embedding and LM head.
double model_other_weights(const struct serving_model *m) {
  const double moe = model_moe_layers(m);
  const double dense = (double)m->matrices * m->hidden * m->dense_inner * (m->layers - moe);
  const double shared = moe * (m->shared_experts * model_expert_weights(m) + (double)m->hidden * m->experts);
  return m->layers * attention_weights(m) + dense + shared + 2.0 * m->hidden * m->vocabulary;
}

double model_kv_bytes(const struct serving_model *m) {
  return 2.0 * 2.0 * m->kv_heads * m->head_size * m->layers;
}

// What only experts have is refused without them.
static int refuse_of_experts(const struct config_file *file) {
  static const char *const keys[] = {"top_k", "shared_experts", "dense_layers", "moe_every"};
  for (unsigned i = 0; i < sizeof keys / sizeof *keys; i++)
    if (json_object_get(file->root, keys[i]))
      return config_refuse(file, keys[i], "is of experts, expected the key experts with it");
  return DUPLEX_OK;
}

// Reads a model by this project's keys; docs/serving.md lists them.
static int own_keys(const struct config_file *file, struct serving_model *m) {
  static const char *const bits[] = {"4", "8", "16", NULL};
  const struct config_field fields[] = {
      {"layers", CONFIG_WHOLE, true, &m->layers, 1, SERVING_LAYERS_MOST, NULL},
      {"hidden", CONFIG_WHOLE, true, &m->hidden, 1, SERVING_HIDDEN_MOST, NULL},
      {"inner", CONFIG_WHOLE, true, &m->inner, 1, SERVING_INNER_MOST, NULL},
      {"dense_inner", CONFIG_WHOLE, false, &m->dense_inner, 1, SERVING_INNER_MOST, NULL},
      {"heads", CONFIG_WHOLE, true, &m->heads, 1, SERVING_HEADS_MOST, NULL},
      {"kv_heads", CONFIG_WHOLE, true, &m->kv_heads, 1, SERVING_HEADS_MOST, NULL},
      {"head_size", CONFIG_WHOLE, true, &m->head_size, 1, SERVING_HEADS_MOST, NULL},
      {"vocabulary", CONFIG_WHOLE, true, &m->vocabulary, 1, 1 << 24, NULL},
      {"experts", CONFIG_WHOLE, false, &m->experts, 0, 4096, NULL},
      {"top_k", CONFIG_WHOLE, false, &m->top_k, 1, SERVING_CHOSEN_MOST, NULL},
      {"shared_experts", CONFIG_WHOLE, false, &m->shared_experts, 0, 64, NULL},
      {"dense_layers", CONFIG_WHOLE, false, &m->dense_layers, 0, SERVING_LAYERS_MOST, NULL},
      {"moe_every", CONFIG_WHOLE, false, &m->moe_every, 1, 1024, NULL},
      {"matrices", CONFIG_WHOLE, false, &m->matrices, 2, 3, NULL},
      {"weight_bits", CONFIG_AMONG, false, &m->weight_bits, 0, 0, bits},
      {"nodes", CONFIG_WHOLE, false, &m->nodes, 1, DEVICES_MOST, NULL},
      {"devices", CONFIG_WHOLE, false, &m->devices, 1, DEVICES_MOST, NULL},
      {0}};
  const int error = config_fields(file, "", file->root, fields, false);
  return error || m->experts ? error : refuse_of_experts(file);
}

// What has to come out even, told by the keys that the file has.
static int check_model(const struct config_file *file, const struct serving_model *m) {
  const bool foreign = model_shapes_are(file);
  if (m->heads % m->kv_heads)
    return config_refuse(file, foreign ? "num_key_value_heads" : "kv_heads",
                         "is %u, expected a divisor of %s, %u", m->kv_heads,
                         foreign ? "num_attention_heads" : "heads", m->heads);
  if (m->experts && m->top_k > m->experts)
    return config_refuse(file, foreign ? "num_experts_per_tok" : "top_k",
                         "is %u, expected at most the experts, %u", m->top_k, m->experts);
  if (m->experts && m->dense_layers >= m->layers)
    return config_refuse(file, foreign ? "first_k_dense_replace" : "dense_layers",
                         "is %u, expected fewer than all layers, %u", m->dense_layers, m->layers);
  if (m->experts && (m->layers - m->dense_layers) % m->moe_every)
    return config_refuse(file, foreign ? "moe_layer_freq" : "moe_every",
                         "is %u, expected a divisor of the layers behind dense ones, %u", m->moe_every,
                         m->layers - m->dense_layers);
  return DUPLEX_OK;
}

static int read_keys(const struct config_file *file, struct serving_model *m) {
  if (model_shapes_are(file)) return model_shapes_read(file, m);
  return hugging_face_is(file) ? hugging_face_read(file, m) : own_keys(file, m);
}

int serving_model_read(struct serving_model *model, const char *name, char *error, size_t size) {
  struct config_file file;
  *model = (struct serving_model){
      .top_k = 2, .moe_every = 1, .matrices = 3, .weight_bits = 16, .nodes = 1, .devices = 4};
  int status = config_open(&file, "models", name, error, size);
  if (!status) status = read_keys(&file, model);
  if (!model->dense_inner) model->dense_inner = model->inner;
  if (!status) status = check_model(&file, model);
  config_close(&file);
  return status;
}
