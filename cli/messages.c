// SPDX-License-Identifier: Apache-2.0
// One line on standard error for each failure, progress on a terminal.
#include "cli/messages.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static char context[320];  // text before every message

void fail_context(const char *text) { snprintf(context, sizeof context, "%s", text); }

int fail(int status, const char *format, ...) {
  char text[8192];
  va_list arguments;
  va_start(arguments, format);
  const int before = snprintf(text, sizeof text, "%s", context);
  vsnprintf(text + before, sizeof text - (size_t)before, format, arguments);
  va_end(arguments);
  for (char *c = text; *c; c++)
    if (iscntrl((unsigned char)*c)) *c = '?';
  fprintf(stderr, "duplex: %s\n", text);
  return status;
}

void progress(const char *text) {
  if (isatty(STDERR_FILENO)) fprintf(stderr, "\r\033[K%s", text);
}
