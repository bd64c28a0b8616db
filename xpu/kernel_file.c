// SPDX-License-Identifier: Apache-2.0
// Reads a table of measured kernels (kernel_table.h), and refuses what is none.
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duplex/error.h"
#include "duplex/text_file.h"
#include "xpu/kernel_kinds.h"
#include "xpu/kernel_table.h"

enum {
  LINE_MOST = 256,            // characters, more than any line that is right
  DECIMALS = 6,               // of a microsecond: picoseconds
  SHAPE_BITS = 24,            // numbers of a shape are below
  LENGTH_BITS = 40,           // and lengths
  MICROSECONDS = 1000000000,  // times are below
  MICROSECOND_BITS = 30,
  SHOWN_MOST = 24,  // characters of a wrong field that are shown
};

struct reader {
  const char *path;
  FILE *file;
  char text[LINE_MOST + 2];
  size_t line;
  const char *at;  // in text
  struct xpu_kernel_table *table;
  size_t room;
  char *cause;
  size_t cause_size;
};

// Notes the cause, with the place in the file.
__attribute__((format(printf, 2, 3))) static int refuse(struct reader *r, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const size_t column = r->at ? (size_t)(r->at - r->text) + 1 : 1;
  const int length =
      snprintf(r->cause, r->cause_size, "%s, line %zu, column %zu: ", r->path, r->line, column);
  if (length >= 0 && (size_t)length < r->cause_size)
    vsnprintf(r->cause + length, r->cause_size - (size_t)length, format, arguments);
  va_end(arguments);
  return DUPLEX_ERROR_FORMAT;
}

static int io_error(struct reader *r) {
  snprintf(r->cause, r->cause_size, "%s: cannot be read: %s", r->path, strerror(errno));
  return DUPLEX_ERROR_IO;
}

// The next line without its end in r->text; *found is false behind the last one.
static int next_line(struct reader *r, bool *found) {
  size_t length = 0;
  int c;
  r->line++;
  r->at = NULL;
  errno = 0;
  while ((c = getc(r->file)) != EOF && c != '\n' && length <= LINE_MOST) r->text[length++] = (char)c;
  if (r->line == 1) {
    const size_t mark = duplex_text_mark(r->text, length);
    memmove(r->text, r->text + mark, length -= mark);
  }
  r->text[length] = 0;
  if (c == EOF && ferror(r->file)) return io_error(r);
  if (length > LINE_MOST) return refuse(r, "expected at most %d characters", LINE_MOST);
  if (c == EOF && length) return refuse(r, "expected the end of the line: the file was cut off");
  if (memchr(r->text, 0, length)) return refuse(r, "expected text, found a byte 0");
  if (length && r->text[length - 1] == '\r') r->text[length - 1] = 0;
  r->at = r->text;
  *found = c != EOF;
  return DUPLEX_OK;
}

// What stands where something else was expected, up to the next comma.
static int wrong_field(struct reader *r, const char *expected) {
  const size_t length = strcspn(r->at, ",");
  return refuse(r, "expected %s, found '%.*s'", expected, length > SHOWN_MOST ? SHOWN_MOST : (int)length,
                r->at);
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Digits, up to so many bits. Returns where they end, r->at if there are none or too many.
static const char *digits(const struct reader *r, unsigned bits, uint64_t *value) {
  const char *at = r->at;
  for (*value = 0; is_digit(*at); at++) {
    *value = *value * 10 + (uint64_t)(*at - '0');
    if (*value >> bits) return r->at;
  }
  return at;
}

// A whole number from 1 on, below 2^bits, and the comma behind it.
static int number(struct reader *r, unsigned bits, uint64_t *value) {
  char expected[64];
  const char *end = digits(r, bits, value);
  snprintf(expected, sizeof expected, "a whole number from 1 to %llu", (1ull << bits) - 1);
  if (end == r->at || *value == 0 || (*end != ',' && *end)) return wrong_field(r, expected);
  if (!*end) return refuse(r, "expected more columns");
  r->at = end + 1;
  return DUPLEX_OK;
}

// Microseconds at the end of the line, in ps: decimals beyond the sixth are cut off.
static int latency(struct reader *r, uint64_t *picoseconds) {
  static const char expected[] = "microseconds above 0 and below 10^9, as 12.34";
  uint64_t whole;
  const char *at = digits(r, MICROSECOND_BITS, &whole);
  bool good = at != r->at && whole < MICROSECONDS;
  for (unsigned i = 0; i < DECIMALS; i++) whole *= 10;
  if (good && *at == '.') {
    uint64_t unit = 100000;
    good = is_digit(*++at);
    for (; is_digit(*at); at++, unit /= 10) whole += unit * (uint64_t)(*at - '0');
  }
  *picoseconds = whole;
  if (!good || !whole || (*at && *at != ',')) return wrong_field(r, expected);
  r->at = at;
  return *at ? refuse(r, "expected the end of the line, found ','") : DUPLEX_OK;
}

// The first line, which is that of the kind.
static int header(struct reader *r) {
  const char *expected = xpu_kernel_kinds[r->table->kind].header;
  bool found = false;
  const int error = next_line(r, &found);
  if (error) return error;
  return found && strcmp(r->text, expected) == 0 ? DUPLEX_OK
                                                 : refuse(r, "expected the columns '%s'", expected);
}

// The numbers of a line.
static int kernel(struct reader *r, struct xpu_kernel *k) {
  const struct xpu_kernel_layout *kind = &xpu_kernel_kinds[r->table->kind];
  int error = DUPLEX_OK;
  unsigned field = 0;
  *k = (struct xpu_kernel){.shape = {1, 1, 1, 1}, .line = r->line};
  for (unsigned i = 0; i <= kind->shape_fields && !error; i++)
    error = i == kind->length_field ? number(r, LENGTH_BITS, &k->length)
                                    : number(r, SHAPE_BITS, &k->shape[field++]);
  return error ? error : latency(r, &k->picoseconds);
}

static int no_memory(const struct reader *r) {
  snprintf(r->cause, r->cause_size, "%s: the host has too little memory", r->path);
  return DUPLEX_ERROR_NO_MEMORY;
}

static int append(struct reader *r, const struct xpu_kernel *k) {
  struct xpu_kernel_table *t = r->table;
  if (t->count == r->room) {
    const size_t room = r->room ? 2 * r->room : 64;
    struct xpu_kernel *more = realloc(t->kernels, room * sizeof *more);
    if (!more) {
      return no_memory(r);
    }
    t->kernels = more;
    r->room = room;
  }
  t->kernels[t->count++] = *k;
  return DUPLEX_OK;
}

static int compare(const void *left, const void *right) {
  const struct xpu_kernel *a = left;
  const struct xpu_kernel *b = right;
  const int shapes = xpu_kernel_compare_shapes(a->shape, b->shape);
  if (shapes) return shapes;
  if (a->length != b->length) return a->length < b->length ? -1 : 1;
  return a->line < b->line ? -1 : 1;
}

// Puts the kernels in order; none may stand there twice.
static int sort(struct reader *r) {
  struct xpu_kernel_table *t = r->table;
  qsort(t->kernels, t->count, sizeof *t->kernels, compare);
  for (size_t i = 1; i < t->count; i++) {
    const struct xpu_kernel *a = &t->kernels[i - 1];
    const struct xpu_kernel *b = &t->kernels[i];
    if (!xpu_kernel_same_shape(a, b) || a->length != b->length) continue;
    r->line = b->line;
    r->at = NULL;
    return refuse(r, "expected a kernel of its own, found that of line %zu again", a->line);
  }
  return DUPLEX_OK;
}

static int read_table(struct reader *r) {
  bool found = true;
  int error = header(r);
  while (!error && found) {
    struct xpu_kernel k;
    error = next_line(r, &found);
    if (!error && found) error = kernel(r, &k);
    if (!error && found) error = append(r, &k);
  }
  if (!error && r->table->count == 0) error = refuse(r, "expected a kernel");
  if (!error) error = sort(r);
  if (error) return error;
  return xpu_kernel_table_index(r->table) ? no_memory(r) : DUPLEX_OK;
}

int xpu_kernel_table_load(const char *path, enum xpu_kernel_kind kind, struct xpu_kernel_table *table,
                          char *cause, size_t cause_size) {
  struct reader r = {.path = path, .table = table, .cause = cause, .cause_size = cause_size};
  *table = (struct xpu_kernel_table){.kind = kind};
  r.file = fopen(path, "r");
  if (!r.file) return io_error(&r);
  const int error = read_table(&r);
  fclose(r.file);
  if (error) xpu_kernel_table_free(table);
  return error;
}

void xpu_kernel_table_free(struct xpu_kernel_table *table) {
  free(table->kernels);
  free(table->shapes);
  *table = (struct xpu_kernel_table){0};
}
