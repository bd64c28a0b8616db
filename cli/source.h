// SPDX-License-Identifier: Apache-2.0
// Element types of other programs that `duplex convert` understands.
#ifndef DUPLEX_CLI_SOURCE_H
#define DUPLEX_CLI_SOURCE_H

#include <stdbool.h>

enum kind { KIND_FLOAT, KIND_SIGNED, KIND_UNSIGNED };
struct source {
  const char *name;  // of NumPy, without the order of its bytes
  enum kind kind;
  unsigned bytes, exponent_bits, fraction_bits;
};

// The type of a file's descr: the order of the bytes (<, >, | or =, none with bfloat16) and the name. NULL:
// it is none of them.
const struct source *source_find(const char *descr, bool *big_endian);

#endif
