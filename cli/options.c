// SPDX-License-Identifier: Apache-2.0
// Options of a command: --name value.
#include "cli/options.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/messages.h"

static struct option *find(struct option *options, const char *name) {
  for (; options->name; options++)
    if (strcmp(options->name, name) == 0) return options;
  return NULL;
}

// Whether the option takes a file or a folder.
static bool takes_file(const struct option *option) {
  const char *words = option->argument ? option->argument : "";
  return strstr(words, "FILE") || strstr(words, "FOLDER") || strstr(words, "DIR");
}

// A value that was forgotten takes the next option in its place. A text may be anything.
static bool is_forgotten(const struct option *option, const char *value) {
  return strncmp(value, "--", 2) == 0 && strcmp(option->argument, "TEXT") != 0;
}

static int check_required(const struct option *options) {
  for (; options->name; options++)
    if (options->required && !options->value)
      return fail(EXIT_BAD_INPUT, "%s is missing: expected %s, see --help", options->name, options->argument);
  return EXIT_GOOD;
}

int read_options(int argc, char **argv, struct option *options) {
  for (int i = 0; i < argc; i++) {
    struct option *option = find(options, argv[i]);
    if (!option)
      return fail(EXIT_BAD_INPUT, "unknown %s '%s': see --help", argv[i][0] == '-' ? "option" : "argument",
                  argv[i]);
    if (option->value) return fail(EXIT_BAD_INPUT, "%s is given twice", argv[i]);
    option->value = "";
    if (!option->argument) continue;
    if (++i == argc || is_forgotten(option, argv[i]))
      return fail(EXIT_BAD_INPUT, "%s needs a value: expected %s", argv[i - 1], option->argument);
    option->value = argv[i];
    if (!*option->value && takes_file(option))
      return fail(EXIT_BAD_INPUT, "%s '': expected %s", option->name, option->argument);
  }
  return check_required(options);
}

const char *option_value(const struct option *options, const char *name) {
  for (; options->name; options++)
    if (strcmp(options->name, name) == 0) return options->value;
  return NULL;
}

// Whether the text is about this file, or about one of this folder.
static bool is_about(const char *text, const char *file) {
  const size_t length = strlen(file);
  if (length == 0 || strncmp(text, file, length) != 0) return false;
  return file[length - 1] == '/' || (text[length] && strchr(":,/", text[length]));
}

// A file may lie in the folder of another option: the longer name is the one. Of the same name the last one:
// tensors come first in the tables, and the commands read these themselves.
void name_file_option(const struct option *options, char *text, size_t size) {
  const struct option *named = NULL;
  char rest[1024];
  for (; options->name; options++) {
    if (!options->value || !takes_file(options) || !is_about(text, options->value)) continue;
    if (!named || strlen(options->value) >= strlen(named->value)) named = options;
  }
  if (!named) return;
  snprintf(rest, sizeof rest, "%s", text);
  snprintf(text, size, "%s %s", named->name, rest);
}

int number_option(const struct option *options, const char *name, uint64_t least, uint64_t most,
                  uint64_t otherwise, uint64_t *number) {
  const char *text = option_value(options, name);
  *number = otherwise;
  if (!text) return EXIT_GOOD;
  char *end = NULL;
  errno = 0;
  const unsigned long long value = isdigit((unsigned char)text[0]) ? strtoull(text, &end, 10) : 0;
  if (!end || *end || errno || value < least || value > most)
    return fail(EXIT_BAD_INPUT, "%s is '%s': expected a whole number from %llu to %llu", name, text,
                (unsigned long long)least, (unsigned long long)most);
  *number = value;
  return EXIT_GOOD;
}

const char *skip_blanks(const char *at) { return at + strspn(at, " \t"); }

bool read_real(const char *text, double *number) {
  char *end;
  *number = strtod(text, &end);
  return end != text && *end == 0 && !isspace((unsigned char)text[0]);
}

// Names all choices.
static int refuse_choice(const char *name, const char *text, const char *const *choices) {
  char list[200] = "";
  for (; *choices; choices++) {
    if (list[0]) strncat(list, choices[1] ? ", " : " or ", sizeof list - strlen(list) - 1);
    strncat(list, *choices, sizeof list - strlen(list) - 1);
  }
  return fail(EXIT_BAD_INPUT, "%s is '%s': expected %s", name, text, list);
}

int choice_option(const struct option *options, const char *name, const char *const *choices,
                  unsigned *index) {
  const char *text = option_value(options, name);
  *index = 0;
  if (!text) return EXIT_GOOD;
  for (unsigned i = 0; choices[i]; i++)
    if (strcmp(choices[i], text) == 0) {
      *index = i;
      return EXIT_GOOD;
    }
  return refuse_choice(name, text, choices);
}
