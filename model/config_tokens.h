// SPDX-License-Identifier: Apache-2.0
// Tokens of config.json that begin and end a text.
#ifndef MODEL_CONFIG_TOKENS_H
#define MODEL_CONFIG_TOKENS_H

#include "model/config_classes.h"
#include "model/json.h"

void model_config_read_begin_token(struct model_json *json, const struct model_class *class,
                                   struct model_config *config);
// A token or a list of them. null or no key: none, as transformers generates, whatever its class has.
void model_config_read_end_tokens(struct model_json *json, struct model_config *config);

#endif
