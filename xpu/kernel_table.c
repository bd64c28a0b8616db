// SPDX-License-Identifier: Apache-2.0
// Times between those of a table of measured kernels (kernel_table.h).
#include "xpu/kernel_table.h"

#include <stdbool.h>
#include <stdlib.h>

#include "xpu/kernel_kinds.h"
#include "xpu/rational.h"

enum { FRACTION_BITS = 8 };

// log2 of a number from 1 on, in 1/256, rounded down: the integer part, then a bit for each squaring of what
// is left, a number of [1, 2) in 1/2^31.
static int64_t log2_of(uint64_t value) {
  const int whole = 63 - __builtin_clzll(value);
  uint64_t rest = whole > 31 ? value >> (whole - 31) : value << (31 - whole);
  int64_t result = whole;
  for (unsigned bit = 0; bit < FRACTION_BITS; bit++) {
    rest = rest * rest >> 31;
    const bool two = rest >> 32 != 0;
    rest >>= two;
    result = 2 * result + two;
  }
  return result;
}

static uint64_t distance(const uint64_t a[XPU_KERNEL_SHAPE], const int64_t logs[XPU_KERNEL_SHAPE]) {
  uint64_t sum = 0;
  for (unsigned i = 0; i < XPU_KERNEL_SHAPE; i++) {
    const int64_t difference = log2_of(a[i]) - logs[i];
    sum += (uint64_t)(difference < 0 ? -difference : difference);
  }
  return sum;
}

// The first kernel from `low` to `high` - 1 that is not below a shape, or if `behind` not of it either.
static size_t bound(const struct xpu_kernel_table *table, size_t low, size_t high,
                    const uint64_t shape[XPU_KERNEL_SHAPE], bool behind) {
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    const int order = xpu_kernel_compare_shapes(table->kernels[middle].shape, shape);
    if (order < 0 || (behind && order == 0))
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

// Behind the last kernel of the same shape as that of `first`, in steps that double, as these are few of
// many.
static size_t end_of_shape(const struct xpu_kernel_table *table, size_t first) {
  size_t step = 1;
  while (step < table->count - first &&
         xpu_kernel_same_shape(&table->kernels[first], &table->kernels[first + step]))
    step *= 2;
  const size_t high = step < table->count - first ? first + step : table->count;
  return bound(table, first + step / 2, high, table->kernels[first].shape, true);
}

// The first kernel of the nearest shape: the shape itself if the table has it, though others may be as near
// in 1/256.
static size_t nearest(const struct xpu_kernel_table *table, const uint64_t shape[XPU_KERNEL_SHAPE]) {
  int64_t logs[XPU_KERNEL_SHAPE];
  uint64_t least = UINT64_MAX;
  size_t best = bound(table, 0, table->count, shape, false);
  if (best < table->count && xpu_kernel_compare_shapes(table->kernels[best].shape, shape) == 0) return best;
  for (unsigned i = 0; i < XPU_KERNEL_SHAPE; i++) logs[i] = log2_of(shape[i]);
  for (size_t first = 0; first < table->count; first = end_of_shape(table, first)) {
    const uint64_t far = distance(table->kernels[first].shape, logs);
    if (far < least) least = far, best = first;
  }
  return best;
}

// Beyond the last length.
static uint64_t grown(const struct xpu_kernel *last, uint64_t length, unsigned power) {
  uint64_t time = last->picoseconds;
  for (unsigned i = 0; i < power; i++) time = xpu_rounded_up((xpu_wide)time * length, last->length);
  return time;
}

// The time at a length, of the kernels first to end - 1 of one shape.
static uint64_t at_length(const struct xpu_kernel_table *table, size_t first, size_t end, uint64_t length) {
  const struct xpu_kernel *k = table->kernels;
  size_t next = first;
  while (next < end && k[next].length < length) next++;
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
  const size_t first = nearest(table, wanted);
  uint64_t time = at_length(table, first, end_of_shape(table, first), length);
  for (unsigned i = 0; i < kind->shape_fields; i++)
    if (kind->is_work[i]) time = xpu_rounded_up((xpu_wide)time * wanted[i], table->kernels[first].shape[i]);
  return time;
}

enum xpu_kernel_fit xpu_kernel_fit(const struct xpu_kernel_table *table, const uint64_t *shape,
                                   uint64_t length) {
  uint64_t wanted[XPU_KERNEL_SHAPE];
  whole_shape(table, shape, wanted);
  const size_t first = nearest(table, wanted);
  const struct xpu_kernel *least = &table->kernels[first];
  const struct xpu_kernel *most = &table->kernels[end_of_shape(table, first) - 1];
  if (xpu_kernel_compare_shapes(least->shape, wanted) != 0) return XPU_KERNEL_OTHER_SHAPE;
  return length < least->length || length > most->length ? XPU_KERNEL_BEYOND : XPU_KERNEL_MEASURED;
}
