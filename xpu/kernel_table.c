// SPDX-License-Identifier: Apache-2.0
// Times between those of a table of measured kernels (kernel_table.h).
#include "xpu/kernel_table.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "duplex/error.h"
#include "xpu/kernel_kinds.h"
#include "xpu/rational.h"

enum { FRACTION_BITS = 8 };

// log2 of a number from 1 on, in 1/256, rounded down: the integer part, then a bit for each squaring of what
// is left, a number of [1, 2) in 1/2^31.
static int32_t log2_of(uint64_t value) {
  const int whole = 63 - __builtin_clzll(value);
  uint64_t rest = whole > 31 ? value >> (whole - 31) : value << (31 - whole);
  int32_t result = whole;
  for (unsigned bit = 0; bit < FRACTION_BITS; bit++) {
    rest = rest * rest >> 31;
    const bool two = rest >> 32 != 0;
    rest >>= two;
    result = 2 * result + two;
  }
  return result;
}

int xpu_kernel_table_index(struct xpu_kernel_table *table) {
  table->shapes = malloc(table->count * sizeof *table->shapes);
  table->shape_count = 0;
  if (!table->shapes) return DUPLEX_ERROR_NO_MEMORY;
  for (size_t i = 0; i < table->count; i++) {
    const struct xpu_kernel *k = &table->kernels[i];
    if (i == 0 || !xpu_kernel_same_shape(k - 1, k)) {
      struct xpu_kernel_shape *shape = &table->shapes[table->shape_count++];
      memcpy(shape->fields, k->shape, sizeof shape->fields);
      for (unsigned f = 0; f < XPU_KERNEL_SHAPE; f++) shape->logs[f] = log2_of(k->shape[f]);
      shape->first = i;
    }
    table->shapes[table->shape_count - 1].end = i + 1;
  }
  struct xpu_kernel_shape *fitting = realloc(table->shapes, table->shape_count * sizeof *table->shapes);
  if (fitting) table->shapes = fitting;
  return DUPLEX_OK;
}

static uint64_t distance(const int32_t a[XPU_KERNEL_SHAPE], const int32_t b[XPU_KERNEL_SHAPE]) {
  uint64_t sum = 0;
  for (unsigned i = 0; i < XPU_KERNEL_SHAPE; i++) sum += (uint64_t)(a[i] < b[i] ? b[i] - a[i] : a[i] - b[i]);
  return sum;
}

// The shape itself; NULL: the table does not have it.
static const struct xpu_kernel_shape *find(const struct xpu_kernel_table *table,
                                           const uint64_t wanted[XPU_KERNEL_SHAPE]) {
  size_t low = 0;
  size_t high = table->shape_count;
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    const int order = xpu_kernel_compare_shapes(table->shapes[middle].fields, wanted);
    if (order == 0) return &table->shapes[middle];
    if (order < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return NULL;
}

// The nearest shape: the shape itself if the table has it, though others may be as near in 1/256.
static const struct xpu_kernel_shape *nearest(const struct xpu_kernel_table *table,
                                              const uint64_t wanted[XPU_KERNEL_SHAPE]) {
  const struct xpu_kernel_shape *best = find(table, wanted);
  int32_t logs[XPU_KERNEL_SHAPE];
  uint64_t least = UINT64_MAX;
  if (best) return best;
  for (unsigned i = 0; i < XPU_KERNEL_SHAPE; i++) logs[i] = log2_of(wanted[i]);
  for (size_t i = 0; i < table->shape_count; i++) {
    const uint64_t far = distance(table->shapes[i].logs, logs);
    if (far < least) least = far, best = &table->shapes[i];
  }
  return best;
}

// Beyond the last length.
static uint64_t grown(const struct xpu_kernel *last, uint64_t length, unsigned power) {
  uint64_t time = last->picoseconds;
  for (unsigned i = 0; i < power; i++) time = xpu_rounded_up((xpu_wide)time * length, last->length);
  return time;
}

// The time at a length, of the kernels of one shape.
static uint64_t at_length(const struct xpu_kernel_table *table, const struct xpu_kernel_shape *shape,
                          uint64_t length) {
  const struct xpu_kernel *k = table->kernels;
  const size_t first = shape->first;
  const size_t end = shape->end;
  size_t next = first;  // that is not shorter
  for (size_t high = end; next < high;) {
    const size_t middle = next + (high - next) / 2;
    if (k[middle].length < length)
      next = middle + 1;
    else
      high = middle;
  }
  if (next == end) return grown(&k[end - 1], length, xpu_kernel_kinds[table->kind].power);
  if (next == first || k[next].length == length) return k[next].picoseconds;
  const struct xpu_kernel *a = &k[next - 1];
  const struct xpu_kernel *b = &k[next];
  return xpu_rounded_up(
      (xpu_wide)a->picoseconds * (b->length - length) + (xpu_wide)b->picoseconds * (length - a->length),
      b->length - a->length);
}

// The shape of a kernel, 1 where its table has no field.
static void whole_shape(const struct xpu_kernel_table *table, const uint64_t *shape,
                        uint64_t wanted[XPU_KERNEL_SHAPE]) {
  for (unsigned i = 0; i < XPU_KERNEL_SHAPE; i++)
    wanted[i] = i < xpu_kernel_kinds[table->kind].shape_fields ? shape[i] : 1;
}

uint64_t xpu_kernel_time(const struct xpu_kernel_table *table, const uint64_t *shape, uint64_t length) {
  const struct xpu_kernel_layout *kind = &xpu_kernel_kinds[table->kind];
  uint64_t wanted[XPU_KERNEL_SHAPE];
  whole_shape(table, shape, wanted);
  const struct xpu_kernel_shape *near = nearest(table, wanted);
  uint64_t time = at_length(table, near, length);
  for (unsigned i = 0; i < kind->shape_fields; i++)
    if (kind->is_work[i]) time = xpu_rounded_up((xpu_wide)time * wanted[i], near->fields[i]);
  return time;
}

enum xpu_kernel_fit xpu_kernel_fit(const struct xpu_kernel_table *table, const uint64_t *shape,
                                   uint64_t length) {
  uint64_t wanted[XPU_KERNEL_SHAPE];
  whole_shape(table, shape, wanted);
  const struct xpu_kernel_shape *shape_of = find(table, wanted);
  if (!shape_of) return XPU_KERNEL_OTHER_SHAPE;
  const struct xpu_kernel *least = &table->kernels[shape_of->first];
  const struct xpu_kernel *most = &table->kernels[shape_of->end - 1];
  return length < least->length || length > most->length ? XPU_KERNEL_BEYOND : XPU_KERNEL_MEASURED;
}
