// SPDX-License-Identifier: Apache-2.0
// Keys of RoPE in config.json: rope_theta, and the object rope_scaling or rope_parameters.
#ifndef MODEL_CONFIG_ROPE_H
#define MODEL_CONFIG_ROPE_H

#include "model/config_classes.h"
#include "model/json.h"

// Fills `rope`, of which `positions` are read before.
void model_config_read_rope(struct model_json *json, const struct model_class *class,
                            struct model_config *config);

#endif
