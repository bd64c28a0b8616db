// SPDX-License-Identifier: Apache-2.0
// Files that are read more than once: their names have to mean the same text each time.
#ifndef SERVING_REGULAR_FILE_H
#define SERVING_REGULAR_FILE_H

#include <stdio.h>

// Opens a regular file for reading, and waits for nothing. NULL: it cannot be opened, or is a pipe or a
// device, which can be read once or has no end; *cause tells which.
FILE *regular_file_open(const char *path, const char **cause);

#endif
