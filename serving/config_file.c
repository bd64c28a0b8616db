// SPDX-License-Identifier: Apache-2.0
// Configuration files: reading, values by tables of keys, lines of errors.
#include "serving/config_file.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duplex/error.h"
#include "duplex/text_file.h"
#include "serving/builtin_configs.h"
#include "serving/regular_file.h"

#define FILE_MOST (1u << 20)

static int complain(const struct config_file *file, int error, const char *format, ...) {
  va_list words;
  va_start(words, format);
  vsnprintf(file->error, file->size, format, words);
  va_end(words);
  return error;
}

static const char *builtin_text(const char *folder, const char *name) {
  char path[128];
  if (!folder) return NULL;
  snprintf(path, sizeof path, "%s%s%s", folder, folder[0] ? "/" : "", name);
  for (const struct builtin_config *c = builtin_configs; c->path; c++)
    if (strcmp(c->path, path) == 0) return c->text;
  return NULL;
}

// " or one of " and the names of a folder, of "" " or " and the one that is in none, with commas between
// them; nothing without a folder.
static void list_builtin(const char *folder, char *list, size_t size) {
  const size_t length = folder ? strlen(folder) : 0;
  list[0] = 0;
  for (const struct builtin_config *c = builtin_configs; folder && c->path; c++) {
    const char *name = c->path + length + (length > 0);
    if (strncmp(c->path, folder, length) != 0 || (length && name[-1] != '/') || strchr(name, '/')) continue;
    strncat(list, list[0] ? ", " : length ? " or one of " : " or ", size - strlen(list) - 1);
    strncat(list, name, size - strlen(list) - 1);
  }
}

// The whole of a file, which is no longer than FILE_MOST.
static int read_text(struct config_file *file, const char *folder) {
  const char *why;
  FILE *stream = regular_file_open(file->name, &why);
  char list[400];
  list_builtin(folder, list, sizeof list);
  if (!stream) return complain(file, DUPLEX_ERROR_IO, "%s: %s, expected a file%s", file->name, why, list);
  file->text = malloc(FILE_MOST + 1);
  const size_t length = file->text ? fread(file->text, 1, FILE_MOST + 1, stream) : 0;
  const bool good = file->text && !ferror(stream);
  const int cause = errno;
  fclose(stream);
  if (!good)
    return complain(file, DUPLEX_ERROR_IO, "%s: %s, expected a file that can be read", file->name,
                    strerror(cause));
  if (length > FILE_MOST)
    return complain(file, DUPLEX_ERROR_FORMAT, "%s: expected at most %u bytes", file->name, FILE_MOST);
  if (strnlen(file->text, length) < length)
    return complain(file, DUPLEX_ERROR_FORMAT, "%s: has a byte 0, expected JSON", file->name);
  const size_t mark = duplex_text_mark(file->text, length);
  memmove(file->text, file->text + mark, length - mark);
  file->text[length - mark] = 0;
  return DUPLEX_OK;
}

int config_open(struct config_file *file, const char *folder, const char *name, char *error, size_t size) {
  *file = (struct config_file){.name = name, .error = error, .size = size};
  const char *builtin = builtin_text(folder, name);
  if (builtin) file->text = strdup(builtin);
  const int status = builtin ? DUPLEX_OK : read_text(file, folder);
  if (status) return status;
  if (!file->text) return complain(file, DUPLEX_ERROR_NO_MEMORY, "%s: too little memory", name);
  json_error_t where;
  file->root = json_loads(file->text, JSON_REJECT_DUPLICATES, &where);
  if (!file->root)
    return complain(file, DUPLEX_ERROR_FORMAT, "%s:%d: %s, expected JSON%s", name, where.line, where.text,
                    json_error_code(&where) == json_error_duplicate_key ? " with each key once" : "");
  if (!json_is_object(file->root))
    return complain(file, DUPLEX_ERROR_FORMAT, "%s:1: expected a JSON object", name);
  return DUPLEX_OK;
}

void config_close(struct config_file *file) {
  json_decref(file->root);
  free(file->text);
  *file = (struct config_file){0};
}

// Behind a text in quotes that begins at `at`.
static const char *behind_text(const char *at) {
  for (at++; *at && *at != '"'; at++)
    if (*at == '\\' && at[1]) at++;
  return *at ? at + 1 : at;
}

// Whether the text in quotes from `at` to `end` is the key, which may be written with escapes.
static bool is_text(const char *at, const char *end, const char *key) {
  json_t *text = json_loadb(at, (size_t)(end - at), JSON_DECODE_ANY, NULL);
  const bool same = text && json_is_string(text) && strcmp(json_string_value(text), key) == 0;
  json_decref(text);
  return same;
}

// The place of `key` among the keys of the object that begins at `at`; NULL: it is not there.
static const char *find_key(const char *at, const char *key) {
  int depth = 0;
  while (*at) {
    if (*at == '"') {
      const char *end = behind_text(at);
      const bool is_key = depth == 1 && end[strspn(end, " \t\r\n")] == ':';
      if (is_key && is_text(at, end, key)) return at;
      at = end;
      continue;
    }
    if (*at == '{' || *at == '[') depth++;
    if (*at == '}' || *at == ']') depth--;
    if (depth == 0 && *at == '}') return NULL;
    at++;
  }
  return NULL;
}

// The key of an object that the path begins with, until its end or a point; NULL: it has none of them.
static const char *first_key(json_t *object, const char *path) {
  const char *key, *longest = NULL;
  json_t *value;
  json_object_foreach(object, key, value) {
    const size_t length = strlen(key);
    if (strncmp(path, key, length) != 0 || (path[length] && path[length] != '.')) continue;
    if (!longest || length > strlen(longest)) longest = key;
  }
  return longest;
}

int config_line(const struct config_file *file, const char *path) {
  const char *at = file->text, *key;
  json_t *object = file->root;
  while (*path && (key = first_key(object, path))) {
    const char *found = find_key(at, key);
    if (!found) break;
    at = found;
    path += strlen(key);
    path += *path == '.';
    object = json_object_get(object, key);
    if (*path) at = behind_text(at) + strcspn(behind_text(at), "{");
  }
  int line = 1;
  for (const char *c = file->text; c < at; c++) line += *c == '\n';
  return line;
}

bool config_where(const char *folder, const char *name, const char *const *keys, char *place, size_t size) {
  struct config_file file = {0};
  char error[64];
  bool found = false;
  snprintf(place, size, "%s", name);
  const int status = builtin_text(folder, name) || config_open(&file, NULL, name, error, sizeof error);
  for (; !status && *keys && !found; keys++) {
    found = json_object_get(file.root, *keys) != NULL;
    if (found) snprintf(place, size, "%s:%d", name, config_line(&file, *keys));
  }
  config_close(&file);
  return found;
}

int config_refuse(const struct config_file *file, const char *path, const char *format, ...) {
  char what[512];
  va_list words;
  va_start(words, format);
  vsnprintf(what, sizeof what, format, words);
  va_end(words);
  const int line = config_line(file, path);
  complain(file, DUPLEX_ERROR_FORMAT, "%s:%d: %s %s", file->name, line, path, what);
  for (char *c = file->error; *c; c++)
    if ((unsigned char)*c < ' ' || *c == 127) *c = '?';  // a key may have line feeds
  return DUPLEX_ERROR_FORMAT;
}

static void join(char *path, size_t size, const char *before, const char *key) {
  snprintf(path, size, "%s%s%s", before, before[0] ? "." : "", key);
}

// A key that is not there, or whose value is not what it has to be: with what was expected.
static int refuse_field(const struct config_file *file, const char *path, const char *what,
                        const struct config_field *field) {
  char list[300] = "one of ";
  switch (field->type) {
    case CONFIG_FLAG:
      return config_refuse(file, path, "%s, expected true or false", what);
    case CONFIG_OBJECT:
      return config_refuse(file, path, "%s, expected { ... }", what);
    case CONFIG_CHOICE:
    case CONFIG_AMONG:
      for (unsigned i = 0; field->choices[i]; i++) {
        if (i) strncat(list, ", ", sizeof list - strlen(list) - 1);
        strncat(list, field->choices[i], sizeof list - strlen(list) - 1);
      }
      return config_refuse(file, path, "%s, expected %s", what, list);
    default:
      return config_refuse(file, path, "%s, expected a %s from %.10g to %.10g", what,
                           field->type == CONFIG_WHOLE ? "whole number" : "number", field->least,
                           field->most);
  }
}

// False: it is no number of the field.
static bool number_field(const json_t *value, const struct config_field *field) {
  const double number = json_number_value(value);
  const bool whole = field->type == CONFIG_WHOLE;
  if (!json_is_number(value) || !(number >= field->least && number <= field->most) ||
      (whole && number != floor(number)))
    return false;
  if (whole)
    *(unsigned *)field->to = (unsigned)number;
  else
    *(double *)field->to = number;
  return true;
}

// False: it is none of the numbers that the choices are.
static bool among_field(const json_t *value, const struct config_field *field) {
  const double number = json_number_value(value);
  for (unsigned i = 0; json_is_number(value) && field->choices[i]; i++)
    if (number == strtod(field->choices[i], NULL)) {
      *(unsigned *)field->to = (unsigned)number;
      return true;
    }
  return false;
}

// False: it is none of the choices.
static bool choice_field(const json_t *value, const struct config_field *field) {
  const char *text = json_string_value(value);
  for (unsigned i = 0; text && field->choices[i]; i++)
    if (strcmp(text, field->choices[i]) == 0) {
      *(unsigned *)field->to = i;
      return true;
    }
  return false;
}

// Reads a value of the field's type to its place; false: another type, or a number out of range.
static bool take_field(json_t *value, const struct config_field *field) {
  switch (field->type) {
    case CONFIG_FLAG:
      if (json_is_boolean(value)) *(bool *)field->to = json_is_true(value);
      return json_is_boolean(value);
    case CONFIG_AMONG:
      return among_field(value, field);
    case CONFIG_CHOICE:
      return choice_field(value, field);
    case CONFIG_OBJECT:
      if (json_is_object(value)) *(json_t **)field->to = value;
      return json_is_object(value);
    default:
      return number_field(value, field);
  }
}

static bool is_known(const char *key, const struct config_field *fields) {
  for (; fields->key; fields++)
    if (strcmp(fields->key, key) == 0) return true;
  return strcmp(key, "comment") == 0;
}

// Refuses the first key that no field has, and names those that there are.
static int refuse_unknown(const struct config_file *file, const char *path, json_t *object,
                          const struct config_field *fields) {
  const char *key;
  json_t *value;
  char full[200], list[400] = "";
  json_object_foreach(object, key, value) {
    if (is_known(key, fields)) continue;
    for (const struct config_field *f = fields; f->key; f++) {
      if (f != fields) strncat(list, ", ", sizeof list - strlen(list) - 1);
      strncat(list, f->key, sizeof list - strlen(list) - 1);
    }
    join(full, sizeof full, path, key);
    return config_refuse(file, full, "is unknown, expected only %s", list);
  }
  return DUPLEX_OK;
}

int config_fields(const struct config_file *file, const char *path, json_t *object,
                  const struct config_field *fields, bool foreign) {
  int error = foreign ? DUPLEX_OK : refuse_unknown(file, path, object, fields);
  for (const struct config_field *f = fields; f->key && !error; f++) {
    char full[200];
    json_t *value = json_object_get(object, f->key);
    join(full, sizeof full, path, f->key);
    if (!value && f->required) error = refuse_field(file, full, "is missing", f);
    if (value && !take_field(value, f)) error = refuse_field(file, full, "is not as it must be", f);
  }
  return error;
}
