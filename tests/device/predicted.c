// SPDX-License-Identifier: Apache-2.0
// What the table of times predicts of a layer against what the stacks' clocks and the xPU's commands show.
// usage: predicted [LAYERS] [CHANNELS] [BACKEND]    (60 layers on the C model with 4 channels); DUPLEX_SEED
//
// Prints both for each layer and fails if any differs by more than 2%, and by more than 200 clocks: a phase
// begins and ends, which the table leaves to what is charged beside it.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duplex/device.h"
#include "duplex/random.h"
#include "tests/common/environment.h"

struct layer {
  struct duplex_moe_shape shape;
  size_t tokens;
  unsigned top_k, stacks;
  bool gated;
};

// Sizes of which each stack has a slice that is worth cutting, or just not.
static struct layer draw(struct duplex_random *random, unsigned channels) {
  struct layer layer = {.stacks = 1 + (unsigned)duplex_random_below(random, 3),
                        .gated = duplex_random_below(random, 3) > 0,
                        .tokens = 1 + duplex_random_below(random, 48)};
  layer.shape.experts = 1 + duplex_random_below(random, 8);
  layer.shape.hidden = 64 * (4 + duplex_random_below(random, 12));
  layer.shape.inner = layer.stacks * channels * (12 + duplex_random_below(random, 80));
  layer.top_k = 1 + (unsigned)duplex_random_below(random, layer.shape.experts < 3 ? layer.shape.experts : 3);
  return layer;
}

static duplex_f16 *values(struct duplex_random *random, size_t count) {
  duplex_f16 *made = malloc(count * sizeof *made);
  for (size_t i = 0; made && i < count; i++)
    made[i] = duplex_f16_from_double(0.1 * (duplex_random_unit(random) - 0.5));
  return made;
}

// Runs the layer; false: it failed.
static bool run(const struct layer *layer, unsigned channels, const char *backend,
                struct duplex_random *random, struct duplex_moe_stats *stats) {
  const struct duplex_device_options options = {
      .stacks = layer->stacks, .stack = {.backend = {.channels = channels}}, .threads = 2};
  const size_t matrix = layer->shape.experts * layer->shape.inner * layer->shape.hidden;
  const struct duplex_moe_weights weights = {
      .router = values(random, layer->shape.experts * layer->shape.hidden),
      .gate = layer->gated ? values(random, matrix) : NULL,
      .up = values(random, matrix),
      .down = values(random, matrix)};
  const struct duplex_moe_routing routing = {.top_k = layer->top_k};
  duplex_f16 *x = values(random, layer->tokens * layer->shape.hidden);
  duplex_f16 *y = malloc(layer->tokens * layer->shape.hidden * sizeof *y);
  struct duplex_device *device;
  struct duplex_moe *moe;
  char text[256] = "";
  int error = duplex_device_open(backend, &options, &device, text, sizeof text);
  if (error) fprintf(stderr, "predicted: %s\n", text);
  if (!error)
    error = duplex_device_load_moe(device, &layer->shape, &weights, duplex_activation_builtin("silu"), &moe);
  if (!error) error = duplex_device_moe(device, moe, &routing, x, layer->tokens, y);
  if (error && device) fprintf(stderr, "predicted: %s\n", duplex_device_last_error(device));
  duplex_device_last_stats(device, stats);
  duplex_device_close(device);
  free((void *)weights.router), free((void *)weights.gate), free((void *)weights.up),
      free((void *)weights.down);
  free(x), free(y);
  return !error;
}

int main(int argc, char **argv) {
  const unsigned long layers = argc > 1 ? strtoul(argv[1], NULL, 10) : 60;
  const unsigned channels = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 4;
  const char *backend = argc > 3 ? argv[3] : "cmodel";
  double worst = 0;
  unsigned far = 0;
  printf("seed %llu\n", (unsigned long long)environment_seed());
  for (unsigned long i = 0; i < layers; i++) {
    struct duplex_random random;
    struct duplex_moe_stats stats;
    duplex_random_seed(&random, environment_seed(), i);
    const struct layer layer = draw(&random, channels);
    if (!run(&layer, channels, backend, &random, &stats)) return 1;
    const double difference = (double)stats.sides - (double)stats.predicted;
    const double share = difference / (double)stats.predicted;
    const bool is_far = fabs(share) > 0.02 && fabs(difference) > 200;
    if (fabs(share) > fabs(worst)) worst = share;
    far += is_far;
    printf(
        "%3lu: %zu experts of %zu x %zu%s, %zu tokens, top-%u, %u stacks: predicted %llu, shown %llu, "
        "%+.2f%%, bound %llu%s\n",
        i, layer.shape.experts, layer.shape.hidden, layer.shape.inner, layer.gated ? "" : " without gate",
        layer.tokens, layer.top_k, layer.stacks, (unsigned long long)stats.predicted,
        (unsigned long long)stats.sides, 100 * share, (unsigned long long)stats.bound, is_far ? " FAR" : "");
    for (unsigned phase = 0; phase < DUPLEX_PHASES && is_far; phase++)
      printf("     phase %u: Logic-PIM %llu, xPU reads %llu, its estimate %llu\n", phase,
             (unsigned long long)stats.logic_pim[phase], (unsigned long long)stats.xpu_reads[phase],
             (unsigned long long)stats.xpu_estimate[phase]);
  }
  printf("%lu layers, worst %+.2f%%, %u beyond 2%% and 200 clocks\n", layers, 100 * worst, far);
  return far ? 1 : 0;
}
