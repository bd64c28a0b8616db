// SPDX-License-Identifier: Apache-2.0
// Keys of config.json by which layers differ: which have experts, and which slide.
#ifndef MODEL_CONFIG_LAYERS_H
#define MODEL_CONFIG_LAYERS_H

#include "model/config_classes.h"
#include "model/json.h"

// The window of layers that slide.
void model_config_read_window(struct model_json *json, const struct model_class *class,
                              struct model_config *config);
// Allocates and fills `layer`; `layers`, `experts` and the window are read before.
void model_config_read_layers(struct model_json *json, const struct model_class *class,
                              struct model_config *config);

#endif
