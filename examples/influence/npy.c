// SPDX-License-Identifier: Apache-2.0
// A reader of .npy files: magic, version, header length, a Python dict, the elements.
#include "npy.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define HEADER_MOST 65536u
#define ELEMENTS_MOST ((size_t)1 << 40)

static enum status wrong(const struct array *array, const char *what) {
  return report(BAD_INPUT, "%s %s: %s", array->option, array->path, what);
}

// Behind `'key':` and blanks in the header; NULL: there is no such key.
static const char *find_value(const char *header, const char *key) {
  char quoted[32];
  snprintf(quoted, sizeof quoted, "'%s':", key);
  const char *at = strstr(header, quoted);
  return at ? at + strlen(quoted) + strspn(at + strlen(quoted), " ") : NULL;
}

// (a, b, ...) of 1 to RANK_MOST numbers from 1 on, into shape and count; false: something else.
static bool read_shape(const char *at, struct array *array) {
  if (*at++ != '(') return false;
  array->count = 1;
  for (array->rank = 0; *at != ')'; array->rank++) {
    char *end;
    if (array->rank == RANK_MOST || *at < '1' || *at > '9') return false;
    const unsigned long long length = strtoull(at, &end, 10);
    if (length > ELEMENTS_MOST / array->count) return false;
    array->shape[array->rank] = (size_t)length;
    array->count *= (size_t)length;
    at = end + strspn(end, ", ");
  }
  return array->rank > 0;
}

// Type, order and shape of the dict.
static enum status read_dict(const char *header, const char *descr, struct array *array) {
  char type[16];
  snprintf(type, sizeof type, "'%s'", descr);
  const char *found = find_value(header, "descr");
  const char *order = find_value(header, "fortran_order");
  const char *shape = find_value(header, "shape");
  if (!found || !order || !shape) return wrong(array, "has a header that is no valid .npy dict");
  if (strncmp(found, type, strlen(type)) != 0)
    return report(BAD_INPUT, "%s %s: expected elements %s", array->option, array->path, descr);
  if (strncmp(order, "False", 5) != 0) return wrong(array, "expected C order");
  return read_shape(shape, array) ? GOOD : wrong(array, "expected a shape of 1 to 3 lengths from 1 on");
}

// Magic, version, length and dict.
static enum status read_header(FILE *file, const char *descr, struct array *array) {
  unsigned char start[12];
  if (fread(start, 1, 8, file) != 8 || memcmp(start, "\x93NUMPY", 6) != 0)
    return wrong(array, "is not a .npy file");
  const size_t length_bytes = start[6] == 1 ? 2 : 4;
  if (start[6] < 1 || start[6] > 3 || fread(start + 8, 1, length_bytes, file) != length_bytes)
    return wrong(array, "has a damaged header");
  size_t length = start[8] | (size_t)start[9] << 8;
  if (length_bytes == 4) length |= (size_t)start[10] << 16 | (size_t)start[11] << 24;
  if (length > HEADER_MOST) return wrong(array, "has a damaged header");
  char *text = allocate(length + 1, 1);
  if (!text) return FAILED;
  const bool whole = fread(text, 1, length, file) == length && strlen(text) == length;
  const enum status status = whole ? read_dict(text, descr, array) : wrong(array, "has a damaged header");
  free(text);
  return status;
}

// No exponent of all ones: neither NaN nor an infinity.
static enum status check_finite(const struct array *array, size_t size) {
  for (size_t i = 0; i < array->count; i++) {
    const bool finite = size == 2 ? (((const uint16_t *)array->data)[i] & 0x7c00u) != 0x7c00u
                                  : (((const uint32_t *)array->data)[i] & 0x7f800000u) != 0x7f800000u;
    if (!finite) return report(BAD_INPUT, "%s %s: element %zu is not finite", array->option, array->path, i);
  }
  return GOOD;
}

// The elements behind the header, with which the file ends.
static enum status read_elements(FILE *file, const char *descr, size_t size, struct array *array) {
  array->data = allocate(array->count, size);
  if (!array->data) return FAILED;
  if (fread(array->data, size, array->count, file) != array->count) return wrong(array, "is truncated");
  if (fgetc(file) != EOF) return wrong(array, "has bytes behind its elements");
  return descr[1] == 'f' ? check_finite(array, size) : GOOD;
}

enum status array_read(const char *option, const char *path, const char *descr, size_t size,
                       struct array *array) {
  *array = (struct array){.option = option, .path = path};
  FILE *file = fopen(path, "rb");
  if (!file) return report(BAD_INPUT, "%s %s: cannot be read: %s", option, path, strerror(errno));
  enum status status = read_header(file, descr, array);
  if (!status) status = read_elements(file, descr, size, array);
  fclose(file);
  if (status) array_free(array);
  return status;
}

void array_free(struct array *array) {
  free(array->data);
  array->data = NULL;
}

// Only a file of its own: a device or a pipe that was named stays.
static void remove_rest(const char *path) {
  struct stat info;
  if (lstat(path, &info) == 0 && S_ISREG(info.st_mode)) remove(path);
}

enum status array_write_f32(const char *path, const uint32_t *values, size_t count) {
  char header[128];
  memset(header, ' ', sizeof header);
  memcpy(header, "\x93NUMPY\x01\x00\x76\x00", 10);  // 0x76: the 118 bytes behind these ten
  const int length = snprintf(header + 10, sizeof header - 10,
                              "{'descr': '<f4', 'fortran_order': False, 'shape': (%zu,), }", count);
  header[10 + length] = ' ';
  header[sizeof header - 1] = '\n';
  FILE *file = fopen(path, "wb");
  if (!file) return report(BAD_INPUT, "--out %s: cannot be written: %s", path, strerror(errno));
  const bool whole =
      fwrite(header, sizeof header, 1, file) == 1 && fwrite(values, sizeof *values, count, file) == count;
  if (fclose(file) == 0 && whole) return GOOD;
  remove_rest(path);
  return report(FAILED, "--out %s: cannot be written whole", path);
}
