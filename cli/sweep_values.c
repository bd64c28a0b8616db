// SPDX-License-Identifier: Apache-2.0
// Values of a sweep's options, whichever points have them.
#include "cli/sweep_values.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/serve_values.h"

// Checks an option of serve with this value, and no other one.
static int check_alone(const char *name, const char *text) {
  struct option options[OPTIONS_MOST];
  command_options(&serve_command, options);
  for (struct option *o = options; o->name; o++)
    if (strcmp(o->name + 2, name) == 0) o->value = text;
  return serve_values_check(options);
}

// Of an option among the options or in the grid, which are `object`: its place stands before what is wrong.
static int check_value(const struct sweep_plan *plan, const char *object, const char *name,
                       const json_t *value) {
  if (json_is_boolean(value)) return EXIT_GOOD;  // with or without an option that stands alone
  char path[256], place[320];
  char *text = sweep_text(value);
  if (!text) return fail(EXIT_ERROR, "too little memory for a value");
  snprintf(path, sizeof path, "%s.%s", object, name);
  snprintf(place, sizeof place, "%s:%d: ", plan->path, config_line(&plan->file, path));
  fail_context(place);
  const int status = check_alone(name, text);
  fail_context("");
  free(text);
  return status;
}

int sweep_values_check(const struct sweep_plan *plan) {
  const char *name;
  const json_t *value;
  json_t *values;
  size_t i;
  int status = EXIT_GOOD;
  json_object_foreach(plan->options, name, value) {
    if (!status) status = check_value(plan, "options", name, value);
  }
  json_object_foreach(plan->grid, name, values) {
    json_array_foreach(values, i, value) {
      if (!status) status = check_value(plan, "grid", name, value);
    }
  }
  return status;
}
