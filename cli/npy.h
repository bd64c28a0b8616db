// SPDX-License-Identifier: Apache-2.0
// Tensors in memory and in .npy files.
#ifndef DUPLEX_CLI_NPY_H
#define DUPLEX_CLI_NPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "cli/messages.h"

enum element { ELEMENT_F16, ELEMENT_F32, ELEMENT_ACC, ELEMENT_I32, ELEMENT_I64 };  // <f2, <f4, |V16, <i4, <i8
#define RANK_MOST 4

struct tensor {
  enum element element;
  unsigned rank;
  size_t shape[RANK_MOST];
  size_t count;  // elements
  void *data;
};

// A .npy file that is open, and what its header says.
struct npy_file {
  const char *option, *path;  // for messages
  FILE *stream;
  char descr[16];
  bool fortran_order;
  unsigned rank;
  size_t shape[RANK_MOST];
  size_t count;                          // elements, at least 1
  uint64_t left;                         // bytes behind the header
  bool has_descr, has_order, has_shape;  // of the dict
};

// The header. npy_close has to follow whatever it returns. All return 0 or an exit status.
int npy_open(const char *option, const char *path, struct npy_file *file);
// The file ends with its elements of so many bytes.
int npy_check_size(const struct npy_file *file, size_t element_bytes);
int npy_read_bytes(const struct npy_file *file, void *to, size_t bytes);
void npy_close(struct npy_file *file);

size_t element_size(enum element element);
const char *element_name(enum element element);

// Reads <f2, <f4 or |V16 in C order; everything else is refused with one line. Returns 0 or an exit status.
int npy_read(const char *option, const char *path, struct tensor *tensor);

// The same, but only <f2 of this rank.
int npy_read_f16(const char *option, const char *path, unsigned rank, struct tensor *tensor);
// <i4 or <i8, and an element of it.
int npy_read_integers(const char *option, const char *path, struct tensor *tensor);
int64_t tensor_integer(const struct tensor *tensor, size_t index);
int tensor_new(enum element element, unsigned rank, const size_t *shape, struct tensor *tensor);
// The same without memory for the elements.
int tensor_shape(enum element element, unsigned rank, const size_t *shape, struct tensor *tensor);

// A matrix, or a pair of them in one tensor of 3 dimensions; shape[0] and [1] are then rows and columns of
// each. *matrices is 1 or 2 after the first one, and the others have to agree.
int npy_read_matrices(const char *option, const char *path, unsigned *matrices, struct tensor *tensor);
int tensor_new_matrices(enum element element, unsigned matrices, size_t rows, size_t columns,
                        struct tensor *tensor);
void tensor_free(struct tensor *tensor);

// The bytes before the elements of a .npy file of this tensor; their number.
#define NPY_HEADER_BYTES 256
size_t npy_header(const struct tensor *tensor, char header[NPY_HEADER_BYTES]);

#endif
