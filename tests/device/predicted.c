// SPDX-License-Identifier: Apache-2.0
// What the model predicts of a layer against what the stacks' clocks and the xPU's commands show.
// usage: predicted [LAYERS] [CHANNELS] [BACKEND] [CLOCKS] [FIRMWARE] [PARTIALS]    (60 layers on the C model
// with 4 channels, of 42,000 clocks or more, whose bound is 50 us; native firmware, or riscv; all ways in
// which sums come together, or acc, gathered or f32); DUPLEX_SEED, DUPLEX_ONLY=n runs layer n alone
//
// Of three layers one has exact sums, one gathers h, and one has rounded sums; every second one has two
// copies of each expert. Layers 10, 30 and 50 have experts of Mixtral's, one or two of them, on five stacks
// of 32 channels. Layers 16, 36 and 56 have two copies of an expert of several hundred tokens; with partial
// sums it has to be divided by its tokens.
//
// Both sides, hand-overs, tokens and reduction together, as predicted and as shown. Fails if any layer
// differs by more than 2%, and tells of such a layer where that comes from.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duplex/device.h"
#include "duplex/random.h"
#include "tests/common/environment.h"
#include "tests/device/timed_layer.h"

#define SHARE_MOST 0.02
#define INNER_MOST 65536u  // of a device's layer

// What the layers run on.
struct target {
  const char *backend;
  bool riscv;            // the firmware runs on the RV32 controller
  const char *partials;  // a name of those below, or NULL: layer by layer another one
};

static const struct {
  const char *name;
  enum duplex_partials partials;
} sums[] = {
    {"acc", DUPLEX_PARTIALS_ACC}, {"gathered", DUPLEX_PARTIALS_GATHERED}, {"f32", DUPLEX_PARTIALS_F32}};
enum { SUMS = sizeof sums / sizeof *sums };

struct layer {
  struct duplex_moe_shape shape;
  size_t tokens;
  unsigned top_k, stacks, channels;
  bool gated;
  enum duplex_partials partials;
  unsigned copies;
  bool hot;
};

static struct layer draw_mixtral(struct duplex_random *random) {
  return (struct layer){.shape = {1 + duplex_random_below(random, 2), 4096, 14336},
                        .tokens = 1 + duplex_random_below(random, 48),
                        .top_k = 1,
                        .stacks = 5,
                        .channels = 32,
                        .gated = true};
}

// So wide that sums of tokens which Logic-PIM takes off the xPU move in less time than the xPU is relieved
// of.
static struct layer draw_hot(struct duplex_random *random, unsigned channels) {
  struct layer layer = {.stacks = 1 + (unsigned)duplex_random_below(random, 2),
                        .channels = channels,
                        .gated = true,
                        .tokens = 350 + duplex_random_below(random, 300),
                        .top_k = 1,
                        .hot = true};
  layer.shape.experts = 1;
  layer.shape.hidden = 64 * (4 + duplex_random_below(random, 4));
  layer.shape.inner = layer.stacks * (2000 + duplex_random_below(random, 1000));
  return layer;
}

// A layer that takes Logic-PIM alone so many clocks or up to twice as many, if no expert has more than 8
// tokens: a row of a channel and 64 columns are a beat.
static struct layer draw(struct duplex_random *random, unsigned channels, unsigned long clocks) {
  struct layer layer = {.stacks = 1 + (unsigned)duplex_random_below(random, 3),
                        .channels = channels,
                        .gated = duplex_random_below(random, 3) > 0,
                        .tokens = 1 + duplex_random_below(random, 48)};
  layer.shape.experts = 1 + duplex_random_below(random, 8);
  layer.shape.hidden = 64 * (4 + duplex_random_below(random, 16));
  layer.top_k = 1 + (unsigned)duplex_random_below(random, layer.shape.experts < 3 ? layer.shape.experts : 3);
  const size_t pairs = layer.tokens * layer.top_k;
  const size_t active = pairs < layer.shape.experts ? pairs : layer.shape.experts;
  const size_t beats = active * (layer.gated ? 3 : 2) * layer.shape.hidden / 64;  // of an inner column
  const size_t rows = 1 + clocks / beats;
  layer.shape.inner = layer.stacks * channels * (rows + duplex_random_below(random, rows));
  if (layer.shape.inner > INNER_MOST) layer.shape.inner = INNER_MOST;
  return layer;
}

// Runs the layer; false: it failed.
static bool run(const struct layer *layer, const struct target *target, struct duplex_random *random,
                struct duplex_moe_stats *stats) {
  const struct duplex_riscv_options riscv = {0};
  const struct duplex_device_options options = {
      .stacks = layer->stacks,
      .stack = {.backend = {.channels = layer->channels}, .riscv = target->riscv ? &riscv : NULL},
      .partials = layer->partials,
      .threads = 2,
      .copies = layer->copies,
      .always_decide = 1};
  const struct timed_layer timed = {layer->shape, layer->tokens, layer->top_k, layer->gated};
  return timed_layer_run(&timed, target->backend, &options, random, stats);
}

// By how much the shown times of a layer are longer than predicted, and where.
static void explain(const struct duplex_moe_stats *s) {
  for (unsigned i = 0; i < DUPLEX_PHASES; i++) {
    const uint64_t xpu = s->xpu_reads[i] > s->xpu_estimate[i] ? s->xpu_reads[i] : s->xpu_estimate[i];
    printf("     phase %u: Logic-PIM %llu, %+lld, xPU %llu, %+lld\n", i, (unsigned long long)s->logic_pim[i],
           (long long)(s->logic_pim[i] - s->predicted_logic_pim[i]), (unsigned long long)xpu,
           (long long)(xpu - s->predicted_xpu[i]));
  }
  printf("     tokens %llu, hand-over %llu, sums %llu\n", (unsigned long long)s->distribute,
         (unsigned long long)s->hand_over, (unsigned long long)s->reduce);
}

// Whether both sides have read all of the one expert.
static bool is_divided(const struct layer *layer, const struct duplex_moe_stats *s) {
  const uint64_t bytes = 2 * (layer->gated ? 3 : 2) * layer->shape.hidden * layer->shape.inner;
  return s->logic_pim_bytes == bytes && s->xpu_bytes == bytes;
}

// How the sums of a layer come together, as an index.
static unsigned sums_of(const struct target *target, unsigned long number) {
  for (unsigned i = 0; target->partials && i < SUMS; i++)
    if (strcmp(target->partials, sums[i].name) == 0) return i;
  return number % SUMS;
}

// Runs one layer; *share: by how much it is longer than predicted. False: it failed.
static bool compare(unsigned long number, unsigned channels, const struct target *target,
                    unsigned long clocks, double *share) {
  struct duplex_random random;
  struct duplex_moe_stats s;
  duplex_random_seed(&random, environment_seed(), number);
  struct layer layer = number % 20 == 10   ? draw_mixtral(&random)
                       : number % 20 == 16 ? draw_hot(&random, channels)
                                           : draw(&random, channels, clocks);
  const unsigned way = sums_of(target, number);
  layer.partials = sums[way].partials;
  layer.copies = layer.hot ? 2 : 2 - (number + number / 20) % 2;
  if (!run(&layer, target, &random, &s)) return false;
  const uint64_t shown = s.sides + s.hand_over + s.distribute + s.reduce;
  *share = (double)shown / (double)s.predicted - 1;
  printf(
      "%3lu: %zu experts of %zu x %zu%s, %zu tokens, top-%u, %u stacks, %s, %llu copies: predicted "
      "%llu, shown %llu, %+.2f%%\n",
      number, layer.shape.experts, layer.shape.hidden, layer.shape.inner, layer.gated ? "" : " without gate",
      layer.tokens, layer.top_k, layer.stacks, sums[way].name, (unsigned long long)s.copies,
      (unsigned long long)s.predicted, (unsigned long long)shown, 100 * *share);
  fflush(stdout);
  if (fabs(*share) > SHARE_MOST) explain(&s);
  if (!layer.hot || layer.partials == DUPLEX_PARTIALS_GATHERED) return true;
  const bool divided = is_divided(&layer, &s);
  if (!divided) printf("     the expert is not divided by its tokens\n");
  return divided;
}

int main(int argc, char **argv) {
  const unsigned long layers = argc > 1 ? strtoul(argv[1], NULL, 10) : 60;
  const unsigned channels = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 4;
  const struct target target = {.backend = argc > 3 ? argv[3] : "cmodel",
                                .riscv = argc > 5 && strcmp(argv[5], "riscv") == 0,
                                .partials = argc > 6 ? argv[6] : NULL};
  const unsigned long clocks = argc > 4 ? strtoul(argv[4], NULL, 10) : 42000;
  double worst = 0;
  double sum = 0;
  unsigned far = 0;
  const unsigned long only = environment_number("DUPLEX_ONLY", layers);
  printf("seed %llu\n", (unsigned long long)environment_seed());
  for (unsigned long i = 0; i < layers; i++) {
    double share;
    if (only < layers && i != only) continue;
    if (!compare(i, channels, &target, clocks, &share)) return 1;
    if (fabs(share) > fabs(worst)) worst = share;
    sum += fabs(share);
    far += fabs(share) > SHARE_MOST;
  }
  printf("%lu layers: %.2f%% on average, %+.2f%% at most, %u beyond 2%%\n", layers,
         100 * sum / (double)layers, 100 * worst, far);
  return far ? 1 : 0;
}
