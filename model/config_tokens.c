// SPDX-License-Identifier: Apache-2.0
// Tokens of config.json that begin and end a text.
#include "model/config_tokens.h"

static uint32_t token_of(struct model_json *json, const char *key, json_t *value, uint32_t otherwise) {
  return (uint32_t)model_json_integer(json, key, value, 0, MODEL_SIZE_MOST, otherwise);
}

void model_config_read_begin_token(struct model_json *json, const struct model_class *class,
                                   struct model_config *c) {
  const bool given = json_object_get(json->left, "bos_token_id") != NULL;
  c->begin_token = token_of(json, "bos_token_id", model_json_take(json, "bos_token_id"),
                            given ? MODEL_NO_TOKEN : class->begin_token);
}

void model_config_read_end_tokens(struct model_json *json, struct model_config *c) {
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
