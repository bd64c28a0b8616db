// SPDX-License-Identifier: Apache-2.0
// Tokens of each expert of a layer, when some experts are more popular than others.
#ifndef SERVING_IMBALANCE_H
#define SERVING_IMBALANCE_H

#include <stddef.h>
#include <stdint.h>

#include "duplex/random.h"

struct imbalance;

struct imbalance_model {
  unsigned layers, experts, top_k;  // of a served model; layers with experts
  uint64_t seed;
};

// How popular experts are:
//   "zipf:A"   the r-th of a layer 1 / r^A, in another order in each layer, by seed
//   "power:A"  numbers of the density x^-A from 1 to the number of experts, by seed, of all layers likewise
//   a path     what `duplex run --record-routing` wrote: layer,step,expert,tokens
// Each token chooses its experts one after another, each by the popularity of those that are left. NULL or
// "uniform": *imbalance is NULL, and routing_draw says what there is. Returns 0 or a code, with a line in
// `error`.
int imbalance_open(struct imbalance **imbalance, const char *what, const struct imbalance_model *model,
                   char *error, size_t size);
// Whether some model may have it. Returns 0 or a code, with a line in `error`.
int imbalance_check(const char *what, char *error, size_t size);
void imbalance_close(struct imbalance *imbalance);

// counts[e] of the model's experts in a layer, 0 to layers - 1; they add up to tokens * top_k.
void imbalance_draw(const struct imbalance *imbalance, struct duplex_random *random, unsigned layer,
                    unsigned tokens, unsigned *counts);

// x^a of x from 1 on and a from -64 to 64, within 1e-9, by products and square roots alone.
double imbalance_power(double x, double a);

#endif
