// SPDX-License-Identifier: Apache-2.0
// Keys of config.json that no reader takes: those that change no result, and a refusal of all others.
#ifndef MODEL_CONFIG_UNKNOWN_H
#define MODEL_CONFIG_UNKNOWN_H

#include "model/json.h"

// Whether the key changes no result, whatever its value.
bool model_key_is_harmless(const char *key);

// Refuses the first key that is left and may change what is computed. For the end of an object.
void model_refuse_unknown(struct model_json *json);

#endif
