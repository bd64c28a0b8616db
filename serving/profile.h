// SPDX-License-Identifier: Apache-2.0
// Times of an engine's layers on one device as somebody measured them, in place of all formulas of a stage.
//
// Tables with commas in a folder, times in microseconds (columns as LLMServingSim 2.0 has them):
//   dense.csv         layer,tokens,time_us: embedding and final_layernorm once a step, layernorm twice a
//   layer,
//                     all others once a layer
//   per_sequence.csv  layer,sequences,time_us: once a step, of the sequences that get a token
//   attention.csv     prefill_chunk,kv_prefill,n_decode,kv_decode,time_us: rows with a prefill alone, and
//   with
//                     decoding sequences alone, of a mean length, are used
//   moe.csv           tokens,activated_experts,time_us: of a layer; only of a model with experts
// Between two rows the time goes straight, first by the second column and then by the first; below the least
// it stays, beyond the largest it grows as the number.
#ifndef SERVING_PROFILE_H
#define SERVING_PROFILE_H

#include <stdbool.h>
#include <stddef.h>

struct profile;

// Returns 0 or a code, with a line in `error`.
int profile_open(struct profile **profile, const char *folder, bool experts, char *error, size_t size);
void profile_close(struct profile *profile);

// Seconds. Of all dense layers of a step; of attention of a chunk behind `before` positions, and of decoding
// sequences with so many positions in all, in a layer.
double profile_dense(const struct profile *profile, unsigned layers, double tokens, double sequences);
double profile_prefill(const struct profile *profile, unsigned before, unsigned tokens);
double profile_decode(const struct profile *profile, unsigned sequences, double positions);
// Of the experts of a layer that lie on `devices` in order: of the slowest device.
double profile_experts(const struct profile *profile, const unsigned *counts, unsigned experts,
                       unsigned devices, unsigned top_k);

#endif
