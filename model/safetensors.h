// SPDX-License-Identifier: Apache-2.0
// Files of the form .safetensors: 8 bytes of length, a header of JSON, then the bytes of all tensors.
#ifndef MODEL_SAFETENSORS_H
#define MODEL_SAFETENSORS_H

#include "model/file.h"
#include "model/tensor.h"

// Adds the tensors of one file, whose bytes have to stay. Everything is checked before a byte of a tensor is
// looked at: the header, types, shapes, and that the tensors fill the file without gap or overlap. `path` is
// kept for messages. Errors: FORMAT, NOT_AVAILABLE (an element type that is not there), NO_MEMORY.
int model_safetensors_read(const uint8_t *bytes, size_t size, const char *path, struct model_tensors *tensors,
                           struct model_error *error);

// The tensors of a folder: model.safetensors, or the shards of model.safetensors.index.json, each of which
// has to lie in the folder itself and has to hold what the index says. Errors: those above, IO (a file is
// missing).
int model_safetensors_open(const char *folder, struct model_files *files, struct model_tensors *tensors,
                           struct model_error *error);

#endif
