// SPDX-License-Identifier: Apache-2.0
// Random MoE layers for tests, and a run of one on a device.
#ifndef DUPLEX_TEST_MOE_CASE_H
#define DUPLEX_TEST_MOE_CASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// CMocka needs the four above first.
#include <cmocka.h>

#include "device/layer.h"
#include "duplex/random.h"
#include "tests/device/moe_oracle.h"

// Moderate values, and now and then any bits: infinities and NaN too.
static inline duplex_f16 *draw(struct duplex_random *random, size_t count, double deviation, bool any) {
  duplex_f16 *made = malloc(count * sizeof *made);
  assert_non_null(made);
  for (size_t i = 0; i < count; i++)
    made[i] = any && duplex_random_below(random, 500) == 0
                  ? draw_operand(random, ANY_BITS)
                  : duplex_f16_from_double(deviation * duplex_random_normal(random));
  return made;
}

// Exponents of rows: none in half of the cases, mostly moderate ones, now and then any.
static inline int8_t *draw_exponents(struct duplex_random *random, size_t count) {
  if (duplex_random_below(random, 2)) return NULL;
  int8_t *made = malloc(count);
  assert_non_null(made);
  const unsigned most = duplex_random_below(random, 4) ? 12 : 128;
  for (size_t i = 0; i < count; i++) made[i] = (int8_t)(duplex_random_below(random, 2 * most) - most);
  return made;
}

// Mostly small, now and then beside a multiple of 64.
static inline size_t draw_size(struct duplex_random *random, size_t most) {
  if (duplex_random_below(random, 3) == 0) {
    const size_t size =
        64 * (1 + duplex_random_below(random, most / 64)) + duplex_random_below(random, 3) - 1;
    return size > most ? most : size;
  }
  return 1 + duplex_random_below(random, most);
}

static inline struct moe_case draw_case(struct duplex_random *random) {
  struct moe_case c = {0};
  const bool any = duplex_random_below(random, 4) == 0;
  c.shape.experts = 1 + duplex_random_below(random, 9);
  c.shape.hidden = draw_size(random, 192);
  c.shape.inner = draw_size(random, 192);
  c.tokens = 1 + duplex_random_below(random, 20);
  if (duplex_random_below(random, 3) == 0) {  // experts large enough to be cut
    c.shape.experts = 1 + duplex_random_below(random, 3);
    c.shape.hidden = 1 + duplex_random_below(random, 40);
    c.shape.inner = 256 + duplex_random_below(random, 1200);
    c.tokens = 1 + duplex_random_below(random, 12);
  }
  c.relu = duplex_random_below(random, 2);
  c.routing = (struct duplex_moe_routing){.top_k = 1 + (unsigned)duplex_random_below(random, c.shape.experts),
                                          .score = (enum duplex_score)duplex_random_below(random, 3),
                                          .renormalise = duplex_random_below(random, 2)};
  const size_t matrix = c.shape.experts * c.shape.inner * c.shape.hidden;
  c.weights.router = draw(random, c.shape.experts * c.shape.hidden, 0.3, any);
  c.weights.gate = duplex_random_below(random, 3) ? draw(random, matrix, 0.2, any) : NULL;
  c.weights.up = draw(random, matrix, 0.2, any);
  c.weights.down = draw(random, matrix, 0.2, any);
  c.x = draw(random, c.tokens * c.shape.hidden, 1, any);
  if (duplex_random_below(random, 2)) return c;
  c.weights.router_exponents = draw_exponents(random, c.shape.experts);
  c.weights.gate_exponents = c.weights.gate ? draw_exponents(random, c.shape.experts * c.shape.inner) : NULL;
  c.weights.up_exponents = draw_exponents(random, c.shape.experts * c.shape.inner);
  c.weights.down_exponents = draw_exponents(random, c.shape.experts * c.shape.hidden);
  return c;
}

// A gated layer of moderate values, of which each token has two experts.
static inline struct moe_case draw_gated(struct duplex_random *random, const struct duplex_moe_shape *shape,
                                         size_t tokens) {
  const size_t matrix = shape->experts * shape->inner * shape->hidden;
  return (struct moe_case){.shape = *shape,
                           .weights = {.router = draw(random, shape->experts * shape->hidden, 0.3, false),
                                       .gate = draw(random, matrix, 0.2, false),
                                       .up = draw(random, matrix, 0.2, false),
                                       .down = draw(random, matrix, 0.2, false)},
                           .routing = {.top_k = 2},
                           .x = draw(random, tokens * shape->hidden, 1, false),
                           .tokens = tokens};
}

static inline void free_case(struct moe_case *c) {
  free((void *)c->weights.router);
  free((void *)c->weights.gate);
  free((void *)c->weights.up);
  free((void *)c->weights.down);
  free((void *)c->weights.router_exponents);
  free((void *)c->weights.gate_exponents);
  free((void *)c->weights.up_exponents);
  free((void *)c->weights.down_exponents);
  free((void *)c->x);
}

// A row of all bundles but one is taken: the xPU's copy comes to lie in that one.
static inline void leave_room(struct duplex_stack *stack, unsigned bundle) {
  const struct duplex_layer_options options = {
      .experts = 1, .hidden = 64, .piece = {{.bundles = 0xf & ~(1u << bundle), .parts = 1, .inner = {64}}}};
  struct duplex_layer *layer;
  assert_int_equal(duplex_stack_open_layer(stack, &options, &layer), 0);
  assert_int_equal(duplex_layer_reserve(layer, 0, 0), 0);
}

// Runs the layer on one device; a second copy of it lies in that bundle.
static inline void run_in_bundle(const struct moe_case *c, const char *backend,
                                 const struct duplex_device_options *options, unsigned bundle, duplex_f16 *y,
                                 struct duplex_moe_stats *stats) {
  struct duplex_device *device;
  struct duplex_moe *moe;
  char text[256];
  if (duplex_device_open(backend, options, &device, text, sizeof text)) fail_msg("%s", text);
  for (unsigned i = 0; i < options->stacks && bundle < MOE_XPU_BUNDLE; i++)
    leave_room(duplex_device_stack(device, i), bundle);
  const struct duplex_activation_table *table = duplex_activation_builtin(c->relu ? "relu" : "identity");
  if (duplex_device_load_moe(device, &c->shape, &c->weights, table, &moe) ||
      duplex_device_moe(device, moe, &c->routing, c->x, c->tokens, y))
    fail_msg("%s", duplex_device_last_error(device));
  if (moe->way.copies > 1) assert_int_equal(moe->stage[0].piece[0][1].bundles, 1u << bundle);
  duplex_device_last_stats(device, stats);
  duplex_device_close(device);
}

// The same, as it comes.
static inline void run_layer(const struct moe_case *c, const char *backend,
                             const struct duplex_device_options *options, duplex_f16 *y,
                             struct duplex_moe_stats *stats) {
  run_in_bundle(c, backend, options, MOE_XPU_BUNDLE, y, stats);
}

#endif
