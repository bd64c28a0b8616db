// SPDX-License-Identifier: Apache-2.0
// Regular files: opened without waiting for a writer.
#include "serving/regular_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

FILE *regular_file_open(const char *path, const char **cause) {
  struct stat info;
  FILE *file = NULL;
  const int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  const int failed = descriptor < 0 || fstat(descriptor, &info) != 0;
  if (!failed && S_ISREG(info.st_mode)) file = fdopen(descriptor, "r");
  if (file) return file;
  *cause = failed || S_ISREG(info.st_mode) ? strerror(errno) : "is no regular file";
  if (descriptor >= 0) close(descriptor);
  return NULL;
}
