// SPDX-License-Identifier: Apache-2.0
// The options of a command: its own, and those of all jobs on a stack.
#include "cli/command.h"

#include "cli/progress.h"
#include "cli/stack_options.h"

// Copies a table behind what is there; returns where it ends.
static struct option *append(struct option *to, const struct option *from) {
  while (from && from->name) *to++ = *from++;
  *to = (struct option){0};
  return to;
}

void command_options(const struct command *command, struct option *options) {
  struct option *end = append(options, command->options);
  append(end, command->on_stack ? stack_options : NULL);
}

int command_read(const struct command *command, int argc, char **argv, struct option *options) {
  command_options(command, options);
  const int status = read_options(argc, argv, options);
  if (option_value(options, "--quiet")) progress_off();
  return status;
}
