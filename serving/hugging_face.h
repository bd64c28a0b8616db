// SPDX-License-Identifier: Apache-2.0
// Models by the config.json of Hugging Face, of the architectures that model/config.h knows.
#ifndef SERVING_HUGGING_FACE_H
#define SERVING_HUGGING_FACE_H

#include "serving/config_file.h"
#include "serving/model.h"

// Whether the file is a config.json.
bool hugging_face_is(const struct config_file *file);

// Sizes of a model whose attention sees all positions and whose weights have 16 bits. What would be simulated
// as something else is refused by the name of its key. Returns 0, DUPLEX_ERROR_FORMAT, _NOT_AVAILABLE or
// _NO_MEMORY, with a line in the file's `error`.
int hugging_face_read(const struct config_file *file, struct serving_model *model);

#endif
