// SPDX-License-Identifier: Apache-2.0
// NumPy's .npy files, versions 1 to 3: magic, version, header length, a Python dict of descr, fortran_order
// and shape, then the elements.
#include "cli/npy.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/messages.h"
#include "cli/progress.h"
#include "cli/source.h"

#define HEADER_MOST 65536u
#define READ_PART ((size_t)1 << 24)  // bytes at a time

static const struct {
  const char *name;
  size_t size;
} elements[] = {[ELEMENT_F16] = {"<f2", 2},
                [ELEMENT_F32] = {"<f4", 4},
                [ELEMENT_ACC] = {"|V16", 16},
                [ELEMENT_I32] = {"<i4", 4},
                [ELEMENT_I64] = {"<i8", 8}};

// Element types that a reader takes, and what it says otherwise; advice if the type is one that others have.
struct accepted {
  enum element first, last;
  const char *names, *advice;
};
static const struct accepted halves = {ELEMENT_F16, ELEMENT_F16, "<f2",
                                       ": `duplex convert` makes it, or astype('<f2') of NumPy"};
static const struct accepted values = {ELEMENT_F16, ELEMENT_ACC, "<f2, <f4 or |V16", ""};
static const struct accepted integers = {ELEMENT_I32, ELEMENT_I64, "<i4 or <i8",
                                         ": astype('<i4') of NumPy makes it"};

size_t element_size(enum element element) { return elements[element].size; }
const char *element_name(enum element element) { return elements[element].name; }

static const char *skip_space(const char *at) {
  while (isspace((unsigned char)*at)) at++;
  return at;
}

// 'text' or "text"; NULL if there is none or it does not fit.
static const char *read_string(const char *at, char *text, size_t size) {
  const char quote = *at;
  if (quote != '\'' && quote != '"') return NULL;
  const char *end = strchr(at + 1, quote);
  if (!end || (size_t)(end - at - 1) >= size) return NULL;
  memcpy(text, at + 1, (size_t)(end - at - 1));
  text[end - at - 1] = 0;
  return end + 1;
}

// (a, b, ...) of numbers, of which the first RANK_MOST are kept; NULL: it is something else.
static const char *read_shape(const char *at, struct npy_file *header) {
  if (*at++ != '(') return NULL;
  header->rank = 0;
  for (at = skip_space(at); *at != ')'; at = skip_space(at)) {
    char *end;
    if (!isdigit((unsigned char)*at)) return NULL;
    if (*at == '0' && isdigit((unsigned char)at[1])) return NULL;  // no number of Python
    errno = 0;
    const unsigned long long value = strtoull(at, &end, 10);
    if (errno || value > SIZE_MAX) return NULL;
    if (header->rank < RANK_MOST) header->shape[header->rank] = (size_t)value;
    header->rank++;
    at = skip_space(*end == 'L' ? end + 1 : end);
    if (*at == ',') {
      at++;
    } else if (*at != ')') {
      return NULL;
    }
  }
  return at + 1;
}

// The end of a list with all that is in it; NULL: it has none.
static const char *skip_list(const char *at) {
  unsigned depth = 0;
  for (; *at; at++) {
    if (*at == '\'' || *at == '"') at = strchr(at + 1, *at);
    if (!at) return NULL;
    depth += *at == '[';
    if (*at == ']' && --depth == 0) return at + 1;
  }
  return NULL;
}

// The type of the elements: a text, or the list of the members of a structure.
static const char *read_descr(const char *at, struct npy_file *header) {
  if (*at != '[') return read_string(at, header->descr, sizeof header->descr);
  snprintf(header->descr, sizeof header->descr, "structured");
  return skip_list(at);
}

// 'key': value; NULL: it is something else, or the key was there already.
static const char *read_entry(const char *at, struct npy_file *header) {
  char key[32];
  at = read_string(at, key, sizeof key);
  if (!at) return NULL;
  at = skip_space(at);
  if (*at++ != ':') return NULL;
  at = skip_space(at);
  if (strcmp(key, "descr") == 0 && !header->has_descr) {
    header->has_descr = true;
    return read_descr(at, header);
  }
  if (strcmp(key, "fortran_order") == 0 && !header->has_order) {
    header->has_order = true;
    header->fortran_order = strncmp(at, "True", 4) == 0;
    if (header->fortran_order) return at + 4;
    return strncmp(at, "False", 5) == 0 ? at + 5 : NULL;
  }
  if (strcmp(key, "shape") == 0 && !header->has_shape) {
    header->has_shape = true;
    return read_shape(at, header);
  }
  return NULL;
}

// {entry, ...} with all three keys, and nothing behind it.
static bool read_dict(const char *at, struct npy_file *header) {
  at = skip_space(at);
  if (*at++ != '{') return false;
  for (at = skip_space(at); *at != '}'; at = skip_space(at)) {
    at = read_entry(at, header);
    if (!at) return false;
    at = skip_space(at);
    if (*at == ',') {
      at++;
    } else if (*at != '}') {
      return false;
    }
  }
  return *skip_space(at + 1) == 0 && header->has_descr && header->has_order && header->has_shape;
}

// Magic, version, length and dict. Returns NULL, or what is wrong.
static const char *read_header(FILE *file, struct npy_file *header, size_t *bytes) {
  unsigned char start[12];
  if (fread(start, 1, 8, file) != 8 || memcmp(start, "\x93NUMPY", 6) != 0) return "is not a .npy file";
  const unsigned version = start[6];
  const unsigned length_bytes = version == 1 ? 2 : 4;
  if (version < 1 || version > 3 || start[7] != 0) return "has an unknown .npy version, expected 1 to 3";
  if (fread(start + 8, 1, length_bytes, file) != length_bytes) return "is truncated in its header";
  size_t length = start[8] | (size_t)start[9] << 8;
  if (length_bytes == 4) length |= (size_t)start[10] << 16 | (size_t)start[11] << 24;
  if (length > HEADER_MOST) return "has a header that is too long";
  char *text = malloc(length + 1);
  if (!text) return "needs too much memory";
  const bool whole = fread(text, 1, length, file) == length;
  text[length] = 0;
  const bool good = whole && strlen(text) == length && read_dict(text, header);
  free(text);
  *bytes = 8 + length_bytes + length;
  if (!whole) return "is truncated in its header";
  return good ? NULL : "has a header that is no valid .npy dict";
}

static bool multiply(size_t a, size_t b, size_t *product) { return !__builtin_mul_overflow(a, b, product); }

// Of this machine; SIZE_MAX: not known.
static size_t memory_bytes(void) {
  const long pages = sysconf(_SC_PHYS_PAGES);
  const long page = sysconf(_SC_PAGESIZE);
  return pages > 0 && page > 0 ? (size_t)pages * (size_t)page : SIZE_MAX;
}

int tensor_shape(enum element element, unsigned rank, const size_t *shape, struct tensor *tensor) {
  size_t bytes;
  *tensor = (struct tensor){.element = element, .rank = rank, .count = 1};
  for (unsigned i = 0; i < rank; i++) {
    tensor->shape[i] = shape[i];
    if (!multiply(tensor->count, shape[i], &tensor->count))
      return fail(EXIT_BAD_INPUT, "a tensor is too large");
  }
  return multiply(tensor->count, element_size(element), &bytes) && bytes <= INT64_MAX
             ? EXIT_GOOD
             : fail(EXIT_BAD_INPUT, "a tensor of %zu elements is too large", tensor->count);
}

int tensor_new(enum element element, unsigned rank, const size_t *shape, struct tensor *tensor) {
  if (tensor_shape(element, rank, shape, tensor)) return EXIT_BAD_INPUT;
  const size_t bytes = tensor->count * element_size(element);
  tensor->data = bytes <= memory_bytes() ? malloc(bytes ? bytes : 1) : NULL;
  return tensor->data ? EXIT_GOOD
                      : fail(EXIT_BAD_INPUT, "too little memory for a tensor of %zu elements", tensor->count);
}

void tensor_free(struct tensor *tensor) {
  free(tensor->data);
  tensor->data = NULL;
}

// The header's element type, if it is one of those accepted.
static int find_element(const struct npy_file *file, const struct accepted *accepted, enum element *element) {
  for (unsigned i = accepted->first; i <= (unsigned)accepted->last; i++)
    if (strcmp(file->descr, elements[i].name) == 0) {
      *element = (enum element)i;
      return EXIT_GOOD;
    }
  bool big_endian;
  return fail(EXIT_BAD_INPUT, "%s %s: its elements are %s, expected %s%s", file->option, file->path,
              file->descr, accepted->names, source_find(file->descr, &big_endian) ? accepted->advice : "");
}

// What a file is that has no size, or NULL.
static const char *not_regular(FILE *stream) {
  struct stat info;
  if (fstat(fileno(stream), &info) != 0) return "of an unknown kind";
  switch (info.st_mode & S_IFMT) {
    case S_IFREG:
      return NULL;
    case S_IFDIR:
      return "a folder";
    case S_IFIFO:
      return "a pipe";
    case S_IFSOCK:
      return "a socket";
    default:
      return "a device";
  }
}

int npy_open(const char *option, const char *path, struct npy_file *file) {
  size_t header_bytes = 0;
  struct stat info;
  *file = (struct npy_file){.option = option, .path = path, .stream = fopen(path, "rb"), .count = 1};
  if (!file->stream) return fail(EXIT_BAD_INPUT, "%s %s: cannot be read: %s", option, path, strerror(errno));
  const char *kind = not_regular(file->stream);
  if (kind) return fail(EXIT_BAD_INPUT, "%s %s: is %s, expected a file", option, path, kind);
  const char *wrong = read_header(file->stream, file, &header_bytes);
  if (wrong) return fail(EXIT_BAD_INPUT, "%s %s: %s", option, path, wrong);
  if (file->rank > RANK_MOST)
    return fail(EXIT_BAD_INPUT, "%s %s: has %u dimensions, expected at most %d", option, path, file->rank,
                RANK_MOST);
  for (unsigned i = 0; i < file->rank; i++)
    if (!multiply(file->count, file->shape[i], &file->count))
      return fail(EXIT_BAD_INPUT, "%s %s: its shape is too large", option, path);
  if (file->count == 0) return fail(EXIT_BAD_INPUT, "%s %s: is an empty tensor", option, path);
  if (fstat(fileno(file->stream), &info) != 0)
    return fail(EXIT_BAD_INPUT, "%s %s: cannot be read: %s", option, path, strerror(errno));
  file->left = (uint64_t)info.st_size - header_bytes;
  return EXIT_GOOD;
}

int npy_check_size(const struct npy_file *file, size_t element_bytes) {
  size_t bytes;
  if (!multiply(file->count, element_bytes, &bytes))
    return fail(EXIT_BAD_INPUT, "%s %s: its shape is too large", file->option, file->path);
  if (file->left == bytes) return EXIT_GOOD;
  return fail(EXIT_BAD_INPUT, "%s %s: %s, its shape needs %zu bytes of elements and it has %llu",
              file->option, file->path, file->left < bytes ? "is truncated" : "has bytes behind its elements",
              bytes, (unsigned long long)file->left);
}

int npy_read_bytes(const struct npy_file *file, void *to, size_t bytes) {
  progress("reading %s", file->path);
  for (size_t done = 0; done < bytes;) {
    const size_t part = bytes - done < READ_PART ? bytes - done : READ_PART;
    if (fread((char *)to + done, 1, part, file->stream) != part) break;
    done += part;
    progress_share(done, bytes);
    if (done == bytes) return progress_end(), EXIT_GOOD;
  }
  return fail(EXIT_BAD_INPUT, "%s %s: cannot be read to its end", file->option, file->path);
}

void npy_close(struct npy_file *file) {
  if (file->stream) fclose(file->stream);
  file->stream = NULL;
}

// The elements behind the header, into a new tensor; the file must end with them.
static int read_elements(const struct npy_file *file, const struct accepted *accepted,
                         struct tensor *tensor) {
  enum element element = ELEMENT_F16;
  if (find_element(file, accepted, &element)) return EXIT_BAD_INPUT;
  if (file->fortran_order)
    return fail(EXIT_BAD_INPUT,
                "%s %s: is in Fortran order, expected C order: `duplex convert` makes it, or "
                "ascontiguousarray of NumPy",
                file->option, file->path);
  if (npy_check_size(file, element_size(element)) || tensor_new(element, file->rank, file->shape, tensor))
    return EXIT_BAD_INPUT;
  const int status = npy_read_bytes(file, tensor->data, file->count * element_size(element));
  if (status) tensor_free(tensor);
  return status;
}

// Header and elements; on failure the tensor has no data.
static int read_file(const char *option, const char *path, const struct accepted *accepted,
                     struct tensor *tensor) {
  struct npy_file file;
  tensor->data = NULL;
  int status = npy_open(option, path, &file);
  if (!status) status = read_elements(&file, accepted, tensor);
  npy_close(&file);
  return status;
}

size_t npy_header(const struct tensor *tensor, char header[NPY_HEADER_BYTES]) {
  char shape[128] = "";
  for (unsigned i = 0; i < tensor->rank; i++) {
    const size_t used = strlen(shape);
    snprintf(shape + used, sizeof shape - used, i ? ", %zu" : "%zu%s", tensor->shape[i],
             tensor->rank == 1 ? "," : "");
  }
  memset(header, ' ', NPY_HEADER_BYTES);
  const int length =
      snprintf(header + 10, NPY_HEADER_BYTES - 10, "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }",
               element_name(tensor->element), shape);
  const size_t total = ((size_t)length + 10 + 1 + 63) / 64 * 64;
  header[10 + length] = ' ';
  header[total - 1] = '\n';
  memcpy(header, "\x93NUMPY\x01", 8);
  header[8] = (char)((total - 10) & 0xff);
  header[9] = (char)((total - 10) >> 8);
  return total;
}

int npy_read(const char *option, const char *path, struct tensor *tensor) {
  return read_file(option, path, &values, tensor);
}

int npy_read_integers(const char *option, const char *path, struct tensor *tensor) {
  return read_file(option, path, &integers, tensor);
}

int64_t tensor_integer(const struct tensor *tensor, size_t index) {
  return tensor->element == ELEMENT_I32 ? ((const int32_t *)tensor->data)[index]
                                        : ((const int64_t *)tensor->data)[index];
}

int npy_read_f16(const char *option, const char *path, unsigned rank, struct tensor *tensor) {
  if (read_file(option, path, &halves, tensor)) return EXIT_BAD_INPUT;
  if (tensor->rank == rank) return EXIT_GOOD;
  tensor_free(tensor);
  return fail(EXIT_BAD_INPUT, "%s %s: has %u dimensions, expected %u", option, path, tensor->rank, rank);
}

int npy_read_matrices(const char *option, const char *path, unsigned *matrices, struct tensor *tensor) {
  if (read_file(option, path, &halves, tensor)) return EXIT_BAD_INPUT;
  const bool pair = tensor->rank == 3 && tensor->shape[0] == 2;
  int status = EXIT_GOOD;
  if (tensor->rank != 2 && !pair) {
    status = fail(EXIT_BAD_INPUT, "%s %s: has %u dimensions, expected 2, or 3 for a pair of matrices", option,
                  path, tensor->rank);
  } else if (*matrices && *matrices != (pair ? 2 : 1)) {
    status =
        fail(EXIT_BAD_INPUT, "%s %s: has %u dimensions, expected those of --x", option, path, tensor->rank);
  }
  if (status) {
    tensor_free(tensor);
    return status;
  }
  *matrices = pair ? 2 : 1;
  if (pair) tensor->shape[0] = tensor->shape[1], tensor->shape[1] = tensor->shape[2];
  return EXIT_GOOD;
}

int tensor_new_matrices(enum element element, unsigned matrices, size_t rows, size_t columns,
                        struct tensor *tensor) {
  return matrices == 2 ? tensor_new(element, 3, (const size_t[]){2, rows, columns}, tensor)
                       : tensor_new(element, 2, (const size_t[]){rows, columns}, tensor);
}
