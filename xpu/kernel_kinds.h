// SPDX-License-Identifier: Apache-2.0
// The kinds of tables of measured kernels: which columns they have and what these mean.
#ifndef XPU_KERNEL_KINDS_H
#define XPU_KERNEL_KINDS_H

#include <stdbool.h>
#include <string.h>

#include "xpu/kernel_table.h"

enum { XPU_KERNEL_KINDS = XPU_KERNEL_ALL_REDUCE + 1 };

struct xpu_kernel_layout {
  const char *header;
  unsigned shape_fields;
  unsigned length_field;           // its place among the columns; those of the shape are the others in order
  unsigned power;                  // time beyond the table grows as this power of the length
  bool is_work[XPU_KERNEL_SHAPE];  // time is proportional to these fields
};

static const struct xpu_kernel_layout xpu_kernel_kinds[XPU_KERNEL_KINDS] = {
    [XPU_KERNEL_GEMM] = {"m,n,k,latency_us", 2, 0, 1, {true, true}},
    [XPU_KERNEL_PREFILL] = {"num_heads,num_key_value_heads,head_dim,batch_size,isl,latency_us",
                            4,
                            4,
                            2,
                            {true, false, true, true}},
    [XPU_KERNEL_ELEMENTS] = {"bytes,latency_us", 0, 0, 1, {false}},
    [XPU_KERNEL_DECODE] = {"num_heads,num_key_value_heads,head_dim,batch_size,length,latency_us",
                           4,
                           4,
                           1,
                           {false, true, true, true}},
    [XPU_KERNEL_ALL_REDUCE] = {"num_gpus,bytes,latency_us", 1, 1, 1, {false}},
};

// Order of shapes: below, equal to or above 0.
static inline int xpu_kernel_compare_shapes(const uint64_t *a, const uint64_t *b) {
  for (unsigned i = 0; i < XPU_KERNEL_SHAPE; i++)
    if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
  return 0;
}

static inline bool xpu_kernel_same_shape(const struct xpu_kernel *a, const struct xpu_kernel *b) {
  return xpu_kernel_compare_shapes(a->shape, b->shape) == 0;
}

#endif
