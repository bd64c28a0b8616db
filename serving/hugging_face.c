// SPDX-License-Identifier: Apache-2.0
// config.json of Hugging Face: read as for a run of the model, refused where the simulator has less.
#include "serving/hugging_face.h"

#include <stdio.h>
#include <string.h>

#include "duplex/error.h"
#include "model/config.h"
#include "serving/model_shapes.h"

bool hugging_face_is(const struct config_file *file) {
  static const char *const keys[] = {"architectures", "model_type", "num_hidden_layers"};
  for (unsigned i = 0; i < sizeof keys / sizeof *keys; i++)
    if (json_object_get(file->root, keys[i])) return true;
  return false;
}

// Adds the names of all architectures that there are, to what is expected if the text says that already.
static void list_architectures(const struct config_file *file) {
  size_t length = strlen(file->error);
  const char *between = strstr(file->error, ": expected") ? " of " : ", expected one of ";
  for (unsigned i = 0; i < MODEL_ARCHITECTURES && length < file->size; i++) {
    if (i == MODEL_DEEPSEEK_V3) continue;  // of those at the end
    length += (size_t)snprintf(file->error + length, file->size - length, "%s%s", between,
                               model_architecture_name((enum model_architecture)i));
    between = ", ";
  }
  if (length < file->size) snprintf(file->error + length, file->size - length, ", " MODEL_SHAPES);
}

// Where the file has a key: at its top, or in an object whose keys are read as those of the model.
static const char *path_of(const struct config_file *file, const char *key, char *path, size_t size) {
  static const char *const outer[] = {"", "text_config"};
  static const char *const inner[] = {"", "rope_scaling", "rope_parameters"};
  char first[128];
  snprintf(first, sizeof first, "%.*s", (int)strcspn(key, "."), key);
  for (unsigned o = 0; o < sizeof outer / sizeof *outer; o++)
    for (unsigned i = 0; i < sizeof inner / sizeof *inner; i++) {
      const json_t *object = o ? json_object_get(file->root, outer[o]) : file->root;
      if (i) object = json_object_get(object, inner[i]);
      snprintf(path, size, "%s%s%s%s%s", outer[o], o ? "." : "", inner[i], i ? "." : "", key);
      if (json_object_get(object, first)) return path;
    }
  return key;
}

// The reader's line has the file's name, and then the key: gives it the key's line.
static int refuse_as(const struct config_file *file, int code, const struct model_error *error) {
  const size_t name = strlen(file->name);
  const bool named = strncmp(error->text, file->name, name) == 0 && strncmp(error->text + name, ": ", 2) == 0;
  if (!named) {
    snprintf(file->error, file->size, "%s: %s", file->name, error->text);
    return code;
  }
  const char *what = error->text + name + 2;
  char key[128], path[256];
  snprintf(key, sizeof key, "%.*s", (int)strcspn(what, " :"), what);
  snprintf(file->error, file->size, "%s:%d: %s", file->name,
           config_line(file, path_of(file, key, path, sizeof path)), what);
  if (strcmp(key, "architectures") == 0 || strcmp(key, "model_type") == 0) list_architectures(file);
  if (strcmp(key, "quantization_config") == 0) {
    const size_t length = strlen(file->error);
    snprintf(file->error + length, file->size - length, ", or a file with weight_bits in its place");
  }
  return code;
}

static unsigned sliding_layers(const struct model_config *c) {
  unsigned count = 0;
  for (unsigned i = 0; i < c->layers; i++) count += c->layer[i].sliding;
  return count;
}

// What a run of the model has and the simulator does not.
static int refuse_other_rules(const struct config_file *file, const struct model_config *c) {
  char path[256];
  if (sliding_layers(c))
    return config_refuse(file, path_of(file, "sliding_window", path, sizeof path),
                         "is %u, expected attention to all positions", c->sliding_window);
  return DUPLEX_OK;
}

// Refuses sizes beyond those that the simulator computes with; the text names the key.
static int check_sizes(const struct config_file *file, const struct model_config *c) {
  const struct {
    const char *key;
    unsigned value, most;
  } sizes[] = {{"num_hidden_layers", c->layers, SERVING_LAYERS_MOST},
               {"hidden_size", c->hidden, SERVING_HIDDEN_MOST},
               {"intermediate_size", c->inner, SERVING_INNER_MOST},
               {"moe_intermediate_size", c->expert_inner, SERVING_INNER_MOST},
               {"num_attention_heads", c->heads, SERVING_HEADS_MOST},
               {"head_dim", c->head_size, SERVING_HEADS_MOST},
               {"num_experts_per_tok", c->chosen, SERVING_CHOSEN_MOST}};
  char path[256];
  for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++)
    if (sizes[i].value > sizes[i].most)
      return config_refuse(file, path_of(file, sizes[i].key, path, sizeof path), "is %u, expected at most %u",
                           sizes[i].value, sizes[i].most);
  return DUPLEX_OK;
}

static void take(const struct model_config *c, struct serving_model *m) {
  const unsigned sparse = model_config_sparse_layers(c);
  m->layers = c->layers;
  m->hidden = c->hidden;
  m->inner = sparse ? c->expert_inner : c->inner;
  m->dense_inner = c->inner;
  m->heads = c->heads;
  m->kv_heads = c->kv_heads;
  m->head_size = c->head_size;
  m->vocabulary = c->vocabulary;
  if (!sparse) return;
  m->experts = c->experts;
  m->top_k = c->chosen;
  m->dense_layers = c->layers - sparse;
}

int hugging_face_read(const struct config_file *file, struct serving_model *model) {
  struct model_config config;
  struct model_error wrong;
  int error = model_config_read(file->text, strlen(file->text), file->name, &config, &wrong);
  if (error) return refuse_as(file, error, &wrong);
  error = check_sizes(file, &config);
  if (!error) error = refuse_other_rules(file, &config);
  if (!error) take(&config, model);
  model_config_free(&config);
  return error;
}
