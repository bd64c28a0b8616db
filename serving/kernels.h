// SPDX-License-Identifier: Apache-2.0
// Times of the xPU's kernels that somebody measured, in place of the formulas of mode full.
#ifndef SERVING_KERNELS_H
#define SERVING_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "xpu/kernel_table.h"

enum { KERNEL_TABLES = XPU_KERNEL_ALL_REDUCE + 1 };

// Times that were asked for: of all, those of a shape that is not in the table, and of a shape that is, below
// or beyond its lengths.
struct kernels_asked {
  uint64_t all, other_shape, beyond;
};

struct kernels {
  struct xpu_kernel_table table[KERNEL_TABLES];
  bool has[KERNEL_TABLES];
  struct kernels_asked asked[KERNEL_TABLES];
};

// gemm, prefill, elements, decode, all_reduce: of the files, without ".csv", and NULL.
extern const char *const kernels_names[];

// Whether a folder has the table of a kind, which may be a wrong one.
bool kernels_is_there(const char *folder, unsigned kind);

// Reads the tables that a folder has, one at least (xpu/kernel_table.h). NULL: *kernels is NULL. Returns 0 or
// a code, with a line in `error`.
int kernels_open(struct kernels **kernels, const char *folder, char *error, size_t size);
void kernels_close(struct kernels *kernels);

// Whether there is a table; if so, it is noted how the time of this kernel comes from it.
bool kernels_ask(struct kernels *kernels, enum xpu_kernel_kind kind, const uint64_t *shape, uint64_t length);

#endif
