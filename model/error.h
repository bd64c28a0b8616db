// SPDX-License-Identifier: Apache-2.0
// Why a file of a model was refused: one line of text, beside a code of duplex/error.h.
#ifndef MODEL_ERROR_H
#define MODEL_ERROR_H

#include "duplex/error.h"

// Which file, which place in it, what was expected; no line feed at its end.
struct model_error {
  char text[512];
};

// Writes the text and returns the code.
int model_fail(struct model_error *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// DUPLEX_ERROR_NO_MEMORY with a text.
int model_no_memory(struct model_error *error);

#endif
