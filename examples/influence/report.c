// SPDX-License-Identifier: Apache-2.0
// Lines about errors.
#include "report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum status report(enum status status, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("influence: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  return status;
}

void *allocate(size_t count, size_t size) {
  void *memory = calloc(count ? count : 1, size);
  if (!memory) report(FAILED, "too little memory for %zu elements of %zu bytes", count, size);
  return memory;
}
