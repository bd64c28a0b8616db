// SPDX-License-Identifier: Apache-2.0
// The environment variables of the command.
#ifndef DUPLEX_CLI_ENVIRONMENT_H
#define DUPLEX_CLI_ENVIRONMENT_H

struct variable {
  const char *name, *argument, *what;
};
extern const struct variable variables[];  // ends with a NULL name

// Refuses values that nobody would understand. Returns 0 or an exit status.
int environment_check(void);

#endif
