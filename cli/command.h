// SPDX-License-Identifier: Apache-2.0
// The commands of `duplex` as tables: what runs them, and all that help, man pages and completion say.
#ifndef DUPLEX_CLI_COMMAND_H
#define DUPLEX_CLI_COMMAND_H

#include "cli/options.h"

struct command {
  const char *name;
  const char *operands;               // what comes before the options, such as "A.npy B.npy"; "" for none
  const char *what;                   // a line
  const char *text;                   // paragraphs with a line feed behind each
  const struct option *options;       // its own; NULL: none
  bool on_stack;                      // has the options of stack_options.h, too
  int (*run)(int argc, char **argv);  // the arguments behind its name; returns an exit status
};

extern const struct command gemm_command, expert_command, attention_command, moe_command, run_command,
    serve_command, sweep_command, validate_command, batch_command, convert_command, compare_command,
    random_command, info_command, help_command;

// The options of a command, its own first, then those of the stack; OPTIONS_MOST with the NULL name.
void command_options(const struct command *command, struct option *options);

// The arguments by those options. Returns 0 or an exit status.
int command_read(const struct command *command, int argc, char **argv, struct option *options);

#endif
