// SPDX-License-Identifier: Apache-2.0
// Keys of RoPE in config.json: rope_theta, and the object rope_scaling or rope_parameters.
#include "model/config_rope.h"

#include <stdio.h>
#include <string.h>

#include "model/config_keys.h"
#include "model/config_unknown.h"

static enum model_rope_type read_rope_type(struct model_json *json) {
  static const char *const names[] = {[MODEL_ROPE_DEFAULT] = "default",
                                      [MODEL_ROPE_LINEAR] = "linear",
                                      [MODEL_ROPE_LLAMA3] = "llama3",
                                      [MODEL_ROPE_YARN] = "yarn"};
  const char *key = "rope_type";
  json_t *value = model_json_take_either(json, &key, "type");
  const char *type = model_json_string(json, key, value, "default");
  for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp(type, names[i]) == 0) return (enum model_rope_type)i;
  model_json_refuse(json, DUPLEX_ERROR_NOT_AVAILABLE, key,
                    "is '%.64s', which is not there: expected default, linear, llama3 or yarn", type);
  return MODEL_ROPE_DEFAULT;
}

static void read_yarn(struct model_json *json, double positions, struct model_rope *rope) {
  rope->original_positions = model_key_real(json, "original_max_position_embeddings", positions);
  if (rope->factor == 0) rope->factor = positions / rope->original_positions;
  rope->beta_fast = model_key_nullable_real(json, "beta_fast", 32);
  rope->beta_slow = model_key_nullable_real(json, "beta_slow", 1);
  rope->attention_factor = model_key_limit(json, "attention_factor");
  rope->mscale = model_key_real(json, "mscale", 0);
  rope->mscale_all_dim = model_key_real(json, "mscale_all_dim", 0);
  rope->truncate = model_key_bool(json, "truncate", true);
}

static void refuse_partial_rotation(struct model_json *json) {
  if (model_key_nullable_real(json, "partial_rotary_factor", 1) != 1)
    model_json_refuse(json, DUPLEX_ERROR_NOT_AVAILABLE, "partial_rotary_factor",
                      "is not 1: expected the rotation of whole heads, 1");
}

// The object of rope_scaling or rope_parameters. outer_theta: whether one stands beside it, which has to
// agree.
static void read_rope_object(struct model_json *json, double positions, bool outer_theta,
                             struct model_rope *rope) {
  rope->type = read_rope_type(json);
  const double theta = model_key_real(json, "rope_theta", rope->theta);
  if (outer_theta && theta != rope->theta)
    model_json_refuse(json, DUPLEX_ERROR_FORMAT, "rope_theta",
                      "differs from rope_theta outside: expected one value");
  rope->theta = theta;
  refuse_partial_rotation(json);
  if (rope->type != MODEL_ROPE_DEFAULT) rope->factor = model_key_limit(json, "factor");
  if (rope->type == MODEL_ROPE_LLAMA3) {
    rope->low_freq_factor = model_key_real(json, "low_freq_factor", 0);
    rope->high_freq_factor = model_key_real(json, "high_freq_factor", 0);
    rope->original_positions = model_key_real(json, "original_max_position_embeddings", positions);
  } else if (rope->type == MODEL_ROPE_YARN) {
    read_yarn(json, positions, rope);
  }
  model_refuse_unknown(json);
}

// What the class takes without an object.
static void set_gpt_oss_rope(struct model_rope *rope) {
  rope->type = MODEL_ROPE_YARN;
  rope->factor = 32;
  rope->beta_fast = 32;
  rope->beta_slow = 1;
  rope->original_positions = 4096;
}

void model_config_read_rope(struct model_json *json, const struct model_class *class,
                            struct model_config *c) {
  const char *key = "rope_scaling";
  json_t *object = model_json_take_either(json, &key, "rope_parameters");
  char inside[32];
  const bool outer_theta = json_object_get(json->left, "rope_theta") != NULL;
  c->rope.theta = model_key_real(json, "rope_theta", class->theta);
  refuse_partial_rotation(json);
  if (!object && class->gpt_oss) set_gpt_oss_rope(&c->rope);
  if (!object || json->status) return;
  snprintf(inside, sizeof inside, "%s.", key);
  struct model_json inner = model_json_open(object, json->path, inside, json->error);
  read_rope_object(&inner, c->positions, outer_theta, &c->rope);
  json->status = inner.status;
  model_json_close(&inner);
}
