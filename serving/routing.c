// SPDX-License-Identifier: Apache-2.0
// Tokens of each expert.
#include "serving/routing.h"

#include <math.h>
#include <string.h>

#define TAKEN_MOST (1u << 20)
#define MANY 64u  // tokens an expert, in the mean, from which the normal distribution serves

bool routing_is_among(const unsigned *chosen, unsigned count, unsigned expert) {
  for (unsigned i = 0; i < count; i++)
    if (chosen[i] == expert) return true;
  return false;
}

// A uniform fraction of 2^64 from which several numbers are taken: what one leaves is uniform again, but for
// one in 2^32.
struct fraction {
  uint64_t left, taken;  // the fraction; product of the bounds so far
};

static inline unsigned take_below(struct duplex_random *random, struct fraction *f, unsigned bound) {
  if (f->taken == 0 || f->taken > TAKEN_MOST) *f = (struct fraction){duplex_random_u64(random), 1};
  const unsigned __int128 product = (unsigned __int128)f->left * bound;
  f->left = (uint64_t)product;
  f->taken *= bound;
  return (unsigned)(product >> 64);
}

// Distinct experts of one token (Floyd's sampling): the i-th is drawn from the first experts - top_k + i + 1,
// or is the last of these if it is there already.
static void draw_token(struct duplex_random *random, struct fraction *fraction, unsigned experts,
                       unsigned top_k, unsigned *counts) {
  unsigned chosen[ROUTING_TOP_K];
  for (unsigned i = 0; i < top_k; i++) {
    const unsigned last = experts - top_k + i;
    const unsigned drawn = take_below(random, fraction, last + 1);
    chosen[i] = routing_is_among(chosen, i, drawn) ? last : drawn;
    counts[chosen[i]]++;
  }
}

// The same for two experts a token, which most models have.
static void draw_pairs(struct duplex_random *random, unsigned tokens, unsigned experts, unsigned *counts) {
  struct fraction fraction = {0};
  for (unsigned t = 0; t < tokens; t++) {
    const unsigned first = take_below(random, &fraction, experts - 1);
    const unsigned drawn = take_below(random, &fraction, experts);
    counts[first]++;
    counts[drawn == first ? experts - 1 : drawn]++;
  }
}

void routing_settle(struct duplex_random *random, unsigned tokens, unsigned experts, const double *share,
                    long over, unsigned *counts) {
  for (unsigned e = (unsigned)duplex_random_below(random, experts); over; e = (e + 1) % experts) {
    if (over > 0 && counts[e] > 0) {
      counts[e]--;
      over--;
    } else if (over < 0 && counts[e] < tokens && (!share || share[e] > 0)) {
      counts[e]++;
      over++;
    }
  }
}

// Each count is binomial with p = top_k / experts, and any two have the covariance -variance / (experts - 1):
// so have normal values with their mean taken off, times sqrt(experts / (experts - 1)).
static void draw_many(struct duplex_random *random, unsigned tokens, unsigned experts, unsigned top_k,
                      unsigned *counts) {
  double normal[ROUTING_EXPERTS];
  double mean = 0;
  for (unsigned e = 0; e < experts; e++) mean += normal[e] = duplex_random_normal(random);
  mean /= experts;
  const double p = (double)top_k / experts;
  const double spread = sqrt(tokens * p * (1 - p) * experts / (experts - 1.0));
  long sum = 0;
  for (unsigned e = 0; e < experts; e++) {
    const double value = floor(tokens * p + spread * (normal[e] - mean) + 0.5);
    counts[e] = value < 0 ? 0 : value > tokens ? tokens : (unsigned)value;
    sum += counts[e];
  }
  routing_settle(random, tokens, experts, NULL, sum - (long)tokens * top_k, counts);
}

bool routing_is_many(unsigned tokens, unsigned experts, unsigned top_k) {
  return (double)tokens * top_k >= (double)MANY * experts && top_k < experts;
}

void routing_draw(struct duplex_random *random, unsigned tokens, unsigned experts, unsigned top_k,
                  unsigned *counts) {
  if (routing_is_many(tokens, experts, top_k)) {
    draw_many(random, tokens, experts, top_k, counts);
    return;
  }
  memset(counts, 0, experts * sizeof *counts);
  if (top_k == 2) {
    draw_pairs(random, tokens, experts, counts);
    return;
  }
  struct fraction fraction = {0};
  for (unsigned t = 0; t < tokens; t++) draw_token(random, &fraction, experts, top_k, counts);
}
