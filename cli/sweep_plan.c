// SPDX-License-Identifier: Apache-2.0
// The points of a sweep.
#include "cli/sweep_plan.h"

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

static int check_value(const struct sweep_plan *plan, const char *name, const json_t *value) {
  const struct option *option = option_of(name);
  if (!option)
    return fail(EXIT_BAD_INPUT, "%s: %s is no option of duplex serve that a sweep may have", plan->path,
                name);
  const bool good = option->argument ? json_is_string(value) || json_is_number(value) : json_is_true(value);
  if (good) return EXIT_GOOD;
  return fail(EXIT_BAD_INPUT, "%s: %s: expected %s", plan->path, name,
              option->argument ? "texts or numbers" : "true");
}

// Checks the values of the grid and counts its points.
static int check_grid(struct sweep_plan *plan) {
  const char *name;
  json_t *values, *value;
  size_t i;
  plan->points = 1;
  json_object_foreach(plan->grid, name, values) {
    const size_t count = json_array_size(values);
    if (count == 0)
      return fail(EXIT_BAD_INPUT, "%s: grid: %s: expected an array of values", plan->path, name);
    if (plan->options && json_object_get(plan->options, name))
      return fail(EXIT_BAD_INPUT, "%s: %s is among the options and in the grid", plan->path, name);
    json_array_foreach(values, i, value) if (check_value(plan, name, value)) return EXIT_BAD_INPUT;
    if (count > POINTS_MOST / plan->points)
      return fail(EXIT_BAD_INPUT, "%s: grid: expected at most %u points", plan->path, POINTS_MOST);
    plan->points *= count;
  }
  return EXIT_GOOD;
}

static int check_plan(struct sweep_plan *plan) {
  const char *name;
  json_t *value;
  json_object_foreach(plan->root, name, value) {
    if (strcmp(name, "options") != 0 && strcmp(name, "grid") != 0 && strcmp(name, "comment") != 0)
      return fail(EXIT_BAD_INPUT, "%s: %s is unknown, expected options and grid", plan->path, name);
    if (!json_is_object(value) && strcmp(name, "comment") != 0)
      return fail(EXIT_BAD_INPUT, "%s: %s: expected an object", plan->path, name);
  }
  plan->options = json_object_get(plan->root, "options");
  plan->grid = json_object_get(plan->root, "grid");
  if (!plan->grid) return fail(EXIT_BAD_INPUT, "%s: expected an object with grid", plan->path);
  json_object_foreach(plan->options, name, value) if (check_value(plan, name, value)) return EXIT_BAD_INPUT;
  return check_grid(plan);
}

int sweep_plan_read(struct sweep_plan *plan, const char *path) {
  json_error_t where;
  *plan = (struct sweep_plan){.path = path, .root = json_load_file(path, JSON_REJECT_DUPLICATES, &where)};
  if (!plan->root && where.line < 1) return fail(EXIT_BAD_INPUT, "%s", where.text);  // has the path
  if (!plan->root) return fail(EXIT_BAD_INPUT, "%s:%d: %s", path, where.line, where.text);
  return check_plan(plan);
}

void sweep_plan_free(struct sweep_plan *plan) { json_decref(plan->root); }

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
  return json_is_true(value) ? strdup("") : json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
}

// "--name" and its value, if it has one. False: too little memory.
static bool add(char **arguments, size_t *count, const char *name, const json_t *value) {
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

// FNV-1a.
uint64_t sweep_arguments_hash(char *const *arguments) {
  uint64_t hash = 14695981039346656037u;
  for (const char *c = DUPLEX_VERSION_TEXT; *c; c++) hash = (hash ^ (unsigned char)*c) * 1099511628211u;
  for (; *arguments; arguments++)
    for (const char *c = *arguments;; c++) {
      hash = (hash ^ (unsigned char)*c) * 1099511628211u;
      if (!*c) break;
    }
  return hash;
}
