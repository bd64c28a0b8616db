// SPDX-License-Identifier: Apache-2.0
// Keys of a mixture of experts in config.json: how many there are, of what size, and how they are chosen.
#ifndef MODEL_CONFIG_EXPERTS_H
#define MODEL_CONFIG_EXPERTS_H

#include "model/config_classes.h"
#include "model/json.h"

// Experts that are chosen among all of a layer; `inner` is read before.
void model_config_read_experts(struct model_json *json, const struct model_class *class,
                               struct model_config *config);
// Experts of DeepSeek-V3: in groups, chosen by scores with a bias, and one FFN beside them.
void model_config_read_grouped_experts(struct model_json *json, struct model_config *config);

#endif
