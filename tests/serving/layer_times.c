// SPDX-License-Identifier: Apache-2.0
// The time of a layer in mode full against what a device of the C model shows for the same tokens: within 2%.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// clang-format off: after what it needs
#include <cmocka.h>
// clang-format on

#include "duplex/device.h"
#include "duplex/random.h"
#include "serving/charged.h"
#include "serving/measured.h"
#include "tests/common/environment.h"

enum { EXPERTS = 8, HIDDEN = 4096, INNER = 3584, TOKENS_MOST = 64, TOP_K = 2 };
#define CLOCK 650e6

struct bench {
  struct duplex_device *device;
  struct duplex_moe *moe;
  struct serving_model model;
  struct machine machine;
  struct measured *measured;
  unsigned missed;
};

static duplex_f16 *zeros(size_t count) {
  duplex_f16 *values = calloc(count, sizeof *values);
  assert_non_null(values);
  return values;
}

// The router's rows are unit vectors, so that x says which experts a token goes to.
static void open_device(struct bench *b, unsigned copies) {
  const size_t matrix = (size_t)EXPERTS * INNER * HIDDEN;
  duplex_f16 *router = zeros((size_t)EXPERTS * HIDDEN);
  duplex_f16 *weights = zeros(matrix);
  const struct duplex_device_options options = {
      .stacks = 5, .stack = {.backend = {.channels = 32}}, .copies = copies, .threads = 2};
  const struct duplex_moe_shape shape = {EXPERTS, HIDDEN, INNER};
  for (unsigned e = 0; e < EXPERTS; e++) router[e * HIDDEN + e] = 0x3c00;
  char text[256] = "";
  if (duplex_device_open("cmodel", &options, &b->device, text, sizeof text)) fail_msg("%s", text);
  const struct duplex_moe_weights all = {.router = router, .gate = weights, .up = weights, .down = weights};
  assert_int_equal(
      duplex_device_load_moe(b->device, &shape, &all, duplex_activation_builtin("silu"), &b->moe), 0);
  free(router);
  free(weights);
}

static void open_model(struct bench *b, unsigned copies) {
  struct serving_options options = {.system = "duplex-pe-et", .mode = SERVING_FULL};
  char path[] = P_tmpdir "/duplex_model_XXXXXX";
  char text[512] = "";
  const int file = mkstemp(path);
  assert_true(file >= 0);
  dprintf(file,
          "{\"layers\": 1, \"hidden\": %d, \"inner\": %d, \"heads\": 8, \"kv_heads\": 8, \"head_size\": 128,"
          "\"vocabulary\": 100, \"experts\": %d, \"top_k\": %d, \"devices\": 1}",
          HIDDEN, INNER, EXPERTS, TOP_K);
  close(file);
  options.model = path;
  int error = serving_model_read(&b->model, path, text, sizeof text);
  if (!error) error = machine_read(&b->machine, &options, &b->model, text, sizeof text);
  b->machine.copies = copies;
  if (!error) error = measured_open(&b->measured, &b->machine, &b->model, &options, text, sizeof text);
  remove(path);
  if (error) fail_msg("%s", text);
}

static void draw(struct duplex_random *random, unsigned tokens, duplex_f16 *x, unsigned *counts) {
  memset(x, 0, (size_t)tokens * HIDDEN * sizeof *x);
  memset(counts, 0, EXPERTS * sizeof *counts);
  for (unsigned t = 0; t < tokens; t++) {
    const unsigned first = (unsigned)duplex_random_below(random, EXPERTS);
    const unsigned second = (first + 1 + (unsigned)duplex_random_below(random, EXPERTS - 1)) % EXPERTS;
    x[t * HIDDEN + first] = 0x4400;
    x[t * HIDDEN + second] = 0x4000;
    counts[first]++;
    counts[second]++;
  }
}

static double told(struct bench *b, const unsigned *counts, unsigned tokens) {
  double charge[SERVING_CHARGES] = {0};
  const struct node_load load = {.decoding = tokens};
  const struct experts_cost cost = measured_run(b->measured, counts, tokens, charge);
  double sum = cost.seconds - charge[SERVING_FIRMWARE];  // the device's firmware is native
  for (unsigned i = 0; i < SERVING_CHARGES; i++) sum += charge[i];
  double node[SERVING_CHARGES] = {0};
  struct work work = {0};
  charged_node(&b->machine, &b->model, &load, node, &work);
  return (sum + node[SERVING_COMBINE] + charged_product(&b->machine, &b->model, tokens, HIDDEN, EXPERTS) +
          b->machine.launch) *
         CLOCK;
}

// A layer of each size on a device and in a stage, with so many copies of each expert.
static void check_layers(unsigned copies) {
  static const unsigned sizes[] = {1, 2, 4, 8, 16, 32, 40, 64};
  struct bench b = {0};
  struct duplex_random random;
  const struct duplex_moe_routing routing = {.top_k = TOP_K};
  duplex_f16 *x = zeros((size_t)TOKENS_MOST * HIDDEN);
  duplex_f16 *y = zeros((size_t)TOKENS_MOST * HIDDEN);
  duplex_random_seed(&random, environment_seed(), 0);
  open_device(&b, copies);
  open_model(&b, copies);
  for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    unsigned counts[EXPERTS];
    struct duplex_moe_stats stats;
    draw(&random, sizes[i], x, counts);
    assert_int_equal(duplex_device_moe(b.device, b.moe, &routing, x, sizes[i], y), 0);
    duplex_device_last_stats(b.device, &stats);
    const double clocks = told(&b, counts, sizes[i]);
    printf("%u of each expert, %u tokens: told %.0f, shown %llu, %+.2f%%\n", copies, sizes[i], clocks,
           (unsigned long long)stats.cycles, 100 * (clocks / (double)stats.cycles - 1));
    if (!(clocks <= 1.02 * (double)stats.cycles && clocks >= 0.98 * (double)stats.cycles)) b.missed++;
  }
  assert_int_equal(b.missed, 0);
  duplex_device_close(b.device);
  measured_close(b.measured);
  free(x);
  free(y);
}

static void test_one_copy(void **state) {
  (void)state;
  check_layers(1);
}

static void test_two_copies(void **state) {
  (void)state;
  check_layers(2);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_one_copy), cmocka_unit_test(test_two_copies)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
