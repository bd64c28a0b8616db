// SPDX-License-Identifier: Apache-2.0
// The points of a sweep.
#include "cli/sweep_plan.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"

#define POINTS_MOST 100000u
#define OUTPUTS 2u  // arguments behind those of a point

// What the sweep itself says, or what would be overwritten by every point.
static const char *const refused[] = {"json", "requests-out", "stages-out", "timeline", NULL};

static const struct option *option_of(const char *name) {
  for (unsigned i = 0; refused[i]; i++)
    if (strcmp(refused[i], name) == 0) return NULL;
  for (const struct option *o = serve_command.options; o->name; o++)
    if (strcmp(o->name + 2, name) == 0) return o;
  return NULL;
}

int sweep_plan_refuse(const struct sweep_plan *plan, const char *object, const char *name, const char *format,
                      ...) {
  char what[512], path[256];
  va_list words;
  va_start(words, format);
  vsnprintf(what, sizeof what, format, words);
  va_end(words);
  snprintf(path, sizeof path, "%s%s%s", object, name[0] ? "." : "", name);
  config_refuse(&plan->file, path, "%s", what);
  return fail(EXIT_BAD_INPUT, "%s", plan->error);
}

static int check_value(const struct sweep_plan *plan, const char *object, const char *name,
                       const json_t *value) {
  const struct option *option = option_of(name);
  if (!option)
    return sweep_plan_refuse(
        plan, object, name,
        "is no option that a sweep may have, expected one of duplex serve, without dashes, that is "
        "no output");
  const bool good =
      option->argument ? json_is_string(value) || json_is_number(value) : json_is_boolean(value);
  if (good) return EXIT_GOOD;
  return sweep_plan_refuse(plan, object, name, "is not as it must be, expected %s",
                           option->argument ? "texts or numbers" : "true or false");
}

// Whether a value has the text of one before it: a point would be simulated twice.
static bool is_again(const json_t *values, size_t place) {
  char *text = sweep_text(json_array_get(values, place));
  bool again = false;
  for (size_t i = 0; i < place && text && !again; i++) {
    char *before = sweep_text(json_array_get(values, i));
    again = before && strcmp(before, text) == 0;
    free(before);
  }
  free(text);
  return again;
}

static int check_values(const struct sweep_plan *plan, const char *name, const json_t *values) {
  json_t *value;
  size_t i;
  json_array_foreach(values, i, value) {
    if (check_value(plan, "grid", name, value)) return EXIT_BAD_INPUT;
    if (is_again(values, i))
      return sweep_plan_refuse(plan, "grid", name, "has a value twice, expected each once");
  }
  return EXIT_GOOD;
}

// Checks the values of the grid and counts its points.
static int check_grid(struct sweep_plan *plan) {
  const char *name;
  json_t *values;
  plan->points = 1;
  json_object_foreach(plan->grid, name, values) {
    const size_t count = json_array_size(values);
    if (count == 0) return sweep_plan_refuse(plan, "grid", name, "has no values, expected an array of them");
    if (plan->options && json_object_get(plan->options, name))
      return sweep_plan_refuse(plan, "grid", name, "is among the options and in the grid, expected it once");
    if (check_values(plan, name, values)) return EXIT_BAD_INPUT;
    if (count > POINTS_MOST / plan->points)
      return sweep_plan_refuse(plan, "grid", name, "makes too many points, expected at most %u", POINTS_MOST);
    plan->points *= count;
  }
  return EXIT_GOOD;
}

int sweep_plan_read(struct sweep_plan *plan, const char *path) {
  const char *name;
  json_t *value;
  *plan = (struct sweep_plan){.path = path};
  const struct config_field fields[] = {{"options", CONFIG_OBJECT, false, &plan->options, 0, 0, NULL},
                                        {"grid", CONFIG_OBJECT, true, &plan->grid, 0, 0, NULL},
                                        {0}};
  int status = config_open(&plan->file, NULL, path, plan->error, sizeof plan->error);
  if (!status) status = config_fields(&plan->file, "", plan->file.root, fields, false);
  if (status) return fail(EXIT_BAD_INPUT, "%s", plan->error);
  json_object_foreach(plan->options, name,
                      value) if (check_value(plan, "options", name, value)) return EXIT_BAD_INPUT;
  return check_grid(plan);
}

void sweep_plan_free(struct sweep_plan *plan) { config_close(&plan->file); }

const json_t *sweep_plan_value(const struct sweep_plan *plan, size_t point, const char *wanted) {
  const char *name;
  const json_t *values, *found = NULL;
  size_t below = plan->points;  // points with the same value, one after another
  json_object_foreach(plan->grid, name, values) {
    const size_t count = json_array_size(values);
    below /= count;
    if (strcmp(name, wanted) == 0) found = json_array_get(values, point / below % count);
  }
  return found;
}

char *sweep_text(const json_t *value) {
  if (json_is_string(value)) return strdup(json_string_value(value));
  if (json_is_boolean(value)) return strdup(json_is_true(value) ? "true" : "false");
  const double number = json_number_value(value);
  char *text = NULL;
  if (json_is_integer(value) || number != floor(number) || fabs(number) > 1e15)
    return json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
  return asprintf(&text, "%.0f", number) < 0 ? NULL : text;  // 1e3 of an option that takes whole numbers
}

// "--name" and its value, if it has one; nothing of false. False: too little memory.
static bool add(char **arguments, size_t *count, const char *name, const json_t *value) {
  if (json_is_false(value)) return true;
  const size_t size = strlen(name) + 3;
  char *dashed = malloc(size);
  if (!dashed) return false;
  snprintf(dashed, size, "--%s", name);
  arguments[(*count)++] = dashed;
  if (json_is_true(value)) return true;
  return (arguments[(*count)++] = sweep_text(value)) != NULL;
}

char **sweep_plan_arguments(const struct sweep_plan *plan, size_t point) {
  const size_t options = json_object_size(plan->options) + json_object_size(plan->grid);
  char **arguments = calloc(2 * options + 2 + OUTPUTS + 1, sizeof *arguments);
  const char *name;
  json_t *value;
  size_t count = 2;
  if (!arguments) return NULL;
  arguments[0] = strdup("duplex");
  arguments[1] = strdup("serve");
  bool good = arguments[0] && arguments[1];
  json_object_foreach(plan->options, name, value) good = good && add(arguments, &count, name, value);
  json_object_foreach(plan->grid, name, value) good =
      good && add(arguments, &count, name, sweep_plan_value(plan, point, name));
  if (good) return arguments;
  sweep_arguments_free(arguments);
  return NULL;
}

void sweep_arguments_free(char **arguments) {
  for (size_t i = 0; arguments && arguments[i]; i++) free(arguments[i]);
  free(arguments);
}
