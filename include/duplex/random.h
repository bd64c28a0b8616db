// SPDX-License-Identifier: Apache-2.0
// Random numbers for stimulus and demonstration data.
//
// xoshiro256** seeded by splitmix64: the same seed gives the same stream on every machine, and neighbouring
// seeds give unrelated streams. Not for secrets.
#ifndef DUPLEX_RANDOM_H
#define DUPLEX_RANDOM_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct duplex_random {
  uint64_t state[4];
};

// Starts the stream that belongs to (seed, stream): a test gives each of its cases a stream of its own, so
// that one case can be run again without the ones before it.
void duplex_random_seed(struct duplex_random *random, uint64_t seed, uint64_t stream);

uint64_t duplex_random_u64(struct duplex_random *random);

// Uniform in 0 to bound - 1; bound must not be 0.
uint64_t duplex_random_below(struct duplex_random *random, uint64_t bound);

// Uniform in [0, 1), a multiple of 2^-53.
double duplex_random_unit(struct duplex_random *random);

// Normal with mean 0 and deviation 1. Built from sums and products only, so that no result depends on a
// host's libm.
double duplex_random_normal(struct duplex_random *random);

#ifdef __cplusplus
}
#endif
#endif
