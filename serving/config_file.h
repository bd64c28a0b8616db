// SPDX-License-Identifier: Apache-2.0
// Configuration files: JSON objects of known keys, whose errors name file, line and what was expected.
#ifndef SERVING_CONFIG_FILE_H
#define SERVING_CONFIG_FILE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum config_type { CONFIG_NUMBER, CONFIG_WHOLE, CONFIG_AMONG, CONFIG_FLAG, CONFIG_CHOICE, CONFIG_OBJECT };

// A key of an object and where its value goes: double, unsigned, unsigned (a whole number among those that
// the choices are), bool, unsigned (index of a choice), json_t *. A key that is not required leaves what was
// there.
struct config_field {
  const char *key;  // NULL ends a list
  enum config_type type;
  bool required;
  void *to;
  double least, most;          // of numbers
  const char *const *choices;  // ends with NULL
};

struct config_file {
  const char *name;  // as messages name it
  char *text;
  json_t *root;
  char *error;  // the caller's text
  size_t size;
};

// Reads `name` of the built-in folder ("systems", "models" or ""; NULL: there is none), or else the file of
// that path. Returns 0, DUPLEX_ERROR_IO or DUPLEX_ERROR_FORMAT with a line in `error`.
int config_open(struct config_file *file, const char *folder, const char *name, char *error, size_t size);
void config_close(struct config_file *file);

// The values of an object at `path` ("" or "a.b"). The key "comment" may stand anywhere. Other keys that the
// list does not have are refused, unless `foreign`.
int config_fields(const struct config_file *file, const char *path, json_t *object,
                  const struct config_field *fields, bool foreign);

// The line of the key `path`; of the last part of it that is there, if the key is missing.
int config_line(const struct config_file *file, const char *path);

// Where a value of a closed file stands that the user gave: "NAME:LINE" of the first of the keys (NULL ends
// them) that it has at its top. False, and "NAME": it has none of them, or is built in.
bool config_where(const char *folder, const char *name, const char *const *keys, char *place, size_t size);

// A line about the key `path` of the file; returns DUPLEX_ERROR_FORMAT.
int config_refuse(const struct config_file *file, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
