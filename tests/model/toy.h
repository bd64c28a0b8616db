// SPDX-License-Identifier: Apache-2.0
// Small models of every architecture with random weights, as folders of config.json and model.safetensors,
// for tests and for the script that makes the golden logits.
#ifndef DUPLEX_TEST_TOY_H
#define DUPLEX_TEST_TOY_H

#include <stdint.h>

enum toy_type { TOY_F16, TOY_BF16, TOY_F32 };

// Names of the toys, NULL behind the last: those of the architectures, and variants of them.
extern const char *const toy_names[];

// Writes the toy into a folder that there is. The same seed gives the same files. Values are exact in
// binary16, those of TOY_BF16 mostly at a row exponent only. Returns 0, or -1 with errno.
int toy_write(const char *folder, const char *name, enum toy_type type, uint64_t seed);

#endif
