// SPDX-License-Identifier: Apache-2.0
// What the command says about itself, all of it from the tables of command.h, stack_options.h and
// environment.h.
#ifndef DUPLEX_CLI_HELP_H
#define DUPLEX_CLI_HELP_H

#include "cli/command.h"

void help_overview(void);
void help_of(const struct command *command);

// In troff; NULL: of all commands.
void manual_page(const struct command *command);

// For bash.
void print_completion(void);

#endif
