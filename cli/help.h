// SPDX-License-Identifier: Apache-2.0
// What the command says about itself, all of it from the tables of command.h, stack_options.h and
// environment.h.
#ifndef DUPLEX_CLI_HELP_H
#define DUPLEX_CLI_HELP_H

#include "cli/command.h"

extern const struct command *const commands[];  // all of them; ends with NULL
const struct command *command_find(const char *name);

void help_overview(void);
void help_of(const struct command *command);

#endif
