// SPDX-License-Identifier: Apache-2.0
// Options of a sweep that are of some of its systems and models alone.
#include "cli/sweep_needs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/serve_needs.h"
#include "cli/serve_values.h"

#define FIRST 2u  // of the arguments, behind "duplex serve"

// How many arguments an option is.
static size_t length_of(const char *argument) {
  for (const struct option *o = serve_command.options; o->name; o++)
    if (strcmp(o->name, argument) == 0) return o->argument ? 2 : 1;
  return 1;
}

// The value of an option, or `otherwise`.
static const char *value_of(char *const *arguments, const char *name, const char *otherwise) {
  for (size_t i = FIRST; arguments[i]; i += length_of(arguments[i]))
    if (strcmp(arguments[i], name) == 0) return arguments[i + 1];
  return otherwise;
}

// The number of an option, 0 without it.
static unsigned number_of(char *const *arguments, const char *name) {
  return (unsigned)strtoul(value_of(arguments, name, "0"), NULL, 10);
}

// The place of a word in a list, where it ends if it is not there.
static unsigned place_of(const char *const *list, const char *word) {
  unsigned i = 0;
  while (list[i] && strcmp(list[i], word) != 0) i++;
  return i;
}

// What options are asked about. False: the point says it in no way that serve takes, and fails with its
// error.
static bool read_point(char *const *arguments, struct serving_options *s) {
  const unsigned mode = place_of(serve_modes, value_of(arguments, "--mode", serve_modes[0]));
  const unsigned policy = place_of(serve_policies, value_of(arguments, "--policy", serve_policies[0]));
  *s = (struct serving_options){.system = value_of(arguments, "--system", NULL),
                                .model = value_of(arguments, "--model", NULL),
                                .kernels = value_of(arguments, "--tables", NULL),
                                .devices = number_of(arguments, "--devices"),
                                .nodes = number_of(arguments, "--nodes"),
                                .mode = (enum serving_mode)mode,
                                .policy = (enum serving_policy)policy};
  return s->system && s->model && serve_modes[mode] && serve_policies[policy];
}

// Takes the idle ones out.
static void drop(char **arguments) {
  struct serving_options s;
  char **kept = arguments + FIRST;
  if (!read_point(arguments, &s)) return;
  bool idle[OPTIONS_MOST] = {false};  // before any is freed, since they are asked about with one another
  unsigned option = 0;
  for (char **a = kept; *a; a += length_of(*a), option++)
    idle[option] = length_of(*a) == 1 ? serve_needs_idle(a[0], "", &s) : serve_needs_idle(a[0], a[1], &s);
  option = 0;
  for (char **a = kept; *a; option++) {
    for (size_t left = length_of(*a); left > 0; left--, a++) {
      if (idle[option])
        free(*a);
      else
        *kept++ = *a;
    }
  }
  while (*kept) *kept++ = NULL;
}

char **sweep_needs_arguments(const struct sweep_plan *plan, size_t point) {
  char **arguments = sweep_plan_arguments(plan, point);
  if (arguments) drop(arguments);
  return arguments;
}

// Whether an option changes something at a point, or the point fails; if not, why.
static bool is_of_point(const struct sweep_plan *plan, size_t point, const char *option, char *why,
                        size_t size) {
  struct serving_options s;
  char **arguments = sweep_plan_arguments(plan, point);
  const bool is = !arguments || !read_point(arguments, &s) || !serve_needs_lacking(option, &s, why, size);
  sweep_arguments_free(arguments);
  return is;
}

static int check_option(const struct sweep_plan *plan, const char *object, const char *name) {
  char option[64], why[1024] = "";
  snprintf(option, sizeof option, "--%s", name);
  for (size_t i = 0; i < plan->points; i++)
    if (is_of_point(plan, i, option, why, sizeof why)) return EXIT_GOOD;
  return sweep_plan_refuse(plan, object, name, "changes nothing at any point: %s", why);
}

// Whether a value, or one of a list, gives the option to a point: false does not.
static bool is_given(const json_t *value) {
  bool given = value && !json_is_false(value) && !json_is_array(value);
  for (size_t i = 0; i < json_array_size(value); i++) given |= !json_is_false(json_array_get(value, i));
  return given;
}

// Where an option is given, by its name with dashes: among the options or in the grid.
static const char *object_of(const struct sweep_plan *plan, const char *option) {
  if (is_given(json_object_get(plan->options, option + 2))) return "options";
  return is_given(json_object_get(plan->grid, option + 2)) ? "grid" : NULL;
}

static int check_required(const struct sweep_plan *plan) {
  for (const struct option *o = serve_command.options; o->name; o++)
    if (o->required && !object_of(plan, o->name))
      return sweep_plan_refuse(plan, "options", o->name + 2,
                               "is missing, expected it there or in the grid: %s", o->argument);
  return EXIT_GOOD;
}

static int check_company(const struct sweep_plan *plan) {
  for (const struct serve_company *c = serve_company; c->option; c++) {
    const char *object = object_of(plan, c->option);
    if (!object || object_of(plan, c->with) || (c->or_with && object_of(plan, c->or_with))) continue;
    return sweep_plan_refuse(plan, object, c->option + 2,
                             "changes nothing at any point: expected %s%s%s with it", c->with + 2,
                             c->or_with ? " or " : "", c->or_with ? c->or_with + 2 : "");
  }
  return EXIT_GOOD;
}

int sweep_needs_check(const struct sweep_plan *plan) {
  const char *name;
  const json_t *value;
  int status = check_required(plan);
  if (!status) status = check_company(plan);
  json_object_foreach(plan->options, name, value) if (!status) status = check_option(plan, "options", name);
  json_object_foreach(plan->grid, name, value) if (!status) status = check_option(plan, "grid", name);
  return status;
}
