// SPDX-License-Identifier: Apache-2.0
// Tensors as they lie in a file of a model: their list, and their values as binary32.
#include "model/tensor.h"

#include <stdlib.h>
#include <string.h>

// Bytes of a block: a value, or MODEL_BLOCK of them.
static const struct {
  const char *name;
  unsigned bytes, values;
} types[MODEL_TYPES] = {[MODEL_F16] = {"F16", 2, 1},
                        [MODEL_BF16] = {"BF16", 2, 1},
                        [MODEL_F32] = {"F32", 4, 1},
                        [MODEL_Q8_0] = {"Q8_0", 34, MODEL_BLOCK},
                        [MODEL_Q4_0] = {"Q4_0", 18, MODEL_BLOCK},
                        [MODEL_Q4_1] = {"Q4_1", 20, MODEL_BLOCK}};

const char *model_type_name(enum model_type type) { return types[type].name; }
bool model_type_has_blocks(enum model_type type) { return types[type].values > 1; }
uint64_t model_type_bytes(enum model_type type, uint64_t values) {
  return values / types[type].values * types[type].bytes;
}

int model_tensors_add(struct model_tensors *tensors, const struct model_tensor *tensor, const char *name,
                      size_t name_length, struct model_error *error) {
  if (tensors->count == tensors->room) {
    const size_t room = tensors->room ? 2 * tensors->room : 64;
    struct model_tensor *list = realloc(tensors->list, room * sizeof *list);
    if (!list) return model_no_memory(error);
    tensors->list = list;
    tensors->room = room;
  }
  char *copy = strndup(name, name_length);
  if (!copy) return model_no_memory(error);
  tensors->list[tensors->count] = *tensor;
  tensors->list[tensors->count++].name = copy;
  return DUPLEX_OK;
}

static int by_name(const void *a, const void *b) {
  return strcmp(((const struct model_tensor *)a)->name, ((const struct model_tensor *)b)->name);
}

int model_tensors_sort(struct model_tensors *tensors, struct model_error *error) {
  struct model_tensor *list = tensors->list;
  if (tensors->count) qsort(list, tensors->count, sizeof *list, by_name);
  for (size_t i = 1; i < tensors->count; i++)
    if (by_name(&list[i - 1], &list[i]) == 0)
      return model_fail(error, DUPLEX_ERROR_FORMAT, "%s: the tensor '%s' is there twice, expected it once",
                        list[i].file, list[i].name);
  return DUPLEX_OK;
}

const struct model_tensor *model_tensors_find(const struct model_tensors *tensors, const char *name) {
  size_t low = 0;
  size_t high = tensors->count;
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    const int order = strcmp(name, tensors->list[middle].name);
    if (order == 0) return &tensors->list[middle];
    if (order < 0) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return NULL;
}

void model_tensors_free(struct model_tensors *tensors) {
  for (size_t i = 0; i < tensors->count; i++) free(tensors->list[i].name);
  free(tensors->list);
  *tensors = (struct model_tensors){0};
}

static uint32_t read_16(const uint8_t *bytes) { return bytes[0] | (uint32_t)bytes[1] << 8; }
static uint32_t read_32(const uint8_t *bytes) { return read_16(bytes) | read_16(bytes + 2) << 16; }

static bool is_finite(duplex_f32 value) { return (value & 0x7f800000u) != 0x7f800000u; }
static bool half_is_finite(duplex_f16 value) { return (value & 0x7c00u) != 0x7c00u; }

// A finite binary16 in units of 2^-24.
static int64_t units_of_half(duplex_f16 value) {
  const unsigned exponent = value >> 10 & 31;
  const int64_t fraction = value & 0x3ff;
  const int64_t magnitude = exponent ? (fraction | 0x400) << (exponent - 1) : fraction;
  return value & 0x8000 ? -magnitude : magnitude;
}

// RN32 of a number of units of 2^-24; the magnitude is below 2^53. Of 24 bits the host's conversion is exact.
static duplex_f32 from_units(int64_t units) {
  if (units <= -(1 << 24) || units >= 1 << 24) return duplex_f32_from_scaled((double)units, -24);
  const float value = (float)(int32_t)units * 0x1p-24f;
  duplex_f32 bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

// A block of 32: its values as d * (q + offset) + m.
static bool read_block(enum model_type type, const uint8_t *block, duplex_f32 *values) {
  const duplex_f16 scale = (duplex_f16)read_16(block);
  const duplex_f16 minimum = type == MODEL_Q4_1 ? (duplex_f16)read_16(block + 2) : 0;
  if (!half_is_finite(scale) || !half_is_finite(minimum)) return false;
  const int64_t d = units_of_half(scale);
  const int64_t m = units_of_half(minimum);
  if (type == MODEL_Q8_0) {
    for (unsigned i = 0; i < MODEL_BLOCK; i++) values[i] = from_units(d * (int8_t)block[2 + i]);
    return true;
  }
  const uint8_t *nibbles = block + (type == MODEL_Q4_1 ? 4 : 2);
  duplex_f32 of_nibble[16];
  for (int q = 0; q < 16; q++) of_nibble[q] = from_units(d * (type == MODEL_Q4_1 ? q : q - 8) + m);
  for (unsigned i = 0; i < MODEL_BLOCK / 2; i++) {
    values[i] = of_nibble[nibbles[i] & 15];
    values[i + MODEL_BLOCK / 2] = of_nibble[nibbles[i] >> 4];
  }
  return true;
}

static bool read_halves(const uint8_t *bytes, uint64_t count, duplex_f32 *values) {
  bool finite = true;
  for (uint64_t i = 0; i < count; i++) {
    const duplex_f16 value = (duplex_f16)read_16(bytes + 2 * i);
    finite &= half_is_finite(value);
    values[i] = duplex_f16_to_f32(value);
  }
  return finite;
}

// binary32 and its upper half.
static bool read_wide(enum model_type type, const uint8_t *bytes, uint64_t count, duplex_f32 *values) {
  bool finite = true;
  for (uint64_t i = 0; i < count; i++) {
    values[i] = type == MODEL_F32 ? read_32(bytes + 4 * i) : read_16(bytes + 2 * i) << 16;
    finite &= is_finite(values[i]);
  }
  return finite;
}

bool model_tensor_read(const struct model_tensor *tensor, uint64_t first, uint64_t count,
                       duplex_f32 *values) {
  const enum model_type type = tensor->type;
  const uint8_t *bytes = tensor->bytes + model_type_bytes(type, first);
  if (type == MODEL_F16) return read_halves(bytes, count, values);
  if (!model_type_has_blocks(type)) return read_wide(type, bytes, count, values);
  bool finite = true;
  for (uint64_t i = 0; i < count; i += MODEL_BLOCK)
    finite &= read_block(type, bytes + model_type_bytes(type, i), values + i);
  return finite;
}
