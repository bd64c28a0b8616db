// SPDX-License-Identifier: Apache-2.0
// The points of a sweep: a grid of options of duplex serve.
#ifndef DUPLEX_CLI_SWEEP_PLAN_H
#define DUPLEX_CLI_SWEEP_PLAN_H

#include <stddef.h>

#include "serving/config_file.h"

struct sweep_plan {
  const char *path;
  struct config_file file;  // {"options": {name: value}, "grid": {name: [values]}}
  json_t *options, *grid;   // of it; options may be NULL
  char error[1024];
  size_t points;  // 1 at least
};

// Reads a plan. Returns 0 or an exit status.
int sweep_plan_read(struct sweep_plan *plan, const char *path);
// A line about an option among the options or in the grid, which are `object`; returns EXIT_BAD_INPUT.
int sweep_plan_refuse(const struct sweep_plan *plan, const char *object, const char *name, const char *format,
                      ...) __attribute__((format(printf, 4, 5)));
void sweep_plan_free(struct sweep_plan *plan);

// The value of an option of the grid in a point: the last one changes with every point.
const json_t *sweep_plan_value(const struct sweep_plan *plan, size_t point, const char *name);

// "duplex", "serve", the options of a point, room for two more, NULL; free with sweep_arguments_free. NULL:
// too little memory.
char **sweep_plan_arguments(const struct sweep_plan *plan, size_t point);
void sweep_arguments_free(char **arguments);

// A value as an option has it; "true" or "false" of one that stands alone; free it. NULL: too little memory.
char *sweep_text(const json_t *value);

#endif
