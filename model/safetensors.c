// SPDX-License-Identifier: Apache-2.0
// One file of the form .safetensors.
#include "model/safetensors.h"

#include <stdlib.h>
#include <string.h>

#include "model/json.h"

#define HEADER_MOST 100000000u  // bytes: the limit of the format
#define LENGTH_BYTES 8u

struct place {
  const char *name;
  uint64_t begin, end;
};

struct reader {
  const uint8_t *data;  // of the tensors
  uint64_t size;
  const char *path;
  struct model_tensors *tensors;
  struct place *places;
  size_t count;
  struct model_error *error;
};

static int read_type(const struct reader *r, const char *name, const json_t *entry, enum model_type *type) {
  const char *text = json_string_value(json_object_get(entry, "dtype"));
  if (!text)
    return model_fail(r->error, DUPLEX_ERROR_FORMAT, "%s: tensor '%.128s': dtype: expected a string", r->path,
                      name);
  for (unsigned i = 0; i < MODEL_TYPES; i++) {
    *type = (enum model_type)i;
    if (!model_type_has_blocks(*type) && strcmp(text, model_type_name(*type)) == 0) return DUPLEX_OK;
  }
  return model_fail(r->error, DUPLEX_ERROR_NOT_AVAILABLE,
                    "%s: tensor '%.128s': dtype '%.32s' is not there, expected F16, BF16 or F32", r->path,
                    name, text);
}

// A non-negative integer; false: it is something else.
static bool read_number(const json_t *value, uint64_t *number) {
  if (!json_is_integer(value) || json_integer_value(value) < 0) return false;
  *number = (uint64_t)json_integer_value(value);
  return true;
}

// Reads a tensor's shape and the number of its elements.
static int read_shape(const struct reader *r, const char *name, const json_t *entry,
                      struct model_tensor *tensor) {
  const json_t *shape = json_object_get(entry, "shape");
  const size_t rank = json_array_size(shape);
  if (!json_is_array(shape) || rank > MODEL_RANK_MOST)
    return model_fail(r->error, DUPLEX_ERROR_FORMAT,
                      "%s: tensor '%.128s': shape: expected a list of at most %d sizes", r->path, name,
                      MODEL_RANK_MOST);
  tensor->rank = (unsigned)rank;
  tensor->count = 1;
  for (size_t i = 0; i < rank; i++) {
    if (!read_number(json_array_get(shape, i), &tensor->shape[i]) ||
        __builtin_mul_overflow(tensor->count, tensor->shape[i], &tensor->count) ||
        tensor->count > INT64_MAX / 4)
      return model_fail(r->error, DUPLEX_ERROR_FORMAT,
                        "%s: tensor '%.128s': shape: expected sizes whose product fits into 61 bits", r->path,
                        name);
  }
  return DUPLEX_OK;
}

// Reads where a tensor's bytes lie; they lie in the file and fit its type and shape.
static int read_place(const struct reader *r, const char *name, const json_t *entry,
                      const struct model_tensor *tensor, struct place *place) {
  const json_t *offsets = json_object_get(entry, "data_offsets");
  place->name = name;
  if (json_array_size(offsets) != 2 || !read_number(json_array_get(offsets, 0), &place->begin) ||
      !read_number(json_array_get(offsets, 1), &place->end) || place->begin > place->end)
    return model_fail(r->error, DUPLEX_ERROR_FORMAT,
                      "%s: tensor '%.128s': data_offsets: expected two numbers, the second not less", r->path,
                      name);
  if (place->end > r->size)
    return model_fail(r->error, DUPLEX_ERROR_FORMAT,
                      "%s: tensor '%.128s': ends at byte %llu of the data, expected at most %llu", r->path,
                      name, (unsigned long long)place->end, (unsigned long long)r->size);
  const uint64_t bytes = model_type_bytes(tensor->type, tensor->count);
  if (place->end - place->begin == bytes) return DUPLEX_OK;
  return model_fail(r->error, DUPLEX_ERROR_FORMAT,
                    "%s: tensor '%.128s': has %llu bytes, expected %llu by its shape and dtype", r->path,
                    name, (unsigned long long)(place->end - place->begin), (unsigned long long)bytes);
}

// Adds the tensor of one entry of the header.
static int read_entry(struct reader *r, const char *name, const json_t *entry) {
  struct model_tensor tensor = {.file = r->path};
  if (!json_is_object(entry))
    return model_fail(r->error, DUPLEX_ERROR_FORMAT, "%s: tensor '%.128s': expected an object", r->path,
                      name);
  int status = read_type(r, name, entry, &tensor.type);
  if (!status) status = read_shape(r, name, entry, &tensor);
  if (!status) status = read_place(r, name, entry, &tensor, &r->places[r->count]);
  if (status) return status;
  if (json_object_size(entry) != 3)
    return model_fail(r->error, DUPLEX_ERROR_FORMAT,
                      "%s: tensor '%.128s': expected the keys dtype, shape and data_offsets only", r->path,
                      name);
  tensor.bytes = r->data + r->places[r->count++].begin;
  return model_tensors_add(r->tensors, &tensor, name, strlen(name), r->error);
}

static int by_place(const void *a, const void *b) {
  const struct place *x = a;
  const struct place *y = b;
  if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
  return (x->end > y->end) - (x->end < y->end);
}

// The tensors fill the data, each byte once.
static int check_places(struct reader *r) {
  uint64_t end = 0;
  if (r->count) qsort(r->places, r->count, sizeof *r->places, by_place);
  for (size_t i = 0; i < r->count; i++) {
    const struct place *place = &r->places[i];
    if (place->begin != end)
      return model_fail(r->error, DUPLEX_ERROR_FORMAT,
                        "%s: tensor '%.128s': begins at byte %llu of the data, expected %llu, the end of the "
                        "tensor before it",
                        r->path, place->name, (unsigned long long)place->begin, (unsigned long long)end);
    end = place->end;
  }
  if (end == r->size) return DUPLEX_OK;
  return model_fail(r->error, DUPLEX_ERROR_FORMAT, "%s: %llu bytes of data belong to no tensor", r->path,
                    (unsigned long long)(r->size - end));
}

// __metadata__ holds strings by which nothing is computed.
static int check_metadata(const struct reader *r, const json_t *metadata) {
  const char *key;
  const json_t *value;
  if (!json_is_object(metadata))
    return model_fail(r->error, DUPLEX_ERROR_FORMAT, "%s: __metadata__: expected an object", r->path);
  json_object_foreach((json_t *)(uintptr_t)metadata, key, value) {
    if (!json_is_string(value))
      return model_fail(r->error, DUPLEX_ERROR_FORMAT, "%s: __metadata__: '%.64s': expected a string",
                        r->path, key);
  }
  return DUPLEX_OK;
}

static int read_header(struct reader *r, json_t *header) {
  const char *name;
  const json_t *entry;
  r->places = calloc(json_object_size(header) + 1, sizeof *r->places);
  if (!r->places) return model_no_memory(r->error);
  json_object_foreach(header, name, entry) {
    const int status =
        strcmp(name, "__metadata__") == 0 ? check_metadata(r, entry) : read_entry(r, name, entry);
    if (status) return status;
  }
  return check_places(r);
}

int model_safetensors_read(const uint8_t *bytes, size_t size, const char *path, struct model_tensors *tensors,
                           struct model_error *error) {
  uint64_t length = 0;
  if (size < LENGTH_BYTES)
    return model_fail(error, DUPLEX_ERROR_FORMAT, "%s: has %zu bytes, expected a header's length of 8", path,
                      size);
  for (unsigned i = 0; i < LENGTH_BYTES; i++) length |= (uint64_t)bytes[i] << 8 * i;
  if (length > HEADER_MOST || length > size - LENGTH_BYTES)
    return model_fail(error, DUPLEX_ERROR_FORMAT,
                      "%s: its header has %llu bytes, expected at most %llu and no more than the file", path,
                      (unsigned long long)length, (unsigned long long)HEADER_MOST);
  json_t *header = model_json_parse((const char *)bytes + LENGTH_BYTES, (size_t)length, path, error);
  if (!header) return DUPLEX_ERROR_FORMAT;
  struct reader r = {.data = bytes + LENGTH_BYTES + length,
                     .size = size - LENGTH_BYTES - length,
                     .path = path,
                     .tensors = tensors,
                     .error = error};
  const int status = read_header(&r, header);
  free(r.places);
  json_decref(header);
  return status;
}
