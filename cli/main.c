// SPDX-License-Identifier: Apache-2.0
// The command: duplex COMMAND [options].
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/messages.h"
#include "cli/output.h"
#include "cli/signals.h"

static const struct {
  const char *name;
  int (*run)(int argc, char **argv);
  const char *what;
} commands[] = {
    {"gemm", command_gemm, "Y = X W^T, exact and rounded once"},
    {"expert", command_expert, "a gated feed-forward network"},
    {"attention", command_attention, "decode attention over K and V of a batch of sequences"},
    {"batch", command_batch, "many jobs of a file, matrices resident"},
    {"compare", command_compare, "differences of two tensors in ulp"},
    {"random", command_random, "a tensor of seeded values"},
    {"info", command_info, "geometry, version, back ends"},
};

static int help(void) {
  printf(
      "usage: duplex COMMAND [options]\n\n"
      "Logic-PIM stack on its C model or its Verilated RTL. Tensors are .npy files, <f2, C order.\n\n");
  for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
    printf("  %-10s %s\n", commands[i].name, commands[i].what);
  printf("\nduplex COMMAND --help explains a command; duplex --version prints the version.\n");
  return EXIT_GOOD;
}

// Finds the command; --help anywhere behind its name explains it.
static int run(int argc, char **argv) {
  static char *help_only[] = {"--help", NULL};
  if (argc < 2) return fail(EXIT_BAD_INPUT, "expected a command: see duplex --help");
  if (strcmp(argv[1], "--help") == 0) return help();
  if (strcmp(argv[1], "--version") == 0) return printf("duplex %s\n", DUPLEX_VERSION_TEXT), EXIT_GOOD;
  for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
    if (strcmp(argv[1], commands[i].name) != 0) continue;
    for (int j = 2; j < argc; j++)
      if (strcmp(argv[j], "--help") == 0) return commands[i].run(1, help_only);
    return commands[i].run(argc - 2, argv + 2);
  }
  return fail(EXIT_BAD_INPUT, "unknown command '%s': see duplex --help", argv[1]);
}

int main(int argc, char **argv) {
  signals_start(outputs_forsake);
  const int status = run(argc, argv);
  if (fflush(stdout) == 0 && !ferror(stdout)) return status;
  return status ? status : fail(EXIT_ERROR, "standard output: writing failed");
}
