// SPDX-License-Identifier: Apache-2.0
// Files of the tests of the serving simulator: texts, what has to be said of wrong ones, and damage at
// random.
//
// To be included behind cmocka.h.
#ifndef TESTS_SERVING_FILES_H
#define TESTS_SERVING_FILES_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "duplex/random.h"
#include "tests/common/environment.h"

// An empty file; path: a template of mkstemp.
static inline bool make_file(char *path) {
  const int file = mkstemp(path);
  return file >= 0 && close(file) == 0;
}

static inline void write_text(const char *path, const char *text) {
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  assert_true(fputs(text, file) >= 0);
  assert_int_equal(fclose(file), 0);
}

// One line with the file, what follows its name, such as ":3:", and a word.
static inline void check_message(const char *error, const char *path, const char *line, const char *word) {
  char where[256];
  snprintf(where, sizeof where, "%s%s", path, line);
  if (!strstr(error, where) || !strstr(error, word) || strchr(error, '\n'))
    fail_msg("'%s', expected '%s' and '%s'", error, where, word);
}

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
  assert_non_null(file);
  assert_int_equal(fwrite(bytes, 1, length, file), length);
  assert_int_equal(fclose(file), 0);
}

// Reads the damaged file of a case, checks what it took, and returns 0; or a code, with a line in `error`.
typedef int read_damaged(uint64_t number, char *error, size_t size);

// Damages the text number `case % count` of each case, and has it read: it is taken, or refused with one line
// that names the file first. At least one in 50 is taken, and not more than `most`, a share of the cases.
static inline void check_mutations(const char *path, const char *const *texts, unsigned count, uint64_t cases,
                                   double most, read_damaged *read) {
  struct duplex_random random;
  uint64_t taken = 0;
  cases *= environment_count("DUPLEX_CASES");
  duplex_random_seed(&random, environment_seed(), 0);
  for (uint64_t i = 0; i < cases; i++) {
    char error[1024] = "";
    write_mutated(path, texts[i % count], &random);
    if (read(i, error, sizeof error) == 0)
      taken++;
    else if (strncmp(error, path, strlen(path)) != 0 || strchr(error, '\n'))
      fail_msg("case %llu: '%s'", (unsigned long long)i, error);
  }
  assert_true(taken > cases / 50 && (double)taken < most * (double)cases);
}

#endif
