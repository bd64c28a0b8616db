// SPDX-License-Identifier: Apache-2.0
// config.json of Hugging Face, in both dialects: every key is used, known to change no result, or refused.
#include <string.h>

#include "model/config_attention.h"
#include "model/config_classes.h"
#include "model/config_experts.h"
#include "model/config_keys.h"
#include "model/config_layers.h"
#include "model/config_rope.h"
#include "model/config_tokens.h"
#include "model/config_unknown.h"
#include "model/json.h"

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

static void read_multipliers(struct model_json *json, struct model_config *c) {
  c->attention_scale = model_key_real(json, "attention_multiplier", 1);
  c->embedding_scale = model_key_real(json, "embedding_multiplier", 1);
  c->residual_scale = model_key_real(json, "residual_multiplier", 1);
  c->logits_divisor = model_key_real(json, "logits_scaling", 1);
  if (c->attention_scale == 0)
    model_json_refuse(json, DUPLEX_ERROR_FORMAT, "attention_multiplier", "is wrong: expected more than 0");
}

static void read_gpt_oss(struct model_json *json, struct model_config *c) {
  c->sinks = c->router_bias = c->ffn_bias = true;
  c->gate_limit = model_key_real(json, "swiglu_limit", 7);
  c->gate_slope = model_key_real(json, "swiglu_alpha", 1.702);
  if (c->gate_limit == 0)
    model_json_refuse(json, DUPLEX_ERROR_FORMAT, "swiglu_limit", "is wrong: expected more than 0");
  if (model_key_size(json, "experts_per_token", MODEL_EXPERTS_MOST, c->chosen) != c->chosen)
    model_json_refuse(json, DUPLEX_ERROR_FORMAT, "experts_per_token",
                      "differs from num_experts_per_tok: expected one value");
  model_json_take(json, "initial_context_length");  // what RoPE has as its original positions counts
}

// Reads all keys of config.json; the first fault is kept, and a key that nobody reads is one.
static void read_all(struct model_json *json, struct model_config *c) {
  c->architecture = read_architecture(json);
  const struct model_class *class = &model_classes[c->architecture];
  c->embedding_scale = c->residual_scale = c->logits_divisor = 1;
  c->layers = (unsigned)model_key_size(json, "num_hidden_layers", MODEL_LAYERS_MOST, 0);
  c->hidden = (unsigned)model_key_size(json, "hidden_size", MODEL_SIZE_MOST, 0);
  c->vocabulary = (unsigned)model_key_size(json, "vocab_size", MODEL_SIZE_MOST, 0);
  c->positions = (unsigned)model_key_size(json, "max_position_embeddings", UINT32_MAX, 0);
  c->inner = (unsigned)model_key_size(json, "intermediate_size", MODEL_SIZE_MOST, 0);
  c->act = read_act_of(json, class);
  c->norm_epsilon = model_key_real(json, "rms_norm_eps", class->epsilon);
  c->tied_embeddings = model_key_bool(json, "tie_word_embeddings", false);
  if (class->latent) {
    model_config_read_latent(json, class, c);
    model_config_read_grouped_experts(json, c);
  } else {
    model_config_read_attention(json, class, c);
    if (class->experts) model_config_read_experts(json, class, c);
  }
  model_config_read_window(json, class, c);
  if (class->multipliers) read_multipliers(json, c);
  if (class->gpt_oss) read_gpt_oss(json, c);
  model_config_read_begin_token(json, class, c);
  model_config_read_end_tokens(json, c);
  model_config_read_rope(json, class, c);
  model_config_read_layers(json, class, c);
  model_refuse_unknown(json);
}

// Whether the outer one of two different values of a key may stand: the names of classes around a text model
// are those of the whole, which is none that is there.
static bool may_differ(const char *key, const json_t *outer) {
  if (strcmp(key, "model_type") == 0)
    return of_type(json_is_string(outer) ? json_string_value(outer) : "") == MODEL_ARCHITECTURES;
  return strcmp(key, "architectures") == 0 || model_key_is_harmless(key);
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
  json_t *root = model_json_parse_file(text, size, path, error);
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
  json_t *root = model_json_parse_file(text, size, path, error);
  if (!root) return DUPLEX_ERROR_FORMAT;
  struct model_json json = model_json_open(root, path, "", error);
  if (!json.status) model_config_read_end_tokens(&json, config);
  const int status = json.status;
  model_json_close(&json);
  json_decref(root);
  return status;
}
