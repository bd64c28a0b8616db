// SPDX-License-Identifier: Apache-2.0
// One line on the standard error about what went wrong, and the exit status for it.
#ifndef INFLUENCE_REPORT_H
#define INFLUENCE_REPORT_H

#include <stddef.h>

// Exit statuses, and what functions return: 0 or one of these.
enum status { GOOD = 0, FAILED = 1, BAD_INPUT = 2 };

// Prints the line and returns `status`.
enum status report(enum status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Zeroed memory of count x size bytes, at least one; NULL, after a line, if there is none.
void *allocate(size_t count, size_t size);

#endif
