// SPDX-License-Identifier: Apache-2.0
// Values of keys of config.json that a class has a value for, where the key is missing.
#ifndef MODEL_CONFIG_KEYS_H
#define MODEL_CONFIG_KEYS_H

#include "model/json.h"

// Sizes, numbers and switches that the class has a value for. transformers takes no null for a size or number
// that is not 0 where the key is missing, so it is refused; null as a switch is off, whatever the default.
uint64_t model_key_size(struct model_json *json, const char *key, uint64_t most, uint64_t otherwise);
unsigned model_key_count(struct model_json *json, const char *key, uint64_t otherwise);  // to MODEL_SIZE_MOST
double model_key_real(struct model_json *json, const char *key, double otherwise);
bool model_key_bool(struct model_json *json, const char *key, bool otherwise);

// A number that null leaves as the class has it.
double model_key_nullable_real(struct model_json *json, const char *key, double otherwise);
// A limit that counts if it is there, 0 among the numbers that are.
double model_key_limit(struct model_json *json, const char *key);

// A word that the class does not look at, since it knows one alone.
void model_key_only_word(struct model_json *json, const char *key, const char *word);
// A size that follows from others.
void model_key_only_size(struct model_json *json, const char *key, unsigned value);

#endif
