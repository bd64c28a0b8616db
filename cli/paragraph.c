// SPDX-License-Identifier: Apache-2.0
// Text of the help in lines of a terminal.
#include "cli/paragraph.h"

#include <stdio.h>
#include <string.h>

#define WIDTH 100
#define COLUMN 32

void print_words(const char *text, int column) {
  int at = column;
  while (*text) {
    const int length = (int)strcspn(text, " ");
    if (at > column && at + 1 + length > WIDTH) {
      printf("\n%*s", column, "");
      at = column;
    }
    at += printf(at > column ? " %.*s" : "%.*s", length, text);
    text += length;
    text += strspn(text, " ");
  }
  printf("\n");
}

void print_paragraphs(const char *text) {
  char line[1024];
  for (const char *end; (end = strchr(text, '\n')); text = end + 1) {
    snprintf(line, sizeof line, "%.*s", (int)(end - text), text);
    if (line[0] == ' ')
      printf("%s\n", line);
    else
      print_words(line, 0);
  }
}

void print_entry(const char *name, const char *argument, const char *what) {
  const int used = printf(argument ? "  %s %s" : "  %s", name, argument);
  if (used + 2 > COLUMN) printf("\n%*s", COLUMN, "");
  if (used + 2 <= COLUMN) printf("%*s", COLUMN - used, "");
  print_words(what, COLUMN);
}
