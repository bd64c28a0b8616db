// SPDX-License-Identifier: Apache-2.0
// What a caller of MoE layers may do wrong: an error code, a text that names it, and a device that goes on.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// clang-format off: after what it needs
#include <cmocka.h>
// clang-format on

#include "duplex/device.h"

// Small experts of many row sets: 256 of them take an eighth of a channel.
enum { EXPERTS = 256, HIDDEN = 1, INNER = 512, LAYERS_MOST = 16 };

static duplex_f16 zeros[EXPERTS * INNER];
static int8_t exponents[EXPERTS * INNER];
static const struct duplex_moe_shape shape = {EXPERTS, HIDDEN, INNER};
static const struct duplex_moe_weights weights = {.router = zeros, .gate = zeros, .up = zeros, .down = zeros};
static const struct duplex_moe_routing routing = {.top_k = 2};

static struct duplex_device *open_device(void) {
  const struct duplex_device_options options = {
      .stacks = 1, .stack = {.backend = {.channels = 1}}, .threads = 1, .copies = 1};
  struct duplex_device *device;
  char text[256];
  if (duplex_device_open("cmodel", &options, &device, text, sizeof text)) fail_msg("%s", text);
  return device;
}

static void assert_said(const struct duplex_device *device, const char *said) {
  if (!strstr(duplex_device_last_error(device), said))
    fail_msg("'%s': expected '%s'", duplex_device_last_error(device), said);
}

static void test_open(void **state) {
  static const struct {
    struct duplex_device_options options;
    const char *said;
  } cases[] = {
      {{.stacks = 9}, "9 stacks: expected 1 to 8"},
      {{.policy = (enum duplex_policy)4}, "policy 4"},
      {{.partials = (enum duplex_partials)4}, "partial sums 4"},
      {{.copies = 3}, "3 copies of each expert: expected 1, 2, or 0"},
      {{.copies = 2, .policy = DUPLEX_POLICY_PAPER}, "2 copies of each expert with policy 1: expected best"},
      {{.stack = {.bundles = 3}}, "bundles and the xPU's traffic"},
      {{.stack = {.measure_overhead = 1}}, "the overhead of firmware"},
      {{.stack = {.backend = {.channels = 33}}}, "33"}};
  (void)state;
  for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct duplex_device *device = (struct duplex_device *)zeros;
    char text[256] = "";
    assert_int_equal(duplex_device_open("cmodel", &cases[i].options, &device, text, sizeof text),
                     DUPLEX_ERROR_ARGUMENT);
    assert_null(device);
    if (!strstr(text, cases[i].said)) fail_msg("'%s': expected '%s'", text, cases[i].said);
  }
}

static const struct duplex_activation_table *relu(void) { return duplex_activation_builtin("relu"); }

static int load(struct duplex_device *device, struct duplex_moe **moe) {
  return duplex_device_load_moe(device, &shape, &weights, relu(), moe);
}

static void test_load(void **state) {
  static const struct {
    struct duplex_moe_shape shape;
    struct duplex_moe_weights weights;
    const char *said;
  } cases[] = {
      {{0, 1, 1}, {.router = zeros, .up = zeros, .down = zeros}, "0 experts: expected 1 to 256"},
      {{257, 1, 1}, {.router = zeros, .up = zeros, .down = zeros}, "257 experts"},
      {{1, 0, 1}, {.router = zeros, .up = zeros, .down = zeros}, "experts of 0 x 1"},
      {{1, 1, 65537}, {.router = zeros, .up = zeros, .down = zeros}, "experts of 1 x 65537"},
      {{1, 1, 1}, {.up = zeros, .down = zeros}, "weights->router is NULL"},
      {{1, 1, 1}, {.router = zeros, .down = zeros}, "weights->up is NULL"},
      {{1, 1, 1}, {.router = zeros, .up = zeros}, "weights->down is NULL"},
      {{1, 1, 1}, {.router = zeros, .up = zeros, .down = zeros, .gate_exponents = exponents}, "no gate"}};
  struct duplex_device *device = open_device();
  (void)state;
  for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct duplex_moe *moe = (struct duplex_moe *)zeros;
    assert_int_equal(duplex_device_load_moe(device, &cases[i].shape, &cases[i].weights, relu(), &moe),
                     DUPLEX_ERROR_ARGUMENT);
    assert_null(moe);
    assert_said(device, cases[i].said);
  }
  assert_int_equal(duplex_device_load_moe(device, &shape, &weights, NULL, NULL), DUPLEX_ERROR_ARGUMENT);
  duplex_device_close(device);
}

// A full space: what was begun of the layer is taken away again, and what is there goes on.
static void test_full(void **state) {
  struct duplex_moe *layers[LAYERS_MOST];
  struct duplex_device *device = open_device();
  unsigned count = 0;
  int error = 0;
  (void)state;
  while (count < LAYERS_MOST && !(error = load(device, &layers[count]))) count++;
  assert_int_equal(error, DUPLEX_ERROR_OUT_OF_SPACE);
  assert_null(layers[count]);
  assert_said(device, "stack 0: no room for expert");
  assert_true(count > 2);
  duplex_f16 y[3];
  assert_int_equal(duplex_device_moe(device, layers[0], &routing, zeros, 3, y), 0);
  assert_int_equal(duplex_device_release_moe(device, layers[1]), 0);
  assert_int_equal(load(device, &layers[1]), 0);
  assert_int_equal(load(device, &layers[count]), DUPLEX_ERROR_OUT_OF_SPACE);
  assert_int_equal(duplex_device_moe(device, layers[1], &routing, zeros, 3, y), 0);

  static const struct duplex_moe_choice no_groups = {NULL, 0, 1, 0};
  static const struct duplex_moe_choice three = {NULL, 3, 1, 0};
  static const struct duplex_moe_choice good = {NULL, 4, 1, 0};
  static const struct {
    struct duplex_moe_routing routing;
    size_t tokens;
    const char *said;
  } cases[] = {{{.top_k = 0}, 1, "top-k 0: expected 1 to 256"},
               {{.top_k = 257}, 1, "top-k 257"},
               {{.top_k = 1, .score = (enum duplex_score)3}, 1, "score 3"},
               {{.top_k = 1, .score = DUPLEX_SCORE_SOFTMAX, .choice = &good}, 1, "score 1 with a choice"},
               {{.top_k = 1, .score = DUPLEX_SCORE_SIGMOID, .choice = &no_groups}, 1, "1 of 0 groups"},
               {{.top_k = 1, .score = DUPLEX_SCORE_SIGMOID, .choice = &three}, 1, "1 of 3 groups of 256"},
               {{.top_k = 65, .score = DUPLEX_SCORE_SIGMOID, .choice = &good}, 1, "top-k 65"},
               {{.top_k = 1}, 0, "0 tokens: expected 1 to 4096"},
               {{.top_k = 1}, 4097, "4097 tokens"}};
  for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_int_equal(duplex_device_moe(device, layers[0], &cases[i].routing, zeros, cases[i].tokens, y),
                     DUPLEX_ERROR_ARGUMENT);
    assert_said(device, cases[i].said);
  }
  struct duplex_device *other = open_device();
  assert_int_equal(duplex_device_moe(other, layers[0], &routing, zeros, 3, y), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_device_release_moe(other, layers[0]), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_device_release_moe(other, NULL), 0);
  assert_string_equal(duplex_device_last_error(other), "");
  duplex_device_close(other);
  assert_int_equal(duplex_device_moe(device, layers[0], &routing, zeros, 3, y), 0);
  duplex_device_close(device);
}

// Two copies that do not fit: told if they are asked for; else there is one. AUTO leaves room for layers to
// come, and for x and sums.
static void test_copies(void **state) {
  static const struct duplex_moe_shape large = {32, 128, 512};
  const size_t matrix = large.experts * large.hidden * large.inner;
  duplex_f16 *weight = calloc(matrix, sizeof *weight);
  const struct duplex_moe_weights all = {.router = weight, .gate = weight, .up = weight, .down = weight};
  const struct duplex_moe_routing one = {.top_k = 1};
  (void)state;
  assert_non_null(weight);
  static const struct {
    unsigned copies;
    size_t layers, pairs;
    unsigned had;
  } cases[] = {{1, 1, 1, 1}, {2, 1, 1, 2}, {0, 1, 1, 2}, {0, 2, 1, 2}, {0, 200, 1, 1}, {0, 1, 1000000, 1}};
  for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
    const struct duplex_device_options options = {.stacks = 1,
                                                  .stack = {.backend = {.channels = 1}},
                                                  .threads = 1,
                                                  .expected_pairs = 32 * 8,
                                                  .copies = cases[i].copies,
                                                  .moe_layers = cases[i].layers,
                                                  .most_pairs = cases[i].pairs};
    struct duplex_device *device;
    struct duplex_moe *moe;
    struct duplex_moe_stats stats;
    duplex_f16 y[128];
    char text[256];
    assert_int_equal(duplex_device_open("cmodel", &options, &device, text, sizeof text), 0);
    assert_int_equal(duplex_device_load_moe(device, &large, &all, relu(), &moe), 0);
    assert_int_equal(duplex_device_moe(device, moe, &one, weight, 1, y), 0);
    duplex_device_last_stats(device, &stats);
    printf("copies %u, %zu layers, %zu pairs: %llu copies, %llu bytes\n", cases[i].copies, cases[i].layers,
           cases[i].pairs, (unsigned long long)stats.copies, (unsigned long long)stats.dram_bytes);
    assert_int_equal(stats.copies, cases[i].had);
    assert_true(stats.dram_bytes >= stats.copies * 3 * 2 * matrix);
    duplex_device_close(device);
  }
  free(weight);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_open), cmocka_unit_test(test_load),
                                     cmocka_unit_test(test_full), cmocka_unit_test(test_copies)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
