// SPDX-License-Identifier: Apache-2.0
// Files of text: opened by name or by descriptor, write errors told when they close, lines of limited length.
#include "duplex/text_file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int duplex_text_descriptor(const char *path) {
  static const char *const folders[] = {"/dev/fd/", "/proc/self/fd/"};
  if (strcmp(path, "/dev/stdout") == 0) return STDOUT_FILENO;
  if (strcmp(path, "/dev/stderr") == 0) return STDERR_FILENO;
  for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
    const char *digits = path + strlen(folders[i]);
    char *end;
    if (strncmp(path, folders[i], strlen(folders[i])) != 0 || !isdigit((unsigned char)*digits)) continue;
    const long number = strtol(digits, &end, 10);
    if (!*end && number <= INT_MAX) return (int)number;
  }
  return -1;
}

FILE *duplex_text_open(const char *path) {
  const int shared = duplex_text_descriptor(path);
  if (shared < 0) return fopen(path, "we");
  const int own = fcntl(shared, F_DUPFD_CLOEXEC, 0);
  FILE *file = own < 0 ? NULL : fdopen(own, "w");
  if (!file && own >= 0) close(own);
  return file;
}

int duplex_text_close(FILE *file) {
  if (!file) return 0;
  const int failed = fflush(file) != 0 || ferror(file);
  const int cause = errno;
  if (fclose(file) != 0) return -1;
  if (failed) errno = cause ? cause : EIO;
  return failed ? -1 : 0;
}

// Room for two bytes more; false: too little memory.
static bool grow(char **line, size_t *room, size_t length) {
  if (*line && length + 2 <= *room) return true;
  const size_t wanted = 2 * length + 128;
  char *grown = realloc(*line, wanted);
  if (!grown) return false;
  *line = grown;
  *room = wanted;
  return true;
}

size_t duplex_text_mark(const char *text, size_t size) {
  static const char mark[] = "\xef\xbb\xbf";
  const size_t length = sizeof mark - 1;
  return size >= length && memcmp(text, mark, length) == 0 ? length : 0;
}

// Takes the mark away from the first line; returns what is left of its length.
static size_t drop_mark(char *line, size_t length) {
  const size_t mark = duplex_text_mark(line, length);
  if (mark) memmove(line, line + mark, length - mark);
  return length - mark;
}

ssize_t duplex_text_line(FILE *file, char **line, size_t *room) {
  const bool first = !*line;
  size_t length = 0;
  int c;
  errno = 0;
  do {
    c = getc(file);
    if (c == EOF) break;
    if (length == DUPLEX_LINE_MOST) return -EFBIG;
    if (!grow(line, room, length)) return -ENOMEM;
    (*line)[length++] = (char)c;
  } while (c != '\n');
  if (c == EOF && ferror(file)) return errno ? -errno : -EIO;
  if (first) length = drop_mark(*line, length);
  if (length) (*line)[length] = 0;
  return (ssize_t)length;
}

void duplex_reserve_descriptors(void) {
  int file;
  do file = open("/dev/null", O_RDWR);
  while (file >= 0 && file <= STDERR_FILENO);
  if (file >= 0) close(file);
}
