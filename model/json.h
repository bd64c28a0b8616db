// SPDX-License-Identifier: Apache-2.0
// JSON objects whose keys are taken one by one, so that a key which nobody knows is left over in the end.
#ifndef MODEL_JSON_H
#define MODEL_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "model/error.h"

// After the first failure nothing is taken any more, and the defaults are returned.
struct model_json {
  json_t *left;        // what was not taken yet: a copy of its own
  const char *path;    // of the file
  const char *inside;  // "" or where in the file the object is, with its dot: "model."
  struct model_error *error;
  int status;
};

// Parses a text whose top is an object; a key that occurs twice is refused. NULL: error holds why (FORMAT).
// Of a whole file a byte order mark may be before it.
json_t *model_json_parse(const char *text, size_t size, const char *path, struct model_error *error);
json_t *model_json_parse_file(const char *text, size_t size, const char *path, struct model_error *error);

// The object has to outlive the reader. Errors: FORMAT (no object), NO_MEMORY. model_json_close has to
// follow.
struct model_json model_json_open(json_t *object, const char *path, const char *inside,
                                  struct model_error *error);
void model_json_close(struct model_json *json);

// Notes "path: inside.key ..." and the code, unless something failed before.
void model_json_refuse(struct model_json *json, int code, const char *key, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

// The value of a key, borrowed from the object; NULL: there is none, or it is null.
json_t *model_json_take(struct model_json *json, const char *key);
// The same where null is no way to leave a key out: it is refused (FORMAT).
json_t *model_json_take_value(struct model_json *json, const char *key);
// The same as model_json_take of a key with two names, which may both be there with the same value. *key
// becomes the name that the object has.
json_t *model_json_take_either(struct model_json *json, const char **key, const char *other);

// Typed; `otherwise` counts where the key is missing or null.
uint64_t model_json_integer(struct model_json *json, const char *key, json_t *value, uint64_t least,
                            uint64_t most, uint64_t otherwise);
double model_json_real(struct model_json *json, const char *key, json_t *value, double otherwise);
bool model_json_bool(struct model_json *json, const char *key, json_t *value, bool otherwise);
const char *model_json_string(struct model_json *json, const char *key, json_t *value, const char *otherwise);

// null, false, 0, "", [] or {}.
bool model_json_is_off(const json_t *value);

#endif
