// SPDX-License-Identifier: Apache-2.0
// What the result of a point is kept under.
#include "cli/sweep_hash.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "serving/kernels.h"

// FNV-1a over some more bytes.
static uint64_t add_bytes(uint64_t hash, const char *bytes, size_t count) {
  for (size_t i = 0; i < count; i++) hash = (hash ^ (unsigned char)bytes[i]) * 1099511628211u;
  return hash;
}

// The content of a regular file; nothing of what is none.
static uint64_t add_file(uint64_t hash, const char *path) {
  char bytes[4096];
  struct stat what;
  FILE *file = stat(path, &what) == 0 && S_ISREG(what.st_mode) ? fopen(path, "re") : NULL;
  if (!file) return hash;
  for (size_t count; (count = fread(bytes, 1, sizeof bytes, file)) > 0;) hash = add_bytes(hash, bytes, count);
  fclose(file);
  return hash;
}

static uint64_t add_tables(uint64_t hash, const char *folder) {
  char path[4096];
  for (unsigned i = 0; kernels_names[i]; i++) {
    snprintf(path, sizeof path, "%s/%s.csv", folder, kernels_names[i]);
    hash = add_file(hash, path);
  }
  return hash;
}

uint64_t sweep_arguments_hash(char *const *arguments) {
  uint64_t hash = 14695981039346656037u;
  hash = add_bytes(hash, DUPLEX_VERSION_TEXT, strlen(DUPLEX_VERSION_TEXT));
  for (; *arguments; arguments++)
    hash = add_tables(add_file(add_bytes(hash, *arguments, strlen(*arguments) + 1), *arguments), *arguments);
  return hash;
}
