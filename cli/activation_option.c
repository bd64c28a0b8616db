// SPDX-License-Identifier: Apache-2.0
// The option --act of the commands that run experts.
#include "cli/activation_option.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

// An activation table of the user's own.
static int load_table(const char *path, struct duplex_activation_table **own) {
  char bytes[DUPLEX_ACTIVATION_FILE_BYTES + 1];
  FILE *file = fopen(path, "rb");
  if (!file)
    return fail(EXIT_BAD_INPUT,
                "--act '%s': expected silu, gelu, gelu_tanh, relu, identity or a table's file: %s", path,
                strerror(errno));
  const size_t size = fread(bytes, 1, sizeof bytes, file);
  fclose(file);
  const char *wrong = NULL;
  *own = duplex_activation_load(bytes, size, &wrong);
  return *own ? EXIT_GOOD : fail(EXIT_BAD_INPUT, "--act %s: %s", path, wrong);
}

int activation_option(const struct option *options, const struct duplex_activation_table **table,
                      struct duplex_activation_table **own) {
  const char *act = option_value(options, "--act");
  *own = NULL;
  *table = duplex_activation_builtin(act ? act : "silu");
  if (*table) return EXIT_GOOD;
  const int status = load_table(act, own);
  *table = *own;
  return status;
}
