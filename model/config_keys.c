// SPDX-License-Identifier: Apache-2.0
// Values of keys of config.json that a class has a value for, where the key is missing.
#include "model/config_keys.h"

#include <string.h>

#include "model/config.h"

uint64_t model_key_size(struct model_json *json, const char *key, uint64_t most, uint64_t otherwise) {
  json_t *value = otherwise ? model_json_take_value(json, key) : model_json_take(json, key);
  if (!value && !otherwise)
    model_json_refuse(json, DUPLEX_ERROR_FORMAT, key, "is missing: expected an integer from 1 to %llu",
                      (unsigned long long)most);
  return model_json_integer(json, key, value, 1, most, otherwise);
}

unsigned model_key_count(struct model_json *json, const char *key, uint64_t otherwise) {
  return (unsigned)model_key_size(json, key, MODEL_SIZE_MOST, otherwise);
}

double model_key_real(struct model_json *json, const char *key, double otherwise) {
  json_t *value = otherwise != 0 ? model_json_take_value(json, key) : model_json_take(json, key);
  return model_json_real(json, key, value, otherwise);
}

double model_key_nullable_real(struct model_json *json, const char *key, double otherwise) {
  return model_json_real(json, key, model_json_take(json, key), otherwise);
}

bool model_key_bool(struct model_json *json, const char *key, bool otherwise) {
  const bool null = json_is_null(json_object_get(json->left, key));
  return model_json_bool(json, key, model_json_take(json, key), !null && otherwise);
}

double model_key_limit(struct model_json *json, const char *key) {
  json_t *value = model_json_take(json, key);
  const double limit = model_json_real(json, key, value, 0);
  if (value && !(limit > 0))
    model_json_refuse(json, DUPLEX_ERROR_FORMAT, key, "is wrong: expected more than 0");
  return limit;
}

void model_key_only_word(struct model_json *json, const char *key, const char *word) {
  const char *value = model_json_string(json, key, model_json_take(json, key), word);
  if (strcmp(value, word) != 0)
    model_json_refuse(json, DUPLEX_ERROR_NOT_AVAILABLE, key, "is '%.64s': expected %s", value, word);
}

void model_key_only_size(struct model_json *json, const char *key, unsigned value) {
  const unsigned expected = value ? value : 1;
  if (model_json_integer(json, key, model_json_take(json, key), 1, MODEL_SIZE_MOST, expected) != expected)
    model_json_refuse(json, DUPLEX_ERROR_FORMAT, key, "is wrong: expected %u by the other keys", value);
}
