// SPDX-License-Identifier: Apache-2.0
// The command: duplex COMMAND [options].
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/environment.h"
#include "cli/help.h"
#include "cli/output.h"
#include "cli/signals.h"

static bool is_help(const char *argument) {
  return strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0;
}

// What comes before the options has letters.
static int check_operands(const struct command *command, int argc, char **argv) {
  for (int i = 0; command->operands[0] && i < argc && argv[i][0] != '-'; i++)
    if (!argv[i][0]) return fail(EXIT_BAD_INPUT, "%s '': expected %s", command->name, command->operands);
  return EXIT_GOOD;
}

// Finds the command; --help anywhere behind its name explains it.
static int run(int argc, char **argv) {
  if (argc < 2) return fail(EXIT_BAD_INPUT, "expected a command: see duplex --help");
  const bool alone = is_help(argv[1]) || strcmp(argv[1], "--version") == 0;
  if (alone && argc > 2) return fail(EXIT_BAD_INPUT, "unknown argument '%s' behind %s", argv[2], argv[1]);
  if (is_help(argv[1])) return help_overview(), EXIT_GOOD;
  if (strcmp(argv[1], "--version") == 0) return printf("duplex %s\n", DUPLEX_VERSION_TEXT), EXIT_GOOD;
  const struct command *command = command_find(argv[1]);
  if (!command) return fail(EXIT_BAD_INPUT, "unknown command '%s': see duplex --help", argv[1]);
  for (int i = 2; i < argc; i++)
    if (is_help(argv[i])) return help_of(command), EXIT_GOOD;
  int status = environment_check();
  if (!status) status = check_operands(command, argc - 2, argv + 2);
  return status ? status : command->run(argc - 2, argv + 2);
}

int main(int argc, char **argv) {
  signals_start(outputs_forsake);
  const int status = run(argc, argv);
  return status ? status : flush_stdout();
}
