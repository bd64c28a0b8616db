// SPDX-License-Identifier: Apache-2.0
// Tables of time in text files (docs/schedule.md, "Files"). For hosts.
#include "schedule/tables_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "duplex/error.h"
#include "duplex/text_file.h"

#define ROW_WORDS (sizeof(struct schedule_row) / sizeof(uint32_t))
#define COST_WORDS (sizeof(struct schedule_costs) / sizeof(uint32_t))
#define LINES (7 + SCHEDULE_GROUPS + 2 + SCHEDULE_COSTS)

// A line of the file: a name, and that many numbers at a place in the tables.
struct line {
  const char *name;
  uint32_t *words;
  size_t count;
};

// The lines in order; returns how many. The rows have the number of groups in their name.
static size_t lines_of(struct schedule_times *times, uint32_t *origin, struct line lines[LINES],
                       char names[][16]) {
  static const char *const costs[SCHEDULE_COSTS] = {"costs_piece", "costs_bundle", "costs_stripes"};
  size_t count = 0;
  lines[count++] = (struct line){"version", &times->version, 1};
  lines[count++] = (struct line){"hash", &times->hash, 1};
  lines[count++] = (struct line){"origin", origin, 1};
  lines[count++] = (struct line){"clocks_per_unit", &times->clocks_per_unit, 1};
  lines[count++] = (struct line){"shape", &times->shape.hidden, sizeof times->shape / sizeof(uint32_t)};
  lines[count++] =
      (struct line){"placement", &times->placement.layout, sizeof times->placement / sizeof(uint32_t)};
  lines[count++] = (struct line){"knee", times->knee, SCHEDULE_PIECES + SCHEDULE_GROUPS + 1};
  for (uint32_t groups = 0; groups <= SCHEDULE_GROUPS; groups++) {
    snprintf(names[groups], sizeof names[groups], "groups_%" PRIu32, groups);
    lines[count++] = (struct line){names[groups], &times->rows[groups].pim[0][0], ROW_WORDS};
  }
  lines[count++] = (struct line){"slope", &times->slope.pim[0][0], ROW_WORDS};
  for (uint32_t i = 0; i < SCHEDULE_COSTS; i++)
    lines[count++] = (struct line){costs[i], times->costs[i].job, COST_WORDS};
  return count;
}

static int complain(int error, char *text, size_t size, const char *format, ...) {
  va_list words;
  va_start(words, format);
  vsnprintf(text, size, format, words);
  va_end(words);
  return error;
}

static void write_lines(FILE *file, const struct line *lines, size_t count) {
  for (size_t i = 0; i < count; i++) {
    fputs(lines[i].name, file);
    for (size_t j = 0; j < lines[i].count; j++) fprintf(file, " %" PRIu32, lines[i].words[j]);
    fputc('\n', file);
  }
}

// Under a temporary name first; false: errno says why.
static bool write_file(const char *path, const struct line *lines, size_t count) {
  const size_t length = strlen(path) + 32;
  char *temporary = malloc(length);
  if (!temporary) return false;
  snprintf(temporary, length, "%s.%ld", path, (long)getpid());
  FILE *file = fopen(temporary, "wxe");
  bool good = file != NULL;
  if (good) {
    write_lines(file, lines, count);
    good = !ferror(file);
    good = fclose(file) == 0 && good && rename(temporary, path) == 0;
  }
  const int cause = errno;
  if (!good && file) remove(temporary);
  free(temporary);
  errno = cause;
  return good;
}

// A device or a pipe is written as it is.
static bool write_special(const char *path, const struct line *lines, size_t count) {
  FILE *file = fopen(path, "we");
  if (!file) return false;
  write_lines(file, lines, count);
  const bool good = !ferror(file);
  return fclose(file) == 0 && good;
}

// A link stays: it is the file behind it that is replaced.
static bool write_path(const char *path, const struct line *lines, size_t count) {
  struct stat info;
  if (stat(path, &info) == 0 && !S_ISREG(info.st_mode)) return write_special(path, lines, count);
  char *target = duplex_text_target(path);
  const bool good = target && write_file(target, lines, count);
  const int cause = errno;
  free(target);
  errno = cause;
  return good;
}

static bool write_descriptor(const char *path, const struct line *lines, size_t count) {
  FILE *file = duplex_text_open(path);
  if (!file) return false;
  write_lines(file, lines, count);
  return duplex_text_close(file) == 0;
}

int schedule_save(const char *path, const struct schedule_times *times, uint32_t origin, char *text,
                  size_t size) {
  struct schedule_times copy = *times;
  struct line lines[LINES];
  char names[SCHEDULE_GROUPS + 1][16];
  const size_t count = lines_of(&copy, &origin, lines, names);
  const bool good = duplex_text_descriptor(path) < 0 ? write_path(path, lines, count)
                                                     : write_descriptor(path, lines, count);
  return good ? DUPLEX_OK : complain(DUPLEX_ERROR_IO, text, size, "%s: %s", path, strerror(errno));
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

// One number of 32 bits after one blank, without zeros before it; *at goes behind it.
static bool read_number(const char **at, uint32_t *number) {
  if (**at != ' ' || !is_digit((*at)[1]) || ((*at)[1] == '0' && is_digit((*at)[2]))) return false;
  char *end;
  errno = 0;
  const unsigned long long value = strtoull(*at + 1, &end, 10);
  if (errno || value > UINT32_MAX) return false;
  *number = (uint32_t)value;
  *at = end;
  return true;
}

// True if the line is what is expected. It may end as on Windows.
static bool read_line(const char *at, const struct line *line) {
  const size_t length = strlen(line->name);
  if (strncmp(at, line->name, length) != 0) return false;
  at += length;
  for (size_t i = 0; i < line->count; i++)
    if (!read_number(&at, &line->words[i])) return false;
  return strcmp(at, "\n") == 0 || strcmp(at, "\r\n") == 0;
}

// Reads the lines that the tables have, in their order and none behind them; only the syntax is checked.
static int read_file(FILE *file, const char *path, struct schedule_times *times, uint32_t *origin, char *text,
                     size_t size) {
  struct line lines[LINES];
  char names[SCHEDULE_GROUPS + 1][16], *buffer = NULL;
  size_t room = 0;
  const size_t count = lines_of(times, origin, lines, names);
  int error = 0;
  for (size_t i = 0; i < count && !error; i++) {
    const int got = duplex_text_line(file, &buffer, &room);
    if (got < 0 && ferror(file)) {
      error = complain(DUPLEX_ERROR_IO, text, size, "%s: %s", path, strerror(-got));
    } else if (got <= 0 || !read_line(buffer, &lines[i])) {
      error = complain(DUPLEX_ERROR_FORMAT, text, size, "%s:%zu: expected '%s' and %zu numbers of 32 bits",
                       path, i + 1, lines[i].name, lines[i].count);
    }
  }
  if (!error && duplex_text_line(file, &buffer, &room) != 0)
    error =
        complain(DUPLEX_ERROR_FORMAT, text, size, "%s:%zu: expected the end of the file", path, count + 1);
  free(buffer);
  return error;
}

// Reads tables and takes them only if their version, hash and order of times are right.
static int load(FILE *file, const char *path, struct schedule_times *times, uint32_t *origin, char *text,
                size_t size) {
  struct schedule_times read;
  uint32_t origin_read;
  if (!file) return complain(DUPLEX_ERROR_IO, text, size, "%s: %s", path, strerror(errno));
  const int error = read_file(file, path, &read, &origin_read, text, size);
  fclose(file);
  if (error) return error;
  if (read.version != SCHEDULE_VERSION)
    return complain(DUPLEX_ERROR_FORMAT, text, size, "%s:1: version %" PRIu32 ", expected %u", path,
                    read.version, SCHEDULE_VERSION);
  if (read.hash != schedule_hash(&read))
    return complain(DUPLEX_ERROR_FORMAT, text, size, "%s:2: the tables are damaged: expected hash %" PRIu32,
                    path, schedule_hash(&read));
  if (!schedule_valid(&read))
    return complain(
        DUPLEX_ERROR_FORMAT, text, size,
        "%s: the hash is right, but placement or times are impossible: expected times above 0, and along "
        "the cuts Logic-PIM's that do not fall and the xPU's that do not rise",
        path);
  *times = read;
  *origin = origin_read;
  return 0;
}

int schedule_load(const char *path, struct schedule_times *times, uint32_t *origin, char *text, size_t size) {
  return load(fopen(path, "re"), path, times, origin, text, size);
}

int schedule_load_text(const char *table, const char *name, struct schedule_times *times, uint32_t *origin,
                       char *text, size_t size) {
  return load(fmemopen((void *)(uintptr_t)table, strlen(table), "r"), name, times, origin, text, size);
}

// How a message tells a field of a shape: a number, or a word for each value.
static const struct field {
  const char *name;
  const char *words[4];
} fields[] = {{"hidden", {NULL}},
              {"inner", {NULL}},
              {"experts", {NULL}},
              {"stacks", {NULL}},
              {"channels", {NULL}},
              {"gate", {"none", "one"}},
              {"exponents of rows", {"none", "up", "down", "both"}},
              {"copies", {"1", "2"}},
              {"partial sums", {"exact", "f32"}}};
enum { FIELDS = sizeof fields / sizeof *fields };
_Static_assert(FIELDS == sizeof(struct schedule_shape) / sizeof(uint32_t), "a name for each");

static const char *value_of(const struct field *field, uint32_t value, char number[11]) {
  if (value < 4 && field->words[value]) return field->words[value];
  snprintf(number, 11, "%" PRIu32, value);
  return number;
}

int schedule_check(const char *path, const struct schedule_times *times, const struct schedule_shape *shape,
                   const struct schedule_placement *placement, char *text, size_t size) {
  const uint32_t *told = &times->shape.hidden;
  const uint32_t *wanted = &shape->hidden;
  char numbers[2][11];
  for (unsigned i = 0; i < FIELDS; i++)
    if (told[i] != wanted[i])
      return complain(DUPLEX_ERROR_FORMAT, text, size, "%s: a table of another shape: %s %s, expected %s",
                      path, fields[i].name, value_of(fields + i, told[i], numbers[0]),
                      value_of(fields + i, wanted[i], numbers[1]));
  if (memcmp(&times->placement, placement, sizeof *placement) == 0) return 0;
  return complain(DUPLEX_ERROR_FORMAT, text, size, "%s: a table of another placement of experts", path);
}
