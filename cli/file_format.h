// SPDX-License-Identifier: Apache-2.0
// Endings of file names against what a file will hold.
#ifndef DUPLEX_CLI_FILE_FORMAT_H
#define DUPLEX_CLI_FILE_FORMAT_H

#include "cli/output.h"

// NULL, or a constant text with what was expected: the ending of the name says another format.
const char *file_format_wrong(const char *path, enum output_format format);

#endif
