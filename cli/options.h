// SPDX-License-Identifier: Apache-2.0
// Options of a command: --name value, or --name alone. The tables of the commands are the only place that
// names them; help, man pages and completion are made from these.
#ifndef DUPLEX_CLI_OPTIONS_H
#define DUPLEX_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/messages.h"

struct option {
  const char *name;      // with its dashes; NULL ends a table
  const char *argument;  // choices with | between them, or words in capitals; NULL: the option stands alone
  const char *what;      // what the help says of it
  bool required;
  const char *value;  // as given, "" of one that stands alone; NULL if not given
};
#define OPTIONS_MOST 56

// Reads the options of the list, which ends with a NULL name; the required ones have to be there. Returns 0
// or an exit status.
int read_options(int argc, char **argv, struct option *options);
const char *option_value(const struct option *options, const char *name);  // NULL: not given

// Before a text of the library that begins with the file, or a file of the folder, of an option: its name.
void name_file_option(const struct option *options, char *text, size_t size);

// The number of an option, `otherwise` if it was not given. Returns 0 or an exit status.
int number_option(const struct option *options, const char *name, uint64_t least, uint64_t most,
                  uint64_t otherwise, uint64_t *number);

// Behind the blanks of a list.
const char *skip_blanks(const char *at);

// The whole text is a number, without blanks before or behind it.
bool read_real(const char *text, double *number);

// Index of the option's value in the list (ends with NULL), 0 if it was not given.
int choice_option(const struct option *options, const char *name, const char *const *choices,
                  unsigned *index);

#endif
