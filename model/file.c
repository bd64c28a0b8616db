// SPDX-License-Identifier: Apache-2.0
// Files of a model, mapped into memory for reading.
#include "model/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

// Maps an open file. A mapping outlives its descriptor.
static int map(int descriptor, struct model_file *file, struct model_error *error) {
  struct stat info;
  if (fstat(descriptor, &info) != 0)
    return model_fail(error, DUPLEX_ERROR_IO, "%s: cannot be read: %s", file->path, strerror(errno));
  if (!S_ISREG(info.st_mode))
    return model_fail(error, DUPLEX_ERROR_IO, "%s: expected a regular file", file->path);
  file->size = (size_t)info.st_size;
  if (file->size == 0) return DUPLEX_OK;
  void *bytes = mmap(NULL, file->size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  if (bytes == MAP_FAILED)
    return model_fail(error, DUPLEX_ERROR_IO, "%s: cannot be mapped: %s", file->path, strerror(errno));
  file->bytes = bytes;
  return DUPLEX_OK;
}

// Room for one more file.
static int make_room(struct model_files *files, struct model_error *error) {
  if (files->count < files->room) return DUPLEX_OK;
  const size_t room = files->room ? 2 * files->room : 4;
  struct model_file *list = realloc(files->list, room * sizeof *list);
  if (!list) return model_no_memory(error);
  files->list = list;
  files->room = room;
  return DUPLEX_OK;
}

int model_file_map(struct model_files *files, const char *path, struct model_file *file,
                   struct model_error *error) {
  if (make_room(files, error)) return DUPLEX_ERROR_NO_MEMORY;
  *file = (struct model_file){.path = strdup(path)};
  if (!file->path) return model_no_memory(error);
  const int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  int status = DUPLEX_OK;
  if (descriptor < 0) {
    status = model_fail(error, DUPLEX_ERROR_IO, "%s: cannot be read: %s", path, strerror(errno));
  } else {
    status = map(descriptor, file, error);
    close(descriptor);
  }
  if (status) {
    free(file->path);
  } else {
    files->list[files->count++] = *file;
  }
  return status;
}

void model_files_close(struct model_files *files) {
  for (size_t i = 0; i < files->count; i++) {
    if (files->list[i].bytes) munmap((void *)(uintptr_t)files->list[i].bytes, files->list[i].size);
    free(files->list[i].path);
  }
  free(files->list);
  *files = (struct model_files){0};
}

char *model_path(const char *folder, const char *name) {
  const size_t size = strlen(folder) + strlen(name) + 2;
  char *path = malloc(size);
  if (path) snprintf(path, size, "%s/%s", folder, name);
  return path;
}
