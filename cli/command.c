// SPDX-License-Identifier: Apache-2.0
// The list of commands, and their options.
#include "cli/command.h"

#include <string.h>

#include "cli/progress.h"
#include "cli/stack_options.h"

const struct command *const commands[] = {
    &gemm_command,    &expert_command, &attention_command, &batch_command, &convert_command,
    &compare_command, &random_command, &info_command,      &help_command,  NULL};

const struct command *command_find(const char *name) {
  for (unsigned i = 0; commands[i]; i++)
    if (strcmp(commands[i]->name, name) == 0) return commands[i];
  return NULL;
}

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
