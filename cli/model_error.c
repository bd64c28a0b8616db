// SPDX-License-Identifier: Apache-2.0
// Errors of the files of a model.
#include "cli/model_error.h"

#include "cli/messages.h"
#include "duplex/error.h"

int model_file_error(int error, const char *text) {
  return fail(error == DUPLEX_ERROR_NO_MEMORY ? EXIT_ERROR : EXIT_BAD_INPUT, "--model %s", text);
}
