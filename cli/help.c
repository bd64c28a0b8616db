// SPDX-License-Identifier: Apache-2.0
// duplex help: what the command and its words do, on a terminal, as man pages, as completion for bash.
#include "cli/help.h"

#include <stdio.h>
#include <string.h>

#include "cli/completion.h"
#include "cli/environment.h"
#include "cli/manual.h"
#include "cli/paragraph.h"
#include "cli/stack_options.h"

const struct command *const commands[] = {
    &gemm_command,    &expert_command, &attention_command, &moe_command,   &run_command,
    &serve_command,   &sweep_command,  &validate_command,  &batch_command, &convert_command,
    &compare_command, &random_command, &info_command,      &help_command,  NULL};

const struct command *command_find(const char *name) {
  for (unsigned i = 0; commands[i]; i++)
    if (strcmp(commands[i]->name, name) == 0) return commands[i];
  return NULL;
}

void help_overview(void) {
  printf(
      "usage: duplex COMMAND [options]\n\n"
      "Logic-PIM stacks on their C model or their Verilated RTL, alone or beside an xPU. Tensors are .npy "
      "files, <f2, C order.\n\n");
  for (unsigned i = 0; commands[i]; i++) printf("  %-10s %s\n", commands[i]->name, commands[i]->what);
  printf("\nEnvironment:\n");
  for (const struct variable *v = variables; v->name; v++) print_entry(v->name, v->argument, v->what);
  printf(
      "\nduplex help COMMAND, or duplex COMMAND --help (-h), explains a command; duplex --version prints the "
      "version.\n");
}

static void print_options(const char *title, const struct option *options) {
  if (!options) return;
  printf("\n%s:\n", title);
  for (; options->name; options++) print_entry(options->name, options->argument, options->what);
}

void help_of(const struct command *command) {
  printf("usage: duplex %s%s%s", command->name, command->operands[0] ? " " : "", command->operands);
  for (const struct option *o = command->options; o && o->name; o++)
    if (o->required) printf(" %s %s", o->name, o->argument);
  printf("%s\n\n", command->options || command->on_stack ? " [options]" : "");
  print_paragraphs(command->text);
  print_options("Options", command->options);
  if (command->on_stack) print_options("Options of all jobs on a stack", stack_options);
}

static const struct option own_options[] = {
    {"--man", NULL, "the same as a man page: of a command, or of all", 0, 0},
    {"--words", NULL, "the names of all commands, one a line", 0, 0},
    {"--bash", NULL, "completion for bash: source <(duplex help --bash)", 0, 0},
    {0}};

static void print_names(void) {
  for (unsigned i = 0; commands[i]; i++) printf("%s\n", commands[i]->name);
}

// Prints what stands for itself: the names of all commands, or the completion.
static int print_list(const char *option) {
  if (strcmp(option, "--bash") == 0)
    print_completion(commands);
  else
    print_names();
  return EXIT_GOOD;
}

static bool is_own(const char *word) {
  for (const struct option *o = own_options; o->name; o++)
    if (strcmp(o->name, word) == 0) return true;
  return false;
}

static int run_help(int argc, char **argv) {
  const char *option = argc && is_own(argv[0]) ? argv[0] : NULL;
  if (option) argc--, argv++;
  for (int i = 0; i < argc; i++) {
    if (argv[i][0] != '-') continue;
    if (!is_own(argv[i])) return fail(EXIT_BAD_INPUT, "unknown option '%s' of help", argv[i]);
    return option ? fail(EXIT_BAD_INPUT, "help takes one option, '%s' was given with %s", argv[i], option)
                  : fail(EXIT_BAD_INPUT, "help takes '%s' before the command only", argv[i]);
  }
  const bool man = option && strcmp(option, "--man") == 0;
  if (option && !man)
    return argc ? fail(EXIT_BAD_INPUT, "help %s takes no command, '%s' was given", option, argv[0])
                : print_list(option);
  if (argc > 1) return fail(EXIT_BAD_INPUT, "help takes one command, '%s' was given too", argv[1]);
  const struct command *command = argc ? command_find(argv[0]) : NULL;
  if (argc && !command) return fail(EXIT_BAD_INPUT, "unknown command '%s': see duplex --help", argv[0]);
  if (man)
    manual_page(commands, command);
  else if (command)
    help_of(command);
  else
    help_overview();
  return EXIT_GOOD;
}

const struct command help_command = {"help",
                                     "[COMMAND]",
                                     "what a command does, and its options",
                                     "Explains a command, or names all of them.\n",
                                     own_options,
                                     false,
                                     run_help};
