// SPDX-License-Identifier: Apache-2.0
// GGUF files, version 3, little-endian: metadata by key, and tensors.
#ifndef MODEL_GGUF_H
#define MODEL_GGUF_H

#include "model/tensor.h"
#include "model/text.h"

// Numbers of the format.
enum model_gguf_type {
  MODEL_GGUF_U8,
  MODEL_GGUF_I8,
  MODEL_GGUF_U16,
  MODEL_GGUF_I16,
  MODEL_GGUF_U32,
  MODEL_GGUF_I32,
  MODEL_GGUF_F32,
  MODEL_GGUF_BOOL,
  MODEL_GGUF_STRING,
  MODEL_GGUF_ARRAY,
  MODEL_GGUF_U64,
  MODEL_GGUF_I64,
  MODEL_GGUF_F64,
  MODEL_GGUF_TYPES
};

struct model_gguf_value {
  struct model_text key;
  enum model_gguf_type type;  // of an array: of its elements
  bool array;
  uint64_t count;        // of elements; 1 if it is no array
  const uint8_t *bytes;  // of the first element
  bool taken;            // by one of the functions below
};

struct model_gguf {
  const char *path;
  struct model_gguf_value *values;
  size_t count;
};

// Reads the whole header and adds the tensors, whose bytes have to stay. Everything is checked: lengths,
// types, alignment, that keys and names occur once, and that the tensors lie in the file without overlap.
// model_gguf_free has to follow. Errors: FORMAT, NOT_AVAILABLE (another version or tensor type), NO_MEMORY.
int model_gguf_read(const uint8_t *bytes, size_t size, const char *path, struct model_gguf *gguf,
                    struct model_tensors *tensors, struct model_error *error);
void model_gguf_free(struct model_gguf *gguf);

// NULL: there is no such key. It counts as taken.
struct model_gguf_value *model_gguf_find(struct model_gguf *gguf, const char *key);

// Element i of a value as an integer, a real or a text. False: the value is of another type, or of too few.
bool model_gguf_integer(const struct model_gguf_value *value, uint64_t i, int64_t *integer);
bool model_gguf_real(const struct model_gguf_value *value, uint64_t i, double *real);

// Texts have to be read in their order: *at starts as NULL.
bool model_gguf_text(const struct model_gguf_value *value, const uint8_t **at, struct model_text *text);

#endif
