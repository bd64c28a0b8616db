// SPDX-License-Identifier: Apache-2.0
// config.json of models that the simulator has and `duplex run` has not, or only as binary16: DeepSeek, and
// Qwen2-MoE. Of their keys the shapes are read.
#ifndef SERVING_MODEL_SHAPES_H
#define SERVING_MODEL_SHAPES_H

#include "serving/config_file.h"
#include "serving/model.h"

// The names of these architectures, with ", " between them.
#define MODEL_SHAPES "DeepseekForCausalLM, DeepseekV2ForCausalLM, DeepseekV3ForCausalLM, Qwen2MoeForCausalLM"

// Whether the file is of one of them.
bool model_shapes_are(const struct config_file *file);
// Reads it. Returns 0 or DUPLEX_ERROR_FORMAT with a line in the file's error text.
int model_shapes_read(const struct config_file *file, struct serving_model *model);

#endif
