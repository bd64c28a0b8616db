// SPDX-License-Identifier: Apache-2.0
// The description of a model from the metadata of a GGUF file.
#ifndef MODEL_GGUF_CONFIG_H
#define MODEL_GGUF_CONFIG_H

#include "model/config.h"
#include "model/gguf.h"

// *paired_rows: rows of q and k are turned, as writers of GGUF do for llama. Keys of the architecture that
// are not known are refused. Errors as for model_config_read.
int model_gguf_config(struct model_gguf *gguf, const struct model_tensors *tensors,
                      struct model_config *config, bool *paired_rows, struct model_error *error);

#endif
