// SPDX-License-Identifier: Apache-2.0
// Greedy choice, and draws from the softmax of the largest logits.
#include "model/sampler.h"

#include <math.h>
#include <stdlib.h>

#include "cmodel/numerics/exact_mode.h"
#include "duplex/random.h"
#include "xpu/binary32.h"
#include "xpu/exponential.h"

struct candidate {
  float logit;
  uint32_t token;
};

struct sampler {
  size_t vocabulary;
  struct candidate *candidates;  // [vocabulary], the largest logit first
  double *sums;                  // of the weights up to a candidate, itself included
};

struct sampler *sampler_new(size_t vocabulary) {
  struct sampler *sampler = calloc(1, sizeof *sampler);
  if (!sampler) return NULL;
  sampler->vocabulary = vocabulary;
  sampler->candidates = malloc(vocabulary * sizeof *sampler->candidates);
  sampler->sums = malloc(vocabulary * sizeof *sampler->sums);
  if (sampler->candidates && sampler->sums) return sampler;
  sampler_free(sampler);
  return NULL;
}

void sampler_free(struct sampler *sampler) {
  if (!sampler) return;
  free(sampler->candidates);
  free(sampler->sums);
  free(sampler);
}

// NaN ranks below all numbers.
static bool larger(float a, float b) { return a > b || (isnan(b) && !isnan(a)); }

static size_t greedy(const duplex_f32 *logits, size_t vocabulary) {
  size_t best = 0;
  for (size_t i = 1; i < vocabulary; i++)
    if (larger(binary32_float(logits[i]), binary32_float(logits[best]))) best = i;
  return best;
}

// Descending logits, ascending tokens: no two candidates are equal.
static int compare(const void *one, const void *other) {
  const struct candidate *a = one;
  const struct candidate *b = other;
  if (larger(a->logit, b->logit)) return -1;
  if (larger(b->logit, a->logit)) return 1;
  return a->token < b->token ? -1 : 1;
}

static void sort(struct sampler *sampler, const duplex_f32 *logits) {
  for (size_t i = 0; i < sampler->vocabulary; i++)
    sampler->candidates[i] = (struct candidate){binary32_float(logits[i]), (uint32_t)i};
  qsort(sampler->candidates, sampler->vocabulary, sizeof *sampler->candidates, compare);
}

// Weights exp((logit - largest) / temperature), summed in their order; a weight that is no number counts 0.
static void weigh(struct sampler *sampler, float temperature, size_t count) {
  const float most = sampler->candidates[0].logit;
  double sum = 0;
  for (size_t i = 0; i < count; i++) {
    const float below = sampler->candidates[i].logit == most ? 0 : sampler->candidates[i].logit - most;
    const float weight = binary32_float(xpu_exponential(binary32_bits(below / temperature)));
    sum += isnan(weight) ? 0 : (double)weight;
    sampler->sums[i] = sum;
  }
}

// The fewest candidates whose weights reach the share.
static size_t kept(const struct sampler *sampler, float share, size_t count) {
  const double wanted = (double)share * sampler->sums[count - 1];
  size_t number = 1;
  while (number < count && sampler->sums[number - 1] < wanted) number++;
  return number;
}

static size_t draw(const struct sampler *sampler, size_t count, double unit) {
  const double point = unit * sampler->sums[count - 1];
  size_t i = 0;
  while (i + 1 < count && sampler->sums[i] <= point) i++;
  return sampler->candidates[i].token;
}

size_t sampler_choose(struct sampler *sampler, const struct sampler_options *options,
                      const duplex_f32 *logits, uint64_t request, size_t position) {
  if (options->temperature == 0) return greedy(logits, sampler->vocabulary);
  struct duplex_random random;
  duplex_random_seed(&random, options->seed, request << 32 | position);
  const double unit = duplex_random_unit(&random);
  sort(sampler, logits);
  if (isnan(sampler->candidates[0].logit)) return sampler->candidates[0].token;  // none is a number
  size_t count = sampler->vocabulary;
  if (options->top_k && options->top_k < count) count = options->top_k;
  const exact_mode saved = exact_begin(logits);
  weigh(sampler, options->temperature, count);
  if (options->top_p < 1) count = kept(sampler, options->top_p, count);
  const size_t token = draw(sampler, count, unit);
  exact_end(saved, sampler->sums);
  return token;
}
