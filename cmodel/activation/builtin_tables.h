// SPDX-License-Identifier: Apache-2.0
// The built-in tables, made by params/activation/generate.py.
#ifndef DUPLEX_ACTIVATION_BUILTIN_TABLES_H
#define DUPLEX_ACTIVATION_BUILTIN_TABLES_H

#include "duplex/activation.h"

#define DUPLEX_ACTIVATION_BUILTINS 5

struct duplex_activation_builtin {
  const char *name;
  struct duplex_activation_table table;
};

extern const struct duplex_activation_builtin duplex_activation_builtins[DUPLEX_ACTIVATION_BUILTINS];

#endif
