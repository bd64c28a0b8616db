// SPDX-License-Identifier: Apache-2.0
// What the stages of a full batch are in the mean.
#include "serving/usual.h"

#include <math.h>

#include "serving/capacity.h"

#define TOKENS_MOST 1048576.0  // of a stage: with more of them it takes longer, as much wherever experts lie
// Stages that only decode count at least so much: a batch is not always full, and prompts that are the xPU's
// take as long in several ways.
#define DECODING_LEAST (1 / 32.0)

// Mean lengths of the requests.
static void mean_lengths(const struct serving_options *o, double *input, double *output) {
  *input = o->input;
  *output = o->output;
  if (!o->trace) return;
  *input = *output = 0;
  for (size_t i = 0; i < o->trace->count; i++) {
    *input += (double)o->trace->list[i].input / (double)o->trace->count;
    *output += (double)o->trace->list[i].output / (double)o->trace->count;
  }
}

// By products alone, which are the same on every machine.
static double power(double base, unsigned exponent) {
  double product = 1;
  for (; exponent; exponent /= 2, base *= base)
    if (exponent % 2) product *= base;
  return product;
}

// A request takes a stage for its prompt, several where the scheduler has a budget of tokens, and one for
// each token but the first.
struct usual usual_of(const struct machine *m, const struct serving_options *options) {
  const unsigned places = capacity_places(m, options);
  struct usual u = {.batch = (double)places * m->nodes, .most = TOKENS_MOST};
  double input, output, chunks = 1;
  mean_lengths(options, &input, &output);
  if (options->scheduler == SERVING_VLLM) {
    const double rest = options->most_tokens > places ? options->most_tokens - places : 1;
    chunks = ceil(input / rest);
    u.most = fmin(u.most, (double)options->most_tokens * m->nodes);
  }
  u.chunk = input / chunks;
  u.prompts = m->only_decodes ? 0 : m->only_prefills ? 1 : chunks / (chunks + output - 1);
  u.decoding_only = power(1 - u.prompts, (unsigned)u.batch);
  u.mixed = 1 - u.decoding_only;
  if (!m->only_prefills) u.decoding_only = fmax(u.decoding_only, DECODING_LEAST);
  u.apart = m->layout == LAYOUT_SPLIT;
  if (u.apart) u.decoding_only = 1;
  return u;
}

unsigned usual_decoding_tokens(const struct usual *u) { return (unsigned)u->batch; }

// As many prompts as there are with that probability, by the normal distribution of the same mean and
// variance.
unsigned usual_mixed_tokens(const struct usual *u, struct duplex_random *random) {
  const double mean = u->batch * u->prompts;
  const double deviation = sqrt(mean * (1 - u->prompts));
  const double drawn = floor(mean + deviation * duplex_random_normal(random) + 0.5);
  const double prompts = fmin(fmax(drawn, 1), u->batch);
  const double tokens = (u->apart ? 0 : u->batch - prompts) + prompts * u->chunk;
  return (unsigned)fmax(1, fmin(tokens, u->most));
}
