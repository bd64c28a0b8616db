// SPDX-License-Identifier: Apache-2.0
// Recorded routing: how many tokens each expert of each layer had.
#ifndef SERVING_IMBALANCE_FILE_H
#define SERVING_IMBALANCE_FILE_H

#include <stddef.h>

struct recorded {
  unsigned layers;  // those that have rows, in rising order
  double *tokens;   // [layers][experts], of all steps
  unsigned *names;  // [layers]: their numbers in the file,
  size_t *lines;    // and the lines of their first rows
};

// Reads a table layer,step,expert,tokens of experts below `experts`. Returns 0, DUPLEX_ERROR_IO, _FORMAT or
// _NO_MEMORY, with a line in `error`.
int recorded_read(struct recorded *recorded, const char *path, unsigned experts, char *error, size_t size);
void recorded_free(struct recorded *recorded);

#endif
