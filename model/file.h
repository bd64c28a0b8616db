// SPDX-License-Identifier: Apache-2.0
// Files of a model, mapped into memory for reading.
#ifndef MODEL_FILE_H
#define MODEL_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "model/error.h"

struct model_file {
  char *path;
  const uint8_t *bytes;  // NULL: the file is empty
  size_t size;
};

struct model_files {
  struct model_file *list;
  size_t count, room;
};

// Maps a file and adds it. Errors: IO (cannot be read, is no regular file), NO_MEMORY.
int model_file_map(struct model_files *files, const char *path, struct model_file *file,
                   struct model_error *error);
void model_files_close(struct model_files *files);

// folder/name, to be freed; NULL: too little memory.
char *model_path(const char *folder, const char *name);

#endif
