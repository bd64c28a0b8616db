// SPDX-License-Identifier: Apache-2.0
// Matrices of a batch that stay on the stack between the lines that name the same files.
#ifndef DUPLEX_CLI_RESIDENT_H
#define DUPLEX_CLI_RESIDENT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "duplex/duplex.h"

// A matrix on the stack, or a pair of gate and up, as it was in its files.
struct resident {
  struct resident *next;  // the one used before it
  char *gate, *path;      // gate: NULL if there is none
  struct stat gate_info, info;
  struct duplex_weights *weights;
  unsigned matrices;  // 2: a pair
  size_t n, k;
};

struct session {
  struct duplex_stack *stack;
  struct resident *residents;  // latest first
  unsigned uploaded;           // by this line
  unsigned line;
  unsigned matrices;  // of this line: 2 is a pair
};

// Takes the one used longest ago from the stack, but never `kept`. False if there is none.
bool resident_evict(struct session *session, const struct resident *kept);

// The matrix of a file (or the pair of gate and matrix), brought to the stack if it is not there: others make
// room, but not `kept`. It has to be as many matrices as the line's x. The keys are the names of the files in
// messages. Returns an exit status.
int resident_of(struct session *session, const char *gate_key, const char *gate, const char *key,
                const char *path, const struct resident *kept, struct resident **found);

#endif
