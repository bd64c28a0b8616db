// SPDX-License-Identifier: Apache-2.0
// Which file a name means, and whether it can be written as a whole.
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "duplex/text_file.h"

#define LINKS_MOST 40  // as many symbolic links as the system follows

char *duplex_text_beside(const char *path, const char *name) {
  char *copy = strdup(path);
  char *folder = copy && name[0] != '/' ? realpath(dirname(copy), NULL) : NULL;
  char *result = name[0] == '/' ? strdup(name) : NULL;
  if (folder) result = malloc(strlen(folder) + strlen(name) + 2);
  if (folder && result) strcat(strcat(strcpy(result, folder), "/"), name);
  free(copy);
  free(folder);
  return result;
}

// duplex_text_target behind so many links.
static char *resolve(const char *path, unsigned links) {
  char *real = realpath(path, NULL);
  if (real || errno != ENOENT) return real;
  char target[PATH_MAX];
  const ssize_t length = readlink(path, target, sizeof target - 1);
  if (length > 0) {  // a link to a file that is not there yet
    target[length] = 0;
    char *next = duplex_text_beside(path, target);
    real = next && links < LINKS_MOST ? resolve(next, links + 1) : NULL;
    free(next);
    return real;
  }
  char *copy = strdup(path);
  real = copy ? duplex_text_beside(path, basename(copy)) : NULL;
  free(copy);
  return real;
}

char *duplex_text_target(const char *path) { return resolve(path, 0); }

// A file that is there has a write bit and is this process's to write; else errno says why.
static int check_mode(const char *target) {
  struct stat info;
  if (stat(target, &info) != 0) return errno == ENOENT ? 0 : -1;
  if (S_ISDIR(info.st_mode)) errno = EISDIR;
  if (!(info.st_mode & 0222)) errno = EACCES;
  return !S_ISDIR(info.st_mode) && info.st_mode & 0222 ? access(target, W_OK) : -1;
}

int duplex_text_may_replace(const char *path) {
  char *target = duplex_text_target(path);
  char *name = target && check_mode(target) == 0 ? duplex_text_beside(target, ".duplex-XXXXXX") : NULL;
  const int file = name ? mkostemp(name, O_CLOEXEC) : -1;
  const int cause = errno;
  if (file >= 0) {
    close(file);
    unlink(name);
  }
  free(name);
  free(target);
  errno = cause;
  return file >= 0 ? 0 : -1;
}
