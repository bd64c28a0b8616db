// SPDX-License-Identifier: Apache-2.0
// Lines and numbers of tables.
#include "serving/table_text.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "duplex/error.h"
#include "duplex/text_file.h"
#include "serving/regular_file.h"

static int refuse_file(const struct table_text *table, const char *cause, const char *expected) {
  snprintf(table->error, table->size, "%s: %s, expected %s", table->path, cause, expected);
  return DUPLEX_ERROR_IO;
}

int table_text_open(struct table_text *table, const char *path, const char *expected, char *error,
                    size_t size) {
  *table = (struct table_text){.path = path, .error = error, .size = size, .file = fopen(path, "re")};
  if (!table->file) return refuse_file(table, strerror(errno), expected);
  struct stat there;
  if (fstat(fileno(table->file), &there) != 0 || !S_ISDIR(there.st_mode)) return DUPLEX_OK;
  fclose(table->file);
  table->file = NULL;
  return refuse_file(table, strerror(EISDIR), expected);
}

int table_text_open_again(struct table_text *table, const char *path, const char *expected, char *error,
                          size_t size) {
  const char *cause;
  *table = (struct table_text){
      .path = path, .error = error, .size = size, .file = regular_file_open(path, &cause)};
  return table->file ? DUPLEX_OK : refuse_file(table, cause, expected);
}

void table_text_close(struct table_text *table) {
  if (table->file) fclose(table->file);
  free(table->text);
  *table = (struct table_text){0};
}

int table_text_refuse(const struct table_text *table, const char *format, ...) {
  va_list words;
  const size_t line = table->line ? table->line : 1;  // of an empty file
  const int length = snprintf(table->error, table->size, "%s:%zu: ", table->path, line);
  va_start(words, format);
  if (length >= 0 && (size_t)length < table->size)
    vsnprintf(table->error + length, table->size - (size_t)length, format, words);
  va_end(words);
  for (char *c = table->error; *c; c++)
    if ((unsigned char)*c < ' ' || *c == 127) *c = '?';  // what a cell may have
  return DUPLEX_ERROR_FORMAT;
}

int table_text_line(struct table_text *table, bool *found, bool *whole) {
  const ssize_t length = duplex_text_line(table->file, &table->text, &table->room);
  *found = length > 0;
  if (length == 0) return DUPLEX_OK;
  table->line++;
  if (length < 0) {
    table_text_refuse(table, "cannot be read: %s", strerror((int)-length));
    return length == -ENOMEM ? DUPLEX_ERROR_NO_MEMORY : DUPLEX_ERROR_IO;
  }
  size_t end = (size_t)length;
  if (strlen(table->text) < end) return table_text_refuse(table, "has a byte 0, expected text");
  *whole = table->text[end - 1] == '\n';
  if (*whole) end--;
  if (*whole && end && table->text[end - 1] == '\r') end--;
  table->text[end] = 0;
  return DUPLEX_OK;
}

int table_text_next(struct table_text *table, bool *found) {
  bool whole = true;
  const int error = table_text_line(table, found, &whole);
  return error || whole ? error : table_text_refuse(table, "has no end, expected a line feed");
}

bool table_text_prefix(const char *text, double *value, const char **behind) {
  char *end;
  if (text[strspn(text, " +-")] == '0' && strpbrk(text, "xX")) return false;
  *value = strtod(text, &end);
  *behind = end;
  return end != text && isfinite(*value);
}

bool table_text_real(const char *text, double *value) {
  const char *end;
  return table_text_prefix(text, value, &end) && !*end;
}
