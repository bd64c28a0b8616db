// SPDX-License-Identifier: Apache-2.0
// Errors of the files of a model.
#ifndef DUPLEX_CLI_MODEL_ERROR_H
#define DUPLEX_CLI_MODEL_ERROR_H

// A file of a model that cannot be read is bad input, as one that cannot be understood. Prints the text, and
// returns the exit status.
int model_file_error(int error, const char *text);

#endif
