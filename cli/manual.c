// SPDX-License-Identifier: Apache-2.0
// duplex help --man: man pages from the tables of the commands.
#include "cli/manual.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "cli/environment.h"
#include "cli/stack_options.h"

// Text in troff: its special characters are escaped.
static void put(const char *text) {
  for (; *text; text++) {
    if (*text == '\\')
      printf("\\e");
    else
      printf(*text == '-' ? "\\-" : "%c", *text);
  }
}

// A line of text, which may begin with a point or a quote.
static void put_line(const char *text) {
  printf("\\&");
  put(text);
  printf("\n");
}

static void put_entry(const char *name, const char *argument, const char *what) {
  printf(".TP\n\\fB");
  put(name);
  printf("\\fR");
  if (argument) printf(" \\fI"), put(argument), printf("\\fR");
  printf("\n");
  put_line(what);
}

static void put_options(const char *title, const struct option *options) {
  if (!options) return;
  printf(".SH %s\n", title);
  for (; options->name; options++) put_entry(options->name, options->argument, options->what);
}

// The lines of a text; those that begin with blanks are examples.
static void put_paragraphs(const char *text) {
  char line[1024];
  for (const char *end; (end = strchr(text, '\n')); text = end + 1) {
    const bool example = *text == ' ';
    snprintf(line, sizeof line, "%.*s", (int)(end - text), text);
    printf(example ? ".nf\n" : ".PP\n");
    put_line(line);
    if (example) printf(".fi\n");
  }
}

static void put_synopsis(const struct command *command) {
  printf(".B duplex %s\n", command->name);
  put_line(command->operands);
  for (const struct option *o = command->options; o && o->name; o++) {
    if (!o->required) continue;
    put(o->name), printf(" "), put(o->argument);
    printf("\n");
  }
  if (command->options || command->on_stack) printf("[options]\n");
}

static void put_environment(void) {
  printf(".SH ENVIRONMENT\n");
  for (const struct variable *v = variables; v->name; v++) put_entry(v->name, v->argument, v->what);
}

static void put_end(const struct command *const *commands) {
  printf(".SH EXIT STATUS\n0; 2 bad input or usage; 1 anything else.\n.SH SEE ALSO\n");
  printf(".BR duplex (1)");
  for (unsigned i = 0; commands[i]; i++) printf(",\n.BR duplex\\-%s (1)", commands[i]->name);
  printf("\n.PP\nThe pages in docs/ of the source tree: command_line.md, driver.md for the library.\n");
}

static void put_title(const char *name) {
  printf(".\\\" Made by duplex help --man. Do not edit.\n.TH ");
  for (; *name; name++) putchar(toupper((unsigned char)*name));
  printf(" 1 \"\" \"Duplex %s\" \"User Commands\"\n.SH NAME\n", DUPLEX_VERSION_TEXT);
}

// The man page duplex(1) in roff: the commands, and the options of all of them.
static void overview_page(const struct command *const *commands) {
  put_title("duplex");
  printf("duplex \\- ");
  put_line("exact GEMM, expert layers and decode attention on a Logic-PIM stack, C model or Verilated RTL");
  printf(".SH SYNOPSIS\n");
  for (unsigned i = 0; commands[i]; i++) {
    if (i) printf(".br\n");
    put_synopsis(commands[i]);
  }
  printf(".SH DESCRIPTION\n");
  put_line(
      "Tensors are NumPy files of binary16 in C order. Every sum of products is computed exactly and rounded "
      "once, so that results do not depend on the number of channels or threads, or on the back end.");
  printf(".SH COMMANDS\n");
  for (unsigned i = 0; commands[i]; i++) put_entry(commands[i]->name, NULL, commands[i]->what);
  for (unsigned i = 0; commands[i]; i++) {
    char title[64];
    snprintf(title, sizeof title, "OPTIONS OF %s", commands[i]->name);
    put_options(title, commands[i]->options);
  }
  put_options("OPTIONS OF ALL JOBS ON A STACK", stack_options);
}

static void command_page(const struct command *command) {
  char title[64];
  snprintf(title, sizeof title, "duplex-%s", command->name);
  put_title(title);
  put(title);
  printf(" \\- ");
  put(command->what);
  printf("\n.SH SYNOPSIS\n");
  put_synopsis(command);
  printf(".SH DESCRIPTION\n");
  put_paragraphs(command->text);
  put_options("OPTIONS", command->options);
  if (command->on_stack) put_options("OPTIONS OF ALL JOBS ON A STACK", stack_options);
}

void manual_page(const struct command *const *commands, const struct command *command) {
  if (command)
    command_page(command);
  else
    overview_page(commands);
  put_environment();
  put_end(commands);
}
