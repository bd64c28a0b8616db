// SPDX-License-Identifier: Apache-2.0
// Element types of other programs that `duplex convert` understands.
#include "cli/source.h"

#include <stddef.h>
#include <string.h>

// V2 and bfloat16 are what files with the type of ml_dtypes say.
static const struct source sources[] = {
    {"f2", KIND_FLOAT, 2, 5, 10},   {"f4", KIND_FLOAT, 4, 8, 23},      {"f8", KIND_FLOAT, 8, 11, 52},
    {"V2", KIND_FLOAT, 2, 8, 7},    {"bfloat16", KIND_FLOAT, 2, 8, 7}, {"b1", KIND_UNSIGNED, 1, 0, 0},
    {"i1", KIND_SIGNED, 1, 0, 0},   {"i2", KIND_SIGNED, 2, 0, 0},      {"i4", KIND_SIGNED, 4, 0, 0},
    {"i8", KIND_SIGNED, 8, 0, 0},   {"u1", KIND_UNSIGNED, 1, 0, 0},    {"u2", KIND_UNSIGNED, 2, 0, 0},
    {"u4", KIND_UNSIGNED, 4, 0, 0}, {"u8", KIND_UNSIGNED, 8, 0, 0}};

const struct source *source_find(const char *descr, bool *big_endian) {
  const char *name = descr + (descr[0] && strchr("<>|=", descr[0]) != NULL);
  *big_endian = descr[0] == '>';
  for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
    if (strcmp(sources[i].name, name) == 0) return &sources[i];
  return NULL;
}
