// SPDX-License-Identifier: Apache-2.0
// Reads GGUF files, version 3: magic, version, counts, metadata, tensors, then their bytes.
#include "model/gguf.h"

#include <stdlib.h>
#include <string.h>

enum {
  VERSION = 3,
  ALIGNMENT = 32,  // unless general.alignment says otherwise
  ALIGNMENT_MOST = 65536,
  NAME_MOST = 65535,  // bytes of a key: the limit of the format
  TENSOR_NAME_MOST = 64,
  LEAST_VALUE = 8 + 4 + 1,           // bytes of an entry of the metadata
  LEAST_TENSOR = 8 + 4 + 8 + 4 + 8,  // and of the list of tensors
};

// Bytes of an element; 0: texts and arrays have lengths of their own.
static const unsigned sizes[MODEL_GGUF_TYPES] = {
    [MODEL_GGUF_U8] = 1,  [MODEL_GGUF_I8] = 1,  [MODEL_GGUF_U16] = 2, [MODEL_GGUF_I16] = 2,
    [MODEL_GGUF_U32] = 4, [MODEL_GGUF_I32] = 4, [MODEL_GGUF_F32] = 4, [MODEL_GGUF_BOOL] = 1,
    [MODEL_GGUF_U64] = 8, [MODEL_GGUF_I64] = 8, [MODEL_GGUF_F64] = 8};

struct reader {
  const uint8_t *bytes, *at, *end;
  const char *path;
  struct model_error *error;
};

static int refuse(const struct reader *r, const char *what) {
  return model_fail(r->error, DUPLEX_ERROR_FORMAT, "%s: byte %zu: %s", r->path, (size_t)(r->at - r->bytes),
                    what);
}

static uint64_t little(const uint8_t *bytes, unsigned count) {
  uint64_t value = 0;
  for (unsigned i = 0; i < count; i++) value |= (uint64_t)bytes[i] << 8 * i;
  return value;
}

static uint64_t bytes_left(const struct reader *r) { return (uint64_t)(r->end - r->at); }

static int read_number(struct reader *r, unsigned bytes, uint64_t *number) {
  *number = 0;
  if (bytes_left(r) < bytes) return refuse(r, "the file ends in its header");
  *number = little(r->at, bytes);
  r->at += bytes;
  return DUPLEX_OK;
}

static int read_text(struct reader *r, uint64_t most, struct model_text *text) {
  uint64_t length;
  const int status = read_number(r, 8, &length);
  if (status) return status;
  if (length > most || length > bytes_left(r))
    return refuse(r, "a text is longer than allowed, or than the file");
  *text = (struct model_text){(const char *)r->at, (size_t)length};
  r->at += length;
  return DUPLEX_OK;
}

static int read_type(struct reader *r, enum model_gguf_type *type) {
  uint64_t number;
  const int status = read_number(r, 4, &number);
  if (status) return status;
  if (number >= MODEL_GGUF_TYPES) return refuse(r, "a value has an unknown type");
  *type = (enum model_gguf_type)number;
  return DUPLEX_OK;
}

// Passes over the elements of a value.
static int skip_elements(struct reader *r, const struct model_gguf_value *value) {
  struct model_text text;
  int status = DUPLEX_OK;
  if (value->type == MODEL_GGUF_STRING) {
    for (uint64_t i = 0; i < value->count && !status; i++) status = read_text(r, UINT64_MAX, &text);
    return status;
  }
  uint64_t bytes;
  if (__builtin_mul_overflow(value->count, sizes[value->type], &bytes) || bytes > bytes_left(r))
    return refuse(r, "a value is longer than the file");
  r->at += bytes;
  return DUPLEX_OK;
}

static int read_value(struct reader *r, struct model_gguf_value *value) {
  int status = read_text(r, NAME_MOST, &value->key);
  if (!status) status = read_type(r, &value->type);
  if (status) return status;
  value->count = 1;
  value->array = value->type == MODEL_GGUF_ARRAY;
  if (value->array) {
    status = read_type(r, &value->type);
    if (!status) status = read_number(r, 8, &value->count);
    if (!status && value->type == MODEL_GGUF_ARRAY) status = refuse(r, "an array of arrays is not known");
  }
  value->bytes = r->at;
  return status ? status : skip_elements(r, value);
}

static int compare_texts(const struct model_text *a, const struct model_text *b) {
  const size_t shorter = a->length < b->length ? a->length : b->length;
  const int order = memcmp(a->bytes, b->bytes, shorter);
  return order ? order : (a->length > b->length) - (a->length < b->length);
}

static int by_key(const void *a, const void *b) {
  return compare_texts(&((const struct model_gguf_value *)a)->key,
                       &((const struct model_gguf_value *)b)->key);
}

static int read_values(struct reader *r, uint64_t count, struct model_gguf *gguf) {
  if (count > bytes_left(r) / LEAST_VALUE) return refuse(r, "there are more values than the file can hold");
  gguf->values = calloc(count + 1, sizeof *gguf->values);
  if (!gguf->values) return model_no_memory(r->error);
  for (gguf->count = 0; gguf->count < count; gguf->count++) {
    const int status = read_value(r, &gguf->values[gguf->count]);
    if (status) return status;
  }
  qsort(gguf->values, gguf->count, sizeof *gguf->values, by_key);
  for (size_t i = 1; i < gguf->count; i++)
    if (by_key(&gguf->values[i - 1], &gguf->values[i]) == 0)
      return model_fail(r->error, DUPLEX_ERROR_FORMAT, "%s: the key '%.*s' is there twice, expected it once",
                        r->path, (int)(gguf->values[i].key.length & 127), gguf->values[i].key.bytes);
  return DUPLEX_OK;
}

static int read_tensor_type(struct reader *r, const struct model_text *name, enum model_type *type) {
  static const struct {
    uint32_t number;
    enum model_type type;
  } known[] = {{0, MODEL_F32},  {1, MODEL_F16},  {2, MODEL_Q4_0},
               {3, MODEL_Q4_1}, {8, MODEL_Q8_0}, {30, MODEL_BF16}};
  uint64_t number;
  const int status = read_number(r, 4, &number);
  if (status) return status;
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (known[i].number == number) return *type = known[i].type, DUPLEX_OK;
  return model_fail(r->error, DUPLEX_ERROR_NOT_AVAILABLE,
                    "%s: tensor '%.*s': type %llu is not there, expected F32, F16, BF16, Q8_0, Q4_0 or Q4_1",
                    r->path, (int)name->length, name->bytes, (unsigned long long)number);
}

// Sizes in the file go from columns to rows.
static int read_shape(struct reader *r, struct model_tensor *tensor) {
  uint64_t rank;
  int status = read_number(r, 4, &rank);
  if (status) return status;
  if (rank < 1 || rank > MODEL_RANK_MOST) return refuse(r, "a tensor has no or too many dimensions");
  tensor->rank = (unsigned)rank;
  tensor->count = 1;
  for (unsigned i = tensor->rank; i-- > 0 && !status;) {
    status = read_number(r, 8, &tensor->shape[i]);
    if (!status && (__builtin_mul_overflow(tensor->count, tensor->shape[i], &tensor->count) ||
                    tensor->count > INT64_MAX / 4))
      status = refuse(r, "a tensor is too large");
  }
  return status;
}

// The entry of a tensor; its bytes are still an offset.
static int read_tensor(struct reader *r, struct model_tensors *tensors, uint64_t *offset) {
  struct model_text name;
  struct model_tensor tensor = {.file = r->path};
  int status = read_text(r, TENSOR_NAME_MOST, &name);
  if (!status && (name.length == 0 || memchr(name.bytes, 0, name.length)))
    status = refuse(r, "a tensor has no name");
  if (!status) status = read_shape(r, &tensor);
  if (!status) status = read_tensor_type(r, &name, &tensor.type);
  if (!status) status = read_number(r, 8, offset);
  if (!status && model_type_has_blocks(tensor.type) && tensor.shape[tensor.rank - 1] % MODEL_BLOCK)
    status = refuse(r, "the rows of a tensor are no whole blocks of 32");
  return status ? status : model_tensors_add(tensors, &tensor, name.bytes, name.length, r->error);
}

struct place {
  uint64_t begin, end;
  size_t tensor;
};

static int by_begin(const void *a, const void *b) {
  const struct place *x = a;
  const struct place *y = b;
  if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
  return (x->end > y->end) - (x->end < y->end);
}

static int refuse_tensor(const struct reader *r, const struct model_tensor *tensor, const char *what) {
  return model_fail(r->error, DUPLEX_ERROR_FORMAT, "%s: tensor '%s': %s", r->path, tensor->name, what);
}

// The tensors from `first` on lie in the data without overlap, at multiples of the alignment.
static int place_tensors(const struct reader *r, const uint8_t *data, uint64_t alignment,
                         struct model_tensors *tensors, size_t first, struct place *places) {
  const uint64_t size = (uint64_t)(r->end - data);
  const size_t count = tensors->count - first;
  for (size_t i = 0; i < count; i++) {
    struct model_tensor *tensor = &tensors->list[first + i];
    struct place *place = &places[i];
    if (place->begin % alignment)
      return refuse_tensor(r, tensor, "does not begin at a multiple of the alignment");
    place->end = model_type_bytes(tensor->type, tensor->count);
    if (place->begin > size || place->end > size - place->begin)
      return refuse_tensor(r, tensor, "lies outside of the file");
    place->end += place->begin;
    place->tensor = first + i;
    tensor->bytes = data + place->begin;
  }
  qsort(places, count, sizeof *places, by_begin);
  for (size_t i = 1; i < count; i++)
    if (places[i].begin < places[i - 1].end)
      return refuse_tensor(r, &tensors->list[places[i].tensor], "overlaps another one");
  return DUPLEX_OK;
}

static int read_alignment(struct reader *r, struct model_gguf *gguf, uint64_t *alignment) {
  const struct model_gguf_value *value = model_gguf_find(gguf, "general.alignment");
  int64_t number = ALIGNMENT;
  *alignment = ALIGNMENT;
  if (value && (!model_gguf_integer(value, 0, &number) || number < 8 || number > ALIGNMENT_MOST ||
                (number & (number - 1))))
    return refuse(r, "general.alignment: expected a power of two from 8 to 65536");
  *alignment = (uint64_t)number;
  return DUPLEX_OK;
}

// Adds the file's tensors, whose bytes lie in order, aligned and within the file.
static int read_tensors(struct reader *r, uint64_t count, struct model_gguf *gguf,
                        struct model_tensors *tensors) {
  const size_t first = tensors->count;
  uint64_t alignment;
  if (count > bytes_left(r) / LEAST_TENSOR) return refuse(r, "there are more tensors than the file can hold");
  int status = read_alignment(r, gguf, &alignment);
  if (status) return status;
  struct place *places = calloc(count + 1, sizeof *places);
  if (!places) return model_no_memory(r->error);
  for (uint64_t i = 0; i < count && !status; i++) status = read_tensor(r, tensors, &places[i].begin);
  const uint64_t header = (uint64_t)(r->at - r->bytes);
  const uint64_t data = (header + alignment - 1) / alignment * alignment;
  if (!status && count && data > header + bytes_left(r))
    status = refuse(r, "the file ends before its tensors");
  if (!status && count) status = place_tensors(r, r->bytes + data, alignment, tensors, first, places);
  free(places);
  return status ? status : model_tensors_sort(tensors, r->error);
}

int model_gguf_read(const uint8_t *bytes, size_t size, const char *path, struct model_gguf *gguf,
                    struct model_tensors *tensors, struct model_error *error) {
  struct reader r = {.bytes = bytes, .at = bytes, .path = path, .error = error};
  uint64_t version;
  uint64_t tensor_count;
  uint64_t value_count;
  *gguf = (struct model_gguf){.path = path};
  if (size < 4 || memcmp(bytes, "GGUF", 4) != 0)
    return model_fail(error, DUPLEX_ERROR_FORMAT, "%s: expected a folder with config.json, or a GGUF file",
                      path);
  r.end = bytes + size;
  r.at += 4;
  int status = read_number(&r, 4, &version);
  if (!status && version != VERSION)
    return model_fail(error, DUPLEX_ERROR_NOT_AVAILABLE, "%s: GGUF version %llu is not there, expected 3",
                      path, (unsigned long long)version);
  if (!status) status = read_number(&r, 8, &tensor_count);
  if (!status) status = read_number(&r, 8, &value_count);
  if (!status) status = read_values(&r, value_count, gguf);
  return status ? status : read_tensors(&r, tensor_count, gguf, tensors);
}

void model_gguf_free(struct model_gguf *gguf) {
  free(gguf->values);
  *gguf = (struct model_gguf){0};
}

struct model_gguf_value *model_gguf_find(struct model_gguf *gguf, const char *key) {
  struct model_gguf_value wanted = {.key = {key, strlen(key)}};
  struct model_gguf_value *found =
      gguf->count ? bsearch(&wanted, gguf->values, gguf->count, sizeof wanted, by_key) : NULL;
  if (found) found->taken = true;
  return found;
}

bool model_gguf_integer(const struct model_gguf_value *value, uint64_t i, int64_t *integer) {
  if (i >= value->count) return false;
  const uint8_t *at = value->bytes + i * sizes[value->type];
  const uint64_t bits = little(at, sizes[value->type]);
  switch (value->type) {
    case MODEL_GGUF_U8:
    case MODEL_GGUF_U16:
    case MODEL_GGUF_U32:
      *integer = (int64_t)bits;
      return true;
    case MODEL_GGUF_I8:
      *integer = (int8_t)bits;
      return true;
    case MODEL_GGUF_I16:
      *integer = (int16_t)bits;
      return true;
    case MODEL_GGUF_I32:
      *integer = (int32_t)bits;
      return true;
    case MODEL_GGUF_BOOL:
      *integer = bits != 0;
      return true;
    case MODEL_GGUF_U64:
    case MODEL_GGUF_I64:
      *integer = (int64_t)bits;
      return value->type == MODEL_GGUF_I64 || *integer >= 0;
    default:
      return false;
  }
}

bool model_gguf_real(const struct model_gguf_value *value, uint64_t i, double *real) {
  if (i >= value->count || (value->type != MODEL_GGUF_F32 && value->type != MODEL_GGUF_F64)) return false;
  const uint64_t bits = little(value->bytes + i * sizes[value->type], sizes[value->type]);
  if (value->type == MODEL_GGUF_F64) {
    memcpy(real, &bits, sizeof *real);
  } else {
    const uint32_t half = (uint32_t)bits;
    float narrow;
    memcpy(&narrow, &half, sizeof narrow);
    *real = narrow;
  }
  return true;
}

bool model_gguf_text(const struct model_gguf_value *value, const uint8_t **at, struct model_text *text) {
  if (value->type != MODEL_GGUF_STRING || value->count == 0) return false;
  if (!*at) *at = value->bytes;
  *text = (struct model_text){(const char *)*at + 8, (size_t)little(*at, 8)};
  *at += 8 + text->length;
  return true;
}
