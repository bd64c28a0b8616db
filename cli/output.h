// SPDX-License-Identifier: Apache-2.0
// Files that a command will write. They are made under temporary names at once, so that an output that cannot
// be written is refused before any work, and get their names together at the end: all or none. A link to a
// file stays one; a device (/dev/null) or pipe is written as it is.
#ifndef DUPLEX_CLI_OUTPUT_H
#define DUPLEX_CLI_OUTPUT_H

#include <stddef.h>

#include "cli/npy.h"

#define OUTPUTS_MOST 8
struct output {
  const char *path;  // as given
  char *target;      // the file it means
  char *temporary;   // NULL: written as it is
  char *backup;      // second name of the file that was there
  int file;
};
struct outputs {
  unsigned count;
  struct output output[OUTPUTS_MOST];
};

// All return 0 or an exit status, with a line on standard error. `path`: as the user gave it.
int output_open(struct outputs *outputs, const char *option, const char *path);
int output_write(struct outputs *outputs, const char *path, const void *bytes, size_t size);
int output_tensor(struct outputs *outputs, const char *path, const struct tensor *tensor);

// Where somebody else writes an output; NULL: it was not opened.
const char *output_name(const struct outputs *outputs, const char *path);

int outputs_commit(struct outputs *outputs);
// What is open is given up; after a commit: does nothing.
void outputs_discard(struct outputs *outputs);

#endif
