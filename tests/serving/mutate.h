// SPDX-License-Identifier: Apache-2.0
// Files that are damaged at random, for the parsers of the serving simulator.
#ifndef TESTS_SERVING_MUTATE_H
#define TESTS_SERVING_MUTATE_H

#include <stdio.h>
#include <string.h>

#include "duplex/random.h"

// Writes `text` to a file with a few bytes changed, taken out, doubled, or swapped for a telling one.
static inline void write_mutated(const char *path, const char *text, struct duplex_random *random) {
  static const char telling[] = "{}[]\",:-+.eE0129nN\\\n\t ";
  char bytes[4096];
  size_t length = strnlen(text, sizeof bytes / 2);
  memcpy(bytes, text, length);
  for (unsigned changes = 1 + (unsigned)duplex_random_below(random, 4); changes && length > 1; changes--) {
    const size_t at = duplex_random_below(random, length);
    const unsigned kind = (unsigned)duplex_random_below(random, 4);
    if (kind == 0) bytes[at] = (char)duplex_random_below(random, 256);
    if (kind == 1) bytes[at] = telling[duplex_random_below(random, sizeof telling - 1)];
    if (kind == 2) memmove(bytes + at, bytes + at + 1, --length - at);
    if (kind == 3) {
      memmove(bytes + at + 1, bytes + at, length - at);
      length++;
    }
  }
  FILE *file = fopen(path, "w");
  if (!file) return;
  fwrite(bytes, 1, length, file);
  fclose(file);
}

#endif
