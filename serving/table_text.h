// SPDX-License-Identifier: Apache-2.0
// Tables as text: line by line with errors that name file and line, and numbers as tables have them.
#ifndef SERVING_TABLE_TEXT_H
#define SERVING_TABLE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct table_text {
  const char *path;
  FILE *file;
  size_t line;  // the last one that was read, from 1 on
  char *text;   // of it, without its end
  size_t room;
  char *error;  // the caller's text
  size_t size;
};

// Opens a file. `expected`: what the message about a missing one ends with. Returns 0 or DUPLEX_ERROR_IO;
// table_text_close is right after both.
int table_text_open(struct table_text *table, const char *path, const char *expected, char *error,
                    size_t size);
// The same of one that may be opened more than once: anything but a regular file is refused.
int table_text_open_again(struct table_text *table, const char *path, const char *expected, char *error,
                          size_t size);
void table_text_close(struct table_text *table);

// Reads the next line. *found is false behind the last one. One without its end, which may be cut off, or
// with a byte 0 is refused. Returns 0, DUPLEX_ERROR_IO, _FORMAT or _NO_MEMORY, with a line in `error`.
int table_text_next(struct table_text *table, bool *found);
// The same, but a line without its end is taken, and *whole is false.
int table_text_line(struct table_text *table, bool *found, bool *whole);

// A line about the line that was read last; returns DUPLEX_ERROR_FORMAT.
int table_text_refuse(const struct table_text *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// A decimal number with an exponent or without, not hexadecimal, infinite or NaN: the whole text, or its
// begin, with *behind at what follows.
bool table_text_real(const char *text, double *value);
bool table_text_prefix(const char *text, double *value, const char **behind);

#endif
