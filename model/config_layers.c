// SPDX-License-Identifier: Apache-2.0
// Keys of config.json by which layers differ: which have experts, and which slide.
#include "model/config_layers.h"

#include <string.h>

#include "model/config_keys.h"

void model_config_read_window(struct model_json *json, const struct model_class *class,
                              struct model_config *c) {
  if (!class->has_sliding_key) return;
  const bool given = json_object_get(json->left, "sliding_window") != NULL;
  c->sliding_window =
      (unsigned)model_json_integer(json, "sliding_window", model_json_take(json, "sliding_window"), 1,
                                   UINT32_MAX, given ? 0 : class->sliding_window);
  if (class->has_use_sliding_key && !model_key_bool(json, "use_sliding_window", false)) c->sliding_window = 0;
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

// Which layers are sparse and which slide.
void model_config_read_layers(struct model_json *json, const struct model_class *class,
                              struct model_config *c) {
  const bool steps = c->architecture == MODEL_QWEN3_MOE;
  const unsigned dense_first =
      class->latent ? (unsigned)model_json_integer(json, "first_k_dense_replace",
                                                   model_json_take_value(json, "first_k_dense_replace"), 0,
                                                   MODEL_SIZE_MOST, 3)
                    : 0;
  const unsigned step =
      steps ? (unsigned)model_key_size(json, "decoder_sparse_step", MODEL_LAYERS_MOST, 1) : 1;
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
