// SPDX-License-Identifier: Apache-2.0
// Man pages from the tables of the commands.
#ifndef DUPLEX_CLI_MANUAL_H
#define DUPLEX_CLI_MANUAL_H

#include "cli/command.h"

// In troff; command NULL: the page of all of them.
void manual_page(const struct command *const *commands, const struct command *command);

#endif
