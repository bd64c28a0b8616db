// SPDX-License-Identifier: Apache-2.0
// Completion for bash from the tables of the commands.
#ifndef DUPLEX_CLI_COMPLETION_H
#define DUPLEX_CLI_COMPLETION_H

#include "cli/command.h"

void print_completion(const struct command *const *commands);

#endif
