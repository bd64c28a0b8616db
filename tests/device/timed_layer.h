// SPDX-License-Identifier: Apache-2.0
// A layer with random weights, run once on a device of its own for its times.
#ifndef DUPLEX_TEST_TIMED_LAYER_H
#define DUPLEX_TEST_TIMED_LAYER_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "duplex/device.h"
#include "duplex/random.h"

#define TIMED_VALUES ((size_t)1 << 24)

struct timed_layer {
  struct duplex_moe_shape shape;
  size_t tokens;
  unsigned top_k;
  bool gated;
};

// Clocks do not depend on values: beyond so many they are the same again.
static inline duplex_f16 *timed_values(struct duplex_random *random, size_t count) {
  duplex_f16 *made = malloc(count * sizeof *made);
  for (size_t i = 0; made && i < count; i++)
    made[i] = i < TIMED_VALUES ? duplex_f16_from_double(0.1 * (duplex_random_unit(random) - 0.5))
                               : made[i - TIMED_VALUES];
  return made;
}

// Runs the layer; false: it failed, which is told.
static inline bool timed_layer_run(const struct timed_layer *layer, const char *backend,
                                   const struct duplex_device_options *options, struct duplex_random *random,
                                   struct duplex_moe_stats *stats) {
  const size_t matrix = layer->shape.experts * layer->shape.inner * layer->shape.hidden;
  const struct duplex_moe_weights weights = {
      .router = timed_values(random, layer->shape.experts * layer->shape.hidden),
      .gate = layer->gated ? timed_values(random, matrix) : NULL,
      .up = timed_values(random, matrix),
      .down = timed_values(random, matrix)};
  const struct duplex_moe_routing routing = {.top_k = layer->top_k};
  duplex_f16 *x = timed_values(random, layer->tokens * layer->shape.hidden);
  duplex_f16 *y = malloc(layer->tokens * layer->shape.hidden * sizeof *y);
  struct duplex_device *device;
  struct duplex_moe *moe;
  char text[256] = "";
  int error = duplex_device_open(backend, options, &device, text, sizeof text);
  if (error) fprintf(stderr, "layer: %s\n", text);
  if (!error)
    error = duplex_device_load_moe(device, &layer->shape, &weights, duplex_activation_builtin("silu"), &moe);
  if (!error) error = duplex_device_moe(device, moe, &routing, x, layer->tokens, y);
  if (error && device) fprintf(stderr, "layer: %s\n", duplex_device_last_error(device));
  duplex_device_last_stats(device, stats);
  duplex_device_close(device);
  free((void *)weights.router), free((void *)weights.gate), free((void *)weights.up),
      free((void *)weights.down);
  free(x), free(y);
  return !error;
}

#endif
