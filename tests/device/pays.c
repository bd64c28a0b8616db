// SPDX-License-Identifier: Apache-2.0
// What layers take with every decision made, and where it is asked whether one pays: a figure for
// docs/schedule.md and docs/serving.md. usage: pays [LAYER] (0 to 3; default: all)
//
// 5 stacks of 32 channels, exact sums; every token goes to the same experts: all of them, or every second
// one.
#include <stdio.h>
#include <stdlib.h>

#include "duplex/device.h"

#define SIZES 3u

struct layer {
  struct duplex_moe_shape shape;
  bool gated;
  unsigned step;  // between experts that have tokens
  unsigned tokens[SIZES];
};

static const struct layer layers[] = {{{16, 2048, 768}, true, 1, {17, 40, 64}},
                                      {{8, 2048, 1024}, true, 1, {17, 64}},
                                      {{8, 4096, 2048}, false, 1, {64}},
                                      {{32, 2048, 768}, true, 2, {8, 12, 32}}};

static const struct way {
  const char *name;
  enum duplex_policy policy;
  unsigned copies, always;
} ways[] = {{"one copy, always decided", DUPLEX_POLICY_BEST, 1, 1},
            {"one copy, asked", DUPLEX_POLICY_BEST, 1, 0},
            {"two copies, always decided", DUPLEX_POLICY_BEST, 2, 1},
            {"two copies, asked", DUPLEX_POLICY_BEST, 2, 0},
            {"policy xpu", DUPLEX_POLICY_XPU, 0, 0},
            {"policy pim", DUPLEX_POLICY_LOGIC_PIM, 0, 0},
            {"policy paper", DUPLEX_POLICY_PAPER, 0, 0}};

static duplex_f16 *zeros(size_t count) {
  duplex_f16 *values = calloc(count, sizeof *values);
  if (!values) fprintf(stderr, "pays: too little memory\n"), exit(1);
  return values;
}

static void fail(const char *text) {
  fprintf(stderr, "pays: %s\n", text);
  exit(1);
}

// The router's rows are unit vectors, so that x says which experts a token goes to.
static void load(const struct layer *l, struct duplex_device *device, struct duplex_moe **moe) {
  duplex_f16 *router = zeros(l->shape.experts * l->shape.hidden);
  duplex_f16 *matrix = zeros(l->shape.experts * l->shape.inner * l->shape.hidden);
  for (size_t e = 0; e < l->shape.experts; e++) router[e * l->shape.hidden + e] = 0x3c00;
  const struct duplex_moe_weights weights = {
      .router = router, .gate = l->gated ? matrix : NULL, .up = matrix, .down = matrix};
  if (duplex_device_load_moe(device, &l->shape, &weights, duplex_activation_builtin("silu"), moe))
    fail(duplex_device_last_error(device));
  free(router);
  free(matrix);
}

// Clocks without router and output.
static void run(const struct layer *l, const struct way *way, struct duplex_device *device,
                struct duplex_moe *moe, unsigned tokens) {
  const unsigned top_k = (unsigned)l->shape.experts / l->step;
  const struct duplex_moe_routing routing = {.top_k = top_k};
  duplex_f16 *x = zeros(tokens * l->shape.hidden);
  duplex_f16 *y = zeros(tokens * l->shape.hidden);
  struct duplex_moe_stats s;
  for (unsigned t = 0; t < tokens; t++)
    for (unsigned i = 0; i < top_k; i++) x[t * l->shape.hidden + i * l->step] = 0x3c00;
  if (duplex_device_moe(device, moe, &routing, x, tokens, y)) fail(duplex_device_last_error(device));
  duplex_device_last_stats(device, &s);
  printf("%2zu of %2zu experts of %zu x %zu%s, %2u tokens, %s: %llu clocks%s\n", l->shape.experts / l->step,
         l->shape.experts, l->shape.hidden, l->shape.inner, l->gated ? "" : " without gate", tokens,
         way->name, (unsigned long long)(s.cycles - s.route - s.combine), s.decide ? ", decided" : "");
  fflush(stdout);
  free(x);
  free(y);
}

static void compare(const struct layer *l, const struct way *way) {
  const struct duplex_device_options options = {.stacks = 5,
                                                .stack = {.backend = {.channels = 32}},
                                                .partials = DUPLEX_PARTIALS_ACC,
                                                .policy = way->policy,
                                                .copies = way->copies,
                                                .always_decide = way->always,
                                                .expected_pairs = l->tokens[0] * l->shape.experts,
                                                .threads = 1};
  struct duplex_device *device;
  struct duplex_moe *moe;
  char text[256] = "";
  if (duplex_device_open("cmodel", &options, &device, text, sizeof text)) fail(text);
  load(l, device, &moe);
  for (unsigned i = 0; i < SIZES && l->tokens[i]; i++) run(l, way, device, moe, l->tokens[i]);
  duplex_device_close(device);
}

int main(int argc, char **argv) {
  const size_t count = sizeof layers / sizeof *layers;
  const size_t only = argc > 1 ? strtoul(argv[1], NULL, 10) : count;
  for (size_t i = 0; i < count; i++)
    for (size_t way = 0; way < sizeof ways / sizeof *ways; way++)
      if (only >= count || only == i) compare(&layers[i], &ways[way]);
  return 0;
}
