// SPDX-License-Identifier: Apache-2.0
// Random numbers: xoshiro256** seeded by splitmix64.
#include "duplex/random.h"

// The next 64 bits of a generator whose whole state is one word; spreads a seed over a larger state.
static uint64_t splitmix64(uint64_t *state) {
  uint64_t z = (*state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static uint64_t rotate_left(uint64_t value, int count) { return value << count | value >> (64 - count); }

void duplex_random_seed(struct duplex_random *random, uint64_t seed, uint64_t stream) {
  uint64_t mix = seed;
  mix = splitmix64(&mix) ^ stream * 0xd1342543de82ef95u;
  for (int i = 0; i < 4; i++) random->state[i] = splitmix64(&mix);
}

uint64_t duplex_random_u64(struct duplex_random *random) {
  uint64_t *s = random->state;
  const uint64_t result = rotate_left(s[1] * 5, 7) * 9;
  const uint64_t shifted = s[1] << 17;
  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= shifted;
  s[3] = rotate_left(s[3], 45);
  return result;
}

uint64_t duplex_random_below(struct duplex_random *random, uint64_t bound) {
  return (uint64_t)((unsigned __int128)duplex_random_u64(random) * bound >> 64);
}

double duplex_random_unit(struct duplex_random *random) {
  return (double)(duplex_random_u64(random) >> 11) * 0x1p-53;
}

// Twelve uniforms have variance 1; the cubic term lifts the tails, which a plain sum of twelve lacks.
double duplex_random_normal(struct duplex_random *random) {
  double sum = -6.0;
  for (int i = 0; i < 12; i++) sum += duplex_random_unit(random);
  const double cubic = 0.01;
  return (1.0 - 3.0 * cubic) * sum + cubic * sum * sum * sum;
}
