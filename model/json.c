// SPDX-License-Identifier: Apache-2.0
// JSON objects whose keys are taken one by one.
#include "model/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "duplex/text_file.h"

json_t *model_json_parse(const char *text, size_t size, const char *path, struct model_error *error) {
  json_error_t wrong;
  json_t *root = json_loadb(size ? text : "", size, JSON_REJECT_DUPLICATES, &wrong);
  if (!root && json_error_code(&wrong) == json_error_null_character)
    snprintf(wrong.text, sizeof wrong.text, "a character of value 0 in a text");
  if (root && json_is_object(root)) return root;
  if (root) {
    model_fail(error, DUPLEX_ERROR_FORMAT, "%s: expected a JSON object", path);
  } else {
    model_fail(error, DUPLEX_ERROR_FORMAT, "%s: expected JSON: line %d, column %d: %s", path, wrong.line,
               wrong.column, wrong.text);
  }
  json_decref(root);
  return NULL;
}

json_t *model_json_parse_file(const char *text, size_t size, const char *path, struct model_error *error) {
  const size_t mark = duplex_text_mark(text, size);
  return model_json_parse(text + mark, size - mark, path, error);
}

struct model_json model_json_open(json_t *object, const char *path, const char *inside,
                                  struct model_error *error) {
  struct model_json json = {.path = path, .inside = inside, .error = error};
  if (!json_is_object(object)) {
    const int length = inside[0] ? (int)strlen(inside) - 1 : 0;
    json.status =
        model_fail(error, DUPLEX_ERROR_FORMAT, "%s: %.*s: expected an object", path, length, inside);
  } else if (!(json.left = json_copy(object))) {
    json.status = model_no_memory(error);
  }
  return json;
}

void model_json_close(struct model_json *json) {
  json_decref(json->left);
  json->left = NULL;
}

void model_json_refuse(struct model_json *json, int code, const char *key, const char *format, ...) {
  if (json->status) return;
  char text[256];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  json->status = model_fail(json->error, code, "%s: %s%s %s", json->path, json->inside, key, text);
}

json_t *model_json_take(struct model_json *json, const char *key) {
  if (json->status) return NULL;
  json_t *value = json_object_get(json->left, key);
  if (!value) return NULL;
  // The object that this is a copy of still holds the value.
  json_object_del(json->left, key);
  return json_is_null(value) ? NULL : value;
}

json_t *model_json_take_value(struct model_json *json, const char *key) {
  if (!json->status && json_is_null(json_object_get(json->left, key)))
    model_json_refuse(json, DUPLEX_ERROR_FORMAT, key, "is null: expected a value, or no key");
  return model_json_take(json, key);
}

json_t *model_json_take_either(struct model_json *json, const char **key, const char *other) {
  json_t *first = model_json_take(json, *key);
  json_t *second = model_json_take(json, other);
  if (first && second && !json_equal(first, second))
    model_json_refuse(json, DUPLEX_ERROR_FORMAT, *key, "and %s differ: expected one value", other);
  if (!first && second) *key = other;
  return first ? first : second;
}

uint64_t model_json_integer(struct model_json *json, const char *key, json_t *value, uint64_t least,
                            uint64_t most, uint64_t otherwise) {
  if (json->status || !value) return otherwise;
  const json_int_t number = json_is_integer(value) ? json_integer_value(value) : -1;
  if (number >= 0 && (uint64_t)number >= least && (uint64_t)number <= most) return (uint64_t)number;
  model_json_refuse(json, DUPLEX_ERROR_FORMAT, key, "is wrong: expected an integer from %llu to %llu",
                    (unsigned long long)least, (unsigned long long)most);
  return otherwise;
}

double model_json_real(struct model_json *json, const char *key, json_t *value, double otherwise) {
  if (json->status || !value) return otherwise;
  if (json_is_number(value)) return json_number_value(value);
  model_json_refuse(json, DUPLEX_ERROR_FORMAT, key, "is wrong: expected a number");
  return otherwise;
}

bool model_json_bool(struct model_json *json, const char *key, json_t *value, bool otherwise) {
  if (json->status || !value) return otherwise;
  if (json_is_boolean(value)) return json_is_true(value);
  model_json_refuse(json, DUPLEX_ERROR_FORMAT, key, "is wrong: expected true or false");
  return otherwise;
}

const char *model_json_string(struct model_json *json, const char *key, json_t *value,
                              const char *otherwise) {
  if (json->status || !value) return otherwise;
  if (json_is_string(value)) return json_string_value(value);
  model_json_refuse(json, DUPLEX_ERROR_FORMAT, key, "is wrong: expected a string");
  return otherwise;
}

bool model_json_is_off(const json_t *value) {
  if (!value || json_is_null(value) || json_is_false(value)) return true;
  if (json_is_number(value)) return json_number_value(value) == 0;
  if (json_is_string(value)) return json_string_length(value) == 0;
  return json_is_array(value) ? json_array_size(value) == 0
                              : json_is_object(value) && json_object_size(value) == 0;
}
