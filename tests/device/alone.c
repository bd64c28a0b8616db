// SPDX-License-Identifier: Apache-2.0
// Short layers under `best` against the same layers on either side alone, in clocks of the whole layer.
// usage: alone [LAYERS] [BACKEND]    (40 layers on the C model); DUPLEX_SEED, DUPLEX_ONLY=n runs layer n
// alone
//
// Every expert has all tokens, so that pairs are spread as evenly as the rule expects. Every second layer may
// have two copies of each expert. Fails if `best` takes more than 1% longer than the policy `xpu` or `pim`.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "duplex/device.h"
#include "duplex/random.h"
#include "tests/common/environment.h"
#include "tests/device/timed_layer.h"

#define SLOWER_MOST 0.01
#define SLOWER_AT_ALL 0.06
#define LAYERS_OF_ONE 30        // that is slower
#define PREDICTED_CLOCKS 10000  // of a shorter one the place between two refreshes is more than 2%
#define PREDICTED_MOST 0.02

struct counted {
  unsigned to_logic_pim, slower, failed;
};

struct layer {
  struct duplex_moe_shape shape;
  size_t tokens;
  unsigned stacks, channels;
  bool gated;
  unsigned copies;
};

// A layer of some hundred to some ten thousand clocks.
static struct layer draw(struct duplex_random *random) {
  struct layer layer = {.stacks = 1 + (unsigned)duplex_random_below(random, 5),
                        .channels = 1u << (1 + duplex_random_below(random, 3)),
                        .gated = duplex_random_below(random, 3) > 0,
                        .tokens = 1 + duplex_random_below(random, 1 + duplex_random_below(random, 24))};
  layer.shape.experts = 1 + duplex_random_below(random, 8);
  layer.shape.hidden = 64 * (2 + duplex_random_below(random, 12));
  layer.shape.inner = 64 + duplex_random_below(random, 2000 / layer.shape.experts);
  return layer;
}

// Runs the layer under a policy; false: it failed.
static bool run(const struct layer *layer, const char *backend, enum duplex_policy policy,
                struct duplex_moe_stats *stats) {
  const struct duplex_device_options options = {.stacks = layer->stacks,
                                                .stack = {.backend = {.channels = layer->channels}},
                                                .policy = policy,
                                                .threads = 2,
                                                .expected_pairs = layer->tokens * layer->shape.experts,
                                                .copies = policy == DUPLEX_POLICY_BEST ? layer->copies : 0};
  struct duplex_random random;
  duplex_random_seed(&random, environment_seed(), 0);
  const struct timed_layer timed = {layer->shape, layer->tokens, (unsigned)layer->shape.experts,
                                    layer->gated};
  return timed_layer_run(&timed, backend, &options, &random, stats);
}

// Runs one layer under all three. False: it failed, or exceeds a limit that all layers have.
static bool compare(unsigned long number, const char *backend, struct counted *counted) {
  static const enum duplex_policy policies[] = {DUPLEX_POLICY_BEST, DUPLEX_POLICY_LOGIC_PIM,
                                                DUPLEX_POLICY_XPU};
  struct duplex_random random;
  struct duplex_moe_stats s[3];
  duplex_random_seed(&random, environment_seed(), number);
  struct layer layer = draw(&random);
  layer.copies = number % 2;
  for (unsigned i = 0; i < 3; i++)
    if (!run(&layer, backend, policies[i], &s[i])) return false;
  const uint64_t alone = s[1].cycles < s[2].cycles ? s[1].cycles : s[2].cycles;
  const uint64_t shown = s->sides + s->hand_over + s->distribute + s->reduce;
  const double slower = (double)s->cycles / (double)alone - 1;
  const double longer = (double)shown / (double)s->predicted - 1;
  const bool is_pims = !s->decide && !s->xpu_macs;
  counted->to_logic_pim += is_pims;
  counted->slower += slower > SLOWER_MOST;
  printf(
      "%3lu: %zu experts of %zu x %zu%s, %zu tokens, %u stacks of %u channels, %llu copies, %s: %llu "
      "clocks, ",
      number, layer.shape.experts, layer.shape.hidden, layer.shape.inner, layer.gated ? "" : " without gate",
      layer.tokens, layer.stacks, layer.channels, (unsigned long long)s->copies,
      s->decide ? "decided"
      : is_pims ? "Logic-PIM alone"
                : "the xPU alone",
      (unsigned long long)s->cycles);
  printf("pim %llu, xpu %llu, %+.2f%%; predicted %+.2f%%\n", (unsigned long long)s[1].cycles,
         (unsigned long long)s[2].cycles, 100 * slower, -100 * longer);
  fflush(stdout);
  return slower <= SLOWER_AT_ALL && (!is_pims || shown < PREDICTED_CLOCKS || fabs(longer) <= PREDICTED_MOST);
}

int main(int argc, char **argv) {
  const unsigned long layers = argc > 1 ? strtoul(argv[1], NULL, 10) : 60;
  const char *backend = argc > 2 ? argv[2] : "cmodel";
  const unsigned long only = environment_number("DUPLEX_ONLY", layers);
  struct counted counted = {0};
  printf("seed %llu\n", (unsigned long long)environment_seed());
  for (unsigned long i = 0; i < layers; i++)
    if (only >= layers || i == only) counted.failed += !compare(i, backend, &counted);
  printf("%lu layers, %u of them on Logic-PIM alone: %u slower than a side, %u beyond a limit of all\n",
         layers, counted.to_logic_pim, counted.slower, counted.failed);
  return counted.failed || counted.slower > (only < layers ? 0 : layers / LAYERS_OF_ONE);
}
