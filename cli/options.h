// SPDX-License-Identifier: Apache-2.0
// Options of a command: --name value.
#ifndef DUPLEX_CLI_OPTIONS_H
#define DUPLEX_CLI_OPTIONS_H

#include <stdint.h>

#include "cli/messages.h"

struct option {
  const char *name;   // with its dashes
  const char *value;  // as given; NULL if not given
};

// Reads `--name value` pairs of the list, which ends with a NULL name. Returns 0 or an exit status.
int read_options(int argc, char **argv, struct option *options);
const char *option_value(const struct option *options, const char *name);  // NULL: not given
int require_options(const struct option *options, const char *const *names);

// The number of an option, `otherwise` if it was not given. Returns 0 or an exit status.
int number_option(const struct option *options, const char *name, uint64_t least, uint64_t most,
                  uint64_t otherwise, uint64_t *number);

// Index of the option's value in the list (ends with NULL), 0 if it was not given.
int choice_option(const struct option *options, const char *name, const char *const *choices,
                  unsigned *index);

#endif
