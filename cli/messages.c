// SPDX-License-Identifier: Apache-2.0
// One line on standard error for each failure.
#include "cli/messages.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

#include "cli/progress.h"

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
  progress_end();
  fprintf(stderr, "duplex: %s\n", text);
  return status;
}
