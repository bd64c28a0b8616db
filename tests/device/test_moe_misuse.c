// SPDX-License-Identifier: Apache-2.0
// What a caller of MoE layers may do wrong: an error code, a text that names it, and a device that goes on.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

// clang-format off: after what it needs
#include <cmocka.h>
// clang-format on

#include "device/layer.h"
#include "driver/stack.h"
#include "duplex/device_tables.h"
#include "duplex/layer.h"

// Small experts of many row sets: 256 of them take an eighth of a channel.
enum { EXPERTS = 256, HIDDEN = 1, INNER = 512, LAYERS_MOST = 16, TURNS = 4, TURN_ROWS = 3300 };

static char folder[4096];  // the build folder

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
      {{.threads = 1000000}, "1000000 threads: expected at most 1024"},
      {{.threads = 1025}, "1025 threads: expected at most 1024"},
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

// A caller's structs and texts may be gone when a layer is loaded, whose tables are measured with the options
// of the device.
static void test_options_are_kept(void **state) {
  static const duplex_f16 one[4 * 64];
  static const struct duplex_moe_shape few = {2, 2, 64};
  static const struct duplex_moe_weights all = {.router = one, .gate = one, .up = one, .down = one};
  char preset[] = "hbm3_6400";
  char elf[4200];
  struct duplex_riscv_options riscv = {.elf = elf};
  const struct duplex_device_options options = {
      .stacks = 1,
      .stack = {.backend = {.channels = 1, .dram_preset = preset}, .riscv = &riscv},
      .threads = 1};
  struct duplex_device *device;
  struct duplex_moe *moe;
  (void)state;
  snprintf(elf, sizeof elf, "%s/firmware.elf", folder);
  assert_int_equal(duplex_device_open("cmodel", &options, &device, NULL, 0), 0);
  memset(preset, 'x', sizeof preset - 1);
  memset(elf, 'x', sizeof elf - 1);
  memset(&riscv, 0x55, sizeof riscv);
  if (duplex_device_load_moe(device, &few, &all, duplex_activation_builtin("relu"), &moe))
    fail_msg("%s", duplex_device_last_error(device));
  duplex_device_close(device);
}

static void test_idle(void **state) {
  struct duplex_device *device = open_device();
  (void)state;
  assert_int_equal(duplex_device_idle(NULL, 0, 1), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_device_idle(device, 0, 0), DUPLEX_ERROR_ARGUMENT);
  assert_said(device, "place 0: expected one below 0");
  assert_int_equal(duplex_device_idle(device, 3, 3), DUPLEX_ERROR_ARGUMENT);
  assert_said(device, "place 3: expected one below 3");
  assert_int_equal(duplex_device_idle(device, 2, 3), 0);
  duplex_device_close(device);
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

// What a device is told of copies. One device is told in turn, so that its tables are measured once.
struct copying {
  unsigned copies;
  size_t layers, pairs;
};

static void set_copying(struct duplex_device *device, const struct copying *wanted) {
  device->options.expected_pairs = 32 * 2;
  device->options.copies = wanted->copies;
  device->options.moe_layers = wanted->layers;
  device->options.most_pairs = wanted->pairs;
}

// A layer of which the schedule makes two copies.
static int load_large(struct duplex_device *device, struct duplex_moe **moe) {
  static const struct duplex_moe_shape large = {32, 128, 512};
  static duplex_f16 weight[32 * 128 * 512];
  const struct duplex_moe_weights all = {.router = weight, .gate = weight, .up = weight, .down = weight};
  return duplex_device_load_moe(device, &large, &all, relu(), moe);
}

// Copies of a layer, by its statistics.
static uint64_t copies_of(struct duplex_device *device, const struct duplex_moe *moe) {
  static const struct duplex_moe_routing one = {.top_k = 1};
  struct duplex_moe_stats stats;
  duplex_f16 y[128];
  assert_int_equal(duplex_device_moe(device, moe, &one, zeros, 1, y), 0);
  duplex_device_last_stats(device, &stats);
  assert_true(stats.dram_bytes >= stats.copies * 3 * 2 * 32 * 128 * 512);
  return stats.copies;
}

// All rows of all bundles are taken but for so many at least, without weights.
static void fill_all(struct duplex_device *device, uint32_t rows) {
  const struct duplex_layer_options options = {
      .experts = 255, .hidden = 128, .piece = {{.bundles = 0xf, .parts = 1, .inner = {512}}}};
  struct duplex_stack *stack = duplex_device_stack(device, 0);
  while (space_free_rows(stack->space, 0xf) > rows) {
    struct duplex_layer *layer;
    assert_int_equal(duplex_stack_open_layer(stack, &options, &layer), 0);
    for (unsigned e = 0; e < options.experts && space_free_rows(stack->space, 0xf) > rows; e++)
      assert_int_equal(duplex_layer_reserve(layer, e, 0), 0);
  }
}

// Copies that were asked for and do not fit: the bundle that is full is told. AUTO has one then.
static void check_full(struct duplex_device *device) {
  static const struct copying wanted[] = {{2, 0, 0}, {0, 0, 0}};
  struct duplex_moe *moe;
  fill_all(device, 900);
  set_copying(device, &wanted[0]);
  assert_int_equal(load_large(device, &moe), DUPLEX_ERROR_OUT_OF_SPACE);
  assert_said(device, "in bundles 0x8 of the stack's DRAM");
  set_copying(device, &wanted[1]);
  assert_int_equal(load_large(device, &moe), 0);
  assert_int_equal(copies_of(device, moe), 1);
}

// Layers that do not fit with all copies for the xPU in one bundle, and do if they take the bundles in turns.
// One more does not fit at all. What AUTO promises the first layer holds for the last one.
static void test_turns(void **state) {
  static const struct copying wanted[] = {{0, TURNS + 1, 1}, {0, TURNS, 1}};
  struct duplex_device *device = open_device();
  struct duplex_moe *moe;
  unsigned bundles = 0;
  (void)state;
  fill_all(device, TURN_ROWS);
  set_copying(device, &wanted[0]);
  assert_int_equal(load_large(device, &moe), 0);
  assert_int_equal(copies_of(device, moe), 1);
  assert_int_equal(duplex_device_release_moe(device, moe), 0);
  set_copying(device, &wanted[1]);
  for (unsigned i = 0; i < TURNS; i++) {
    assert_int_equal(load_large(device, &moe), 0);
    assert_int_equal(copies_of(device, moe), 2);
    const struct moe_piece *pieces = moe->stage[0].piece[0];
    assert_int_equal(pieces[0].bundles, 0xf & ~pieces[1].bundles);
    bundles |= pieces[1].bundles;
    printf("layer %u: the xPU's copy in bundles %x, %u rows are free\n", i, pieces[1].bundles,
           space_free_rows(duplex_device_stack(device, 0)->space, 0xf));
  }
  assert_int_equal(bundles, 0xf);
  duplex_device_close(device);
}

// AUTO leaves room for layers to come, and for x and sums.
static void test_copies(void **state) {
  static const struct {
    struct copying wanted;
    unsigned had;
  } cases[] = {{{2, 1, 1}, 2}, {{0, 2, 1}, 2}, {{0, 20, 1}, 2}, {{0, 21, 1}, 1}, {{0, 1, 1000000}, 1}};
  struct duplex_device *device = open_device();
  (void)state;
  for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct duplex_moe *moe;
    set_copying(device, &cases[i].wanted);
    assert_int_equal(load_large(device, &moe), 0);
    assert_int_equal(copies_of(device, moe), cases[i].had);
    assert_int_equal(duplex_device_release_moe(device, moe), 0);
  }
  check_full(device);
  duplex_device_close(device);
}

static unsigned estimates;

static int count_estimate(struct duplex_xpu *xpu, const struct duplex_xpu_work *work, uint64_t *picoseconds) {
  (void)xpu;
  (void)work;
  estimates++;
  *picoseconds = 1;
  return 0;
}

static uint64_t no_launch(struct duplex_xpu *xpu) { return (void)xpu, 0; }

// A layer without room is refused before its table is measured, for which the xPU is asked first; neither
// that of one placement nor of several that might be chosen from.
static void test_no_room(void **state) {
  static const enum duplex_policy policies[] = {DUPLEX_POLICY_BEST, DUPLEX_POLICY_PAPER,
                                                DUPLEX_POLICY_LOGIC_PIM, DUPLEX_POLICY_XPU};
  static const struct duplex_xpu_ops ops = {
      .name = "counted", .estimate = count_estimate, .launch = no_launch};
  struct duplex_xpu xpu = {&ops};
  (void)state;
  for (unsigned i = 0; i < 8; i++) {
    const struct duplex_device_options options = {
        .stacks = 1,
        .stack = {.backend = {.channels = 1}},
        .policy = policies[i / 2],
        .partials = i % 2 ? DUPLEX_PARTIALS_ACC : DUPLEX_PARTIALS_AUTO,
        .xpu = &xpu,
        .threads = 1};
    const struct duplex_moe_form form = duplex_moe_form(&shape, &weights);
    struct duplex_device *device;
    struct duplex_moe *moe = (struct duplex_moe *)zeros;
    assert_int_equal(duplex_device_open("cmodel", &options, &device, NULL, 0), 0);
    fill_all(device, 500);
    estimates = 0;
    assert_int_equal(duplex_device_measure_table(device, &form), DUPLEX_ERROR_OUT_OF_SPACE);
    assert_said(device, "stack 0: no room for expert");
    assert_int_equal(load(device, &moe), DUPLEX_ERROR_OUT_OF_SPACE);
    assert_said(device, "stack 0: no room for expert");
    assert_null(moe);
    assert_int_equal(estimates, 0);
    duplex_device_close(device);
  }
}

// An expert that is larger than the DRAM of a stack, though its sizes are in their range, under every policy
// and with all sums.
static void test_larger_than_dram(void **state) {
  const struct duplex_moe_form form = {.shape = {9, 65536, 2112}, .gated = true};
  (void)state;
  for (unsigned i = 0; i < 6; i++) {
    const struct duplex_device_options options = {
        .stacks = 1,
        .stack = {.backend = {.channels = 1}},
        .policy = i < 3 ? (enum duplex_policy)(i + 1) : DUPLEX_POLICY_BEST,
        .partials = i == 4   ? DUPLEX_PARTIALS_F32
                    : i == 5 ? DUPLEX_PARTIALS_AUTO
                             : DUPLEX_PARTIALS_ACC,
        .copies = i == 3,
        .threads = 1};
    struct duplex_device *device;
    assert_int_equal(duplex_device_open("cmodel", &options, &device, NULL, 0), 0);
    assert_int_equal(duplex_device_measure_table(device, &form), DUPLEX_ERROR_OUT_OF_SPACE);
    assert_said(device, "stack 0: no room for a part of 2112 x 65536: it is larger than the stack's DRAM");
    duplex_device_close(device);
  }
}

int main(int argc, char **argv) {
  const char *slash = strrchr(argv[0], '/');
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_open),
                                     cmocka_unit_test(test_options_are_kept),
                                     cmocka_unit_test(test_idle),
                                     cmocka_unit_test(test_load),
                                     cmocka_unit_test(test_full),
                                     cmocka_unit_test(test_copies),
                                     cmocka_unit_test(test_turns),
                                     cmocka_unit_test(test_no_room),
                                     cmocka_unit_test(test_larger_than_dram)};
  (void)argc;
  // BUILD/tests/device/test_moe_misuse
  snprintf(folder, sizeof folder, "%.*s/../..", slash ? (int)(slash - argv[0]) : 1, slash ? argv[0] : ".");
  return cmocka_run_group_tests(tests, NULL, NULL);
}
