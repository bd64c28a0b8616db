// SPDX-License-Identifier: Apache-2.0
// Tensors as they lie in a file of a model, and the list of all of them.
#ifndef MODEL_TENSOR_H
#define MODEL_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "duplex/numerics.h"
#include "model/error.h"

// The last four have blocks of 32 values: a binary16 scale d (and a minimum m), then signed bytes or nibbles.
enum model_type {
  MODEL_F16,
  MODEL_BF16,
  MODEL_F32,
  MODEL_Q8_0,  // d * q, q -128 to 127
  MODEL_Q4_0,  // d * (q - 8), q 0 to 15
  MODEL_Q4_1,  // RN32(d * q + m)
  MODEL_TYPES  // how many there are
};
enum { MODEL_BLOCK = 32, MODEL_RANK_MOST = 4 };

struct model_tensor {
  char *name;
  const char *file;  // for messages
  enum model_type type;
  unsigned rank;
  uint64_t shape[MODEL_RANK_MOST];  // rows before columns: the last dimension is the one without gaps
  uint64_t count;                   // of values
  const uint8_t *bytes;             // in the mapped file
};

struct model_tensors {
  struct model_tensor *list;  // in the order of their names, each once
  size_t count, room;
};

const char *model_type_name(enum model_type type);
// Bytes of so many values in a row, a multiple of MODEL_BLOCK if the type has blocks.
uint64_t model_type_bytes(enum model_type type, uint64_t values);
bool model_type_has_blocks(enum model_type type);

// Takes a copy of the name. Errors: NO_MEMORY.
int model_tensors_add(struct model_tensors *tensors, const struct model_tensor *tensor, const char *name,
                      size_t name_length, struct model_error *error);
// Sorts by name. Errors: FORMAT (a name occurs twice).
int model_tensors_sort(struct model_tensors *tensors, struct model_error *error);
const struct model_tensor *model_tensors_find(const struct model_tensors *tensors, const char *name);
void model_tensors_free(struct model_tensors *tensors);

// Values first to first + count - 1 as binary32; first and count are multiples of MODEL_BLOCK if the type has
// blocks. Exact but for Q4_1, whose sum is rounded once. False: one of them is NaN or infinite.
bool model_tensor_read(const struct model_tensor *tensor, uint64_t first, uint64_t count, duplex_f32 *values);

#endif
