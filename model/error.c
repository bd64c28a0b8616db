// SPDX-License-Identifier: Apache-2.0
// Why a file of a model was refused.
#include "model/error.h"

#include <stdarg.h>
#include <stdio.h>

int model_fail(struct model_error *error, int code, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(error->text, sizeof error->text, format, arguments);
  va_end(arguments);
  return code;
}

int model_no_memory(struct model_error *error) {
  return model_fail(error, DUPLEX_ERROR_NO_MEMORY, "too little memory for the model");
}
