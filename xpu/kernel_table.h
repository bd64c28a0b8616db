// SPDX-License-Identifier: Apache-2.0
// Times of kernels that somebody measured on hardware, from a table that the user gives.
//
// The file is text: a line that names its columns, then a kernel a line, numbers with commas between, times
// in microseconds. There are five kinds, each with its first line:
//   m,n,k,latency_us                                                       products of [m, k] by [n, k]
//   num_heads,num_key_value_heads,head_dim,batch_size,isl,latency_us      causal prefill of `isl` positions
//   bytes,latency_us                                                       work on elements
//   num_heads,num_key_value_heads,head_dim,batch_size,length,latency_us    decode attention of `batch_size`
//                                                                          sequences of `length` positions
//   num_gpus,bytes,latency_us                                              an all-reduce of `bytes`
//
// Between: a shape (all but m, isl, length or bytes) that is not in the table takes the times of the nearest
// one, by the sum of |log2| of the ratios of its fields, the first in order if two are as near, times the
// ratio of the work: n * k, num_heads * head_dim * batch_size, or for decode attention num_key_value_heads *
// head_dim * batch_size. Between two lengths (m, isl, length, bytes) of a shape the time goes straight, below
// the least it stays, and beyond the largest it grows as the length, for prefill as its square.
#ifndef XPU_KERNEL_TABLE_H
#define XPU_KERNEL_TABLE_H

#include <stddef.h>
#include <stdint.h>

enum { XPU_KERNEL_SHAPE = 4 };  // fields of a shape, at most

enum xpu_kernel_kind {
  XPU_KERNEL_GEMM,
  XPU_KERNEL_PREFILL,
  XPU_KERNEL_ELEMENTS,
  XPU_KERNEL_DECODE,
  XPU_KERNEL_ALL_REDUCE
};

// Where a time comes from: of its shape and between its lengths, of another shape, or below or beyond the
// lengths of its shape.
enum xpu_kernel_fit { XPU_KERNEL_MEASURED, XPU_KERNEL_OTHER_SHAPE, XPU_KERNEL_BEYOND };

struct xpu_kernel {
  uint64_t shape[XPU_KERNEL_SHAPE];  // in the order of the file; 1 where the table has no field
  uint64_t length, picoseconds;
  size_t line;
};

// A shape of a table: its kernels first to end - 1, and log2 of its fields in 1/256, rounded down.
struct xpu_kernel_shape {
  uint64_t fields[XPU_KERNEL_SHAPE];
  int32_t logs[XPU_KERNEL_SHAPE];
  size_t first, end;
};

struct xpu_kernel_table {
  enum xpu_kernel_kind kind;
  struct xpu_kernel *kernels;  // by shape, then length
  size_t count;                // 1 at least
  struct xpu_kernel_shape *shapes;
  size_t shape_count;
};

// Reads a table of this kind. An error leaves *table empty and one line in `cause` (what, where, what was
// expected): DUPLEX_ERROR_IO, _FORMAT, _NO_MEMORY.
int xpu_kernel_table_load(const char *path, enum xpu_kernel_kind kind, struct xpu_kernel_table *table,
                          char *cause, size_t cause_size);
// Finds the shapes of kernels that are in order. 0, or DUPLEX_ERROR_NO_MEMORY.
int xpu_kernel_table_index(struct xpu_kernel_table *table);
void xpu_kernel_table_free(struct xpu_kernel_table *table);

// The time of a kernel, from 1 on in all fields, below 2^24 of a shape. `shape`: n, k; or heads, KV heads,
// head size, batch; or NULL.
uint64_t xpu_kernel_time(const struct xpu_kernel_table *table, const uint64_t *shape, uint64_t length);
enum xpu_kernel_fit xpu_kernel_fit(const struct xpu_kernel_table *table, const uint64_t *shape,
                                   uint64_t length);

#endif
