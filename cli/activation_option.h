// SPDX-License-Identifier: Apache-2.0
// The option --act: a built-in activation function, or the table of a file.
#ifndef DUPLEX_CLI_ACTIVATION_OPTION_H
#define DUPLEX_CLI_ACTIVATION_OPTION_H

#include "cli/options.h"
#include "duplex/activation.h"

#define ACT_OPTION                                                            \
  {                                                                           \
    "--act", "silu|gelu|gelu_tanh|relu|identity|FILE",                        \
        "activation (default silu); FILE: a table (docs/activation.md)", 0, 0 \
  }

// *table is what the option names; *own is the same if it came from a file, to be freed, or NULL. Returns 0
// or an exit status.
int activation_option(const struct option *options, const struct duplex_activation_table **table,
                      struct duplex_activation_table **own);

#endif
