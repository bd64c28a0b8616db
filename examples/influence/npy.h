// SPDX-License-Identifier: Apache-2.0
// Files of NumPy as this program takes them: C order, little-endian, no other type than the one asked for.
#ifndef INFLUENCE_NPY_H
#define INFLUENCE_NPY_H

#include <stddef.h>
#include <stdint.h>

#include "report.h"

#define RANK_MOST 3

struct array {
  const char *option, *path;  // for messages
  unsigned rank;
  size_t shape[RANK_MOST], count;
  void *data;
};

// Reads elements of type `descr` ("<f2", "<f4", "<i8"), `size` bytes each; `option` is named in messages.
// Anything else, NaN and infinities among it, is BAD_INPUT; the array has no data then.
enum status array_read(const char *option, const char *path, const char *descr, size_t size,
                       struct array *array);

void array_free(struct array *array);

// Writes count binary32 numbers as a vector; nothing is left of a file that cannot be written whole.
enum status array_write_f32(const char *path, const uint32_t *values, size_t count);

#endif
