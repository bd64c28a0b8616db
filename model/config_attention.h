// SPDX-License-Identifier: Apache-2.0
// Keys of attention in config.json: heads, their sizes, biases and limits.
#ifndef MODEL_CONFIG_ATTENTION_H
#define MODEL_CONFIG_ATTENTION_H

#include "model/config_classes.h"
#include "model/json.h"

// Of all classes but those with latent attention; `hidden` is read before.
void model_config_read_attention(struct model_json *json, const struct model_class *class,
                                 struct model_config *config);
// Heads of latent attention. head_dim is what is rotated, here and in the class.
void model_config_read_latent(struct model_json *json, const struct model_class *class,
                              struct model_config *config);

#endif
