// SPDX-License-Identifier: Apache-2.0
// duplex help --bash: completion for bash from the tables of the commands.
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "cli/help.h"
#include "cli/stack_options.h"

// A choice is in small letters, a word in capitals stands for something.
static bool is_choice(const char *text, size_t length) {
  for (size_t i = 0; i < length; i++)
    if (isupper((unsigned char)text[i])) return false;
  return length > 0;
}

// The choices of an argument, and whether it may be a file.
static void print_values(const char *argument) {
  bool file = false;
  printf("words='");
  for (const char *at = argument; *at;) {
    const size_t length = strcspn(at, "|");
    file |= strncmp(at, "FILE", 4) == 0;
    if (is_choice(at, length)) printf("%.*s ", (int)length, at);
    at += length + (at[length] == '|');
  }
  printf("'%s ;;\n", file ? " files=1" : "");
}

// Of the option before the cursor: what its value may be.
static void print_cases(const char *command, const struct option *options) {
  for (; options && options->name; options++) {
    if (!options->argument) continue;
    printf("    %s:%s) ", command, options->name);
    print_values(options->argument);
  }
}

static void print_names(const struct command *command) {
  struct option options[OPTIONS_MOST];
  command_options(command, options);
  printf("    %s:*) words='", command->name);
  for (const struct option *o = options; o->name; o++) printf("%s ", o->name);
  if (command == &help_command)
    for (unsigned i = 0; commands[i]; i++) printf("%s ", commands[i]->name);
  printf("'%s ;;\n", strstr(command->operands, "npy") || strstr(command->operands, "json") ? " files=1" : "");
}

void print_completion(void) {
  printf(
      "# Made by duplex help --bash. Do not edit.\n"
      "_duplex() {\n"
      "  local words= files= current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
      "  COMPREPLY=()\n"
      "  case $([ \"$COMP_CWORD\" = 1 ] || echo \"${COMP_WORDS[1]}:$before\") in\n"
      "    '') words='--help --version ");
  for (unsigned i = 0; commands[i]; i++) printf("%s ", commands[i]->name);
  printf("' ;;\n");
  for (unsigned i = 0; commands[i]; i++) print_cases(commands[i]->name, commands[i]->options);
  for (unsigned i = 0; commands[i]; i++)
    if (commands[i]->on_stack) print_cases(commands[i]->name, stack_options);
  for (unsigned i = 0; commands[i]; i++) print_names(commands[i]);
  printf(
      "  esac\n"
      "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\"; [ -z \"$files\" ] || compgen -f -- "
      "\"$current\")\n"
      "}\n"
      "complete -o filenames -F _duplex duplex\n");
}
