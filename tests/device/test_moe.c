// SPDX-License-Identifier: Apache-2.0
// Random MoE layers on a device against exact sums and MPFR: every policy, 1 to 8 stacks, both firmwares.
//
// A layer runs on several devices, and all of them have to give the oracle's bits. DUPLEX_SEED repeats a run,
// DUPLEX_CASES multiplies the layers, DUPLEX_ONLY=n runs layer n alone.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

// clang-format off: after what it needs
#include <cmocka.h>
// clang-format on

#include "device/charges.h"
#include "tests/common/environment.h"
#include "tests/device/moe_case.h"

#define LAYERS 12       // for each of DUPLEX_CASES above one
#define LAYERS_LEAST 4  // else
#define DEVICES 4       // that run each layer with partial sums
#define GATHERING 2     // and with h gathered

static struct duplex_device_options draw_device(struct duplex_random *random,
                                                struct duplex_riscv_options *riscv) {
  struct duplex_device_options options = {
      .stacks = 1 + (unsigned)duplex_random_below(random, DUPLEX_STACKS_MOST),
      .stack = {.backend = {.channels = 1 + (unsigned)duplex_random_below(random, 5)}},
      .policy = (enum duplex_policy)duplex_random_below(random, 4),
      .threads = 1 + (unsigned)duplex_random_below(random, 3)};
  if (duplex_random_below(random, 2)) options.stacks = 1 + options.stacks % 2;
  if (duplex_random_below(random, 2)) options.policy = DUPLEX_POLICY_BEST;
  options.stack.strict = duplex_random_below(random, 2);
  if (duplex_random_below(random, 4) == 0) options.stack.riscv = riscv;
  options.copies = options.policy == DUPLEX_POLICY_BEST ? 1 + (unsigned)duplex_random_below(random, 2) : 0;
  return options;
}

// The whole is the sum of its parts, and no side is faster than the bound of both.
static void check_times(const struct duplex_moe_stats *s) {
  const uint64_t charged =
      s->route + s->decide + s->distribute + s->launch + s->hand_over + s->reduce + s->combine;
  uint64_t sides = 0;
  for (unsigned i = 0; i < DUPLEX_PHASES; i++) {
    const uint64_t xpu = s->xpu_reads[i] > s->xpu_estimate[i] ? s->xpu_reads[i] : s->xpu_estimate[i];
    sides += xpu > s->logic_pim[i] ? xpu : s->logic_pim[i];
  }
  assert_true(s->sides == sides);
  assert_true(s->cycles == sides + charged);
}

// Commands and charges worked out by hand: 3 tokens of one expert, hidden 64, one channel, all on Logic-PIM.
static void test_charges(void **state) {
  (void)state;
  const duplex_f16 one = 0x3c00;
  duplex_f16 *ones = malloc(64 * 64 * sizeof *ones);
  duplex_f16 y[3 * 64];
  assert_non_null(ones);
  for (unsigned i = 0; i < 64 * 64; i++) ones[i] = one;
  const struct moe_case c = {.shape = {1, 64, 64},
                             .weights = {.router = ones, .up = ones, .down = ones},
                             .routing = {.top_k = 1},
                             .x = ones,
                             .tokens = 3};
  const struct duplex_device_options options = {
      .stacks = 1, .stack = {.backend = {.channels = 1}}, .policy = DUPLEX_POLICY_LOGIC_PIM, .threads = 1};
  struct duplex_moe_stats s;
  run_layer(&c, "cmodel", &options, y, &s);
  check_times(&s);
  // x: 8 lanes x 64 x 2 bytes, 32 bytes a command and a clock; sums: 3 x 16 bytes are 2 pieces of 32, 64
  // rows.
  assert_int_equal(s.commands.xpu_wr, 32);
  assert_int_equal(s.commands.xpu_rd, 128);
  // One of them a clock; before the first a row is opened and, for the sums, 130 clocks pass with the
  // hand-over.
  assert_in_range(s.distribute, 32 + 10, 32 + 30);
  assert_in_range(s.reduce, 130 + 128 + 10, 130 + 128 + 30);
  assert_int_equal(s.launch, 650);  // 1 us
  assert_int_equal(s.decide, 0);
  assert_int_equal(s.pairs, 3);
  assert_int_equal(s.logic_pim_experts, 1);
  assert_int_equal(s.logic_pim_macs, 3 * 2 * 64 * 64);
  assert_int_equal(s.logic_pim_bytes, 2 * 64 * 64 * 2);
  assert_int_equal(s.xpu_macs + s.xpu_bytes, 0);
  free(ones);
}

static void check_bits(const duplex_f16 *y, const duplex_f16 *expected, size_t count, uint64_t number,
                       const struct duplex_device_options *options) {
  for (size_t k = 0; k < count; k++)
    if (y[k] != expected[k])
      fail_msg(
          "DUPLEX_SEED=%llu, layer %llu on %u stacks of %u channels, policy %d, partial sums %d, %u copies: "
          "y[%zu] is %04x, expected %04x",
          (unsigned long long)environment_seed(), (unsigned long long)number, options->stacks,
          options->stack.backend.channels, options->policy, options->partials, options->copies, k, y[k],
          expected[k]);
}

// Rounded partial sums, of scaled rows too, are the exact ones where there is one part: of the xPU, or of one
// stack.
static void test_rounded_partials(void **state) {
  (void)state;
  for (uint64_t number = 2000; number < 2003; number++) {
    struct duplex_random random;
    duplex_random_seed(&random, environment_seed(), number);
    struct moe_case c = draw_case(&random);
    while (!c.weights.down_exponents)
      c.weights.down_exponents = draw_exponents(&random, c.shape.experts * c.shape.hidden);
    const size_t count = c.tokens * c.shape.hidden;
    duplex_f16 *expected = malloc(count * sizeof *expected);
    duplex_f16 *y = malloc(count * sizeof *y);
    assert_true(expected && y);
    oracle_moe(&c, expected);
    for (unsigned stacks = 1; stacks <= 2; stacks++) {
      const struct duplex_device_options options = {
          .stacks = stacks,
          .stack = {.backend = {.channels = 2}},
          .policy = stacks == 1 ? DUPLEX_POLICY_LOGIC_PIM : DUPLEX_POLICY_XPU,
          .partials = DUPLEX_PARTIALS_F32,
          .threads = 1};
      struct duplex_moe_stats stats;
      run_layer(&c, "cmodel", &options, y, &stats);
      check_bits(y, expected, count, number, &options);
    }
    free(expected);
    free(y);
    free_case(&c);
  }
}

// Runs the layer on several devices; returns how many experts both sides had a share of, over all of them.
static uint64_t check_layer(uint64_t number) {
  uint64_t shared = 0;
  struct duplex_random random;
  struct duplex_riscv_options riscv = {0};
  duplex_random_seed(&random, environment_seed(), number);
  struct moe_case c = draw_case(&random);
  const size_t count = c.tokens * c.shape.hidden;
  duplex_f16 *expected = malloc(count * sizeof *expected);
  duplex_f16 *y = malloc((count + 1) * sizeof *y);
  assert_true(expected && y);
  oracle_moe(&c, expected);
  for (unsigned i = 0; i < DEVICES + GATHERING; i++) {
    struct duplex_device_options options = draw_device(&random, &riscv);
    if (i >= DEVICES) options.partials = DUPLEX_PARTIALS_GATHERED;
    // Decisions about layers so small hardly pay: the last device of either kind alone asks that.
    options.always_decide = i != DEVICES - 1 && i != DEVICES + GATHERING - 1;
    struct duplex_moe_stats stats;
    memset(y, 0xc3, (count + 1) * sizeof *y);
    run_layer(&c, "cmodel", &options, y, &stats);
    check_times(&stats);
    shared += stats.shared_experts;
    check_bits(y, expected, count, number, &options);
    assert_int_equal(y[count], 0xc3c3);
  }
  free(expected);
  free(y);
  free_case(&c);
  return shared;
}

static void test_random_layers(void **state) {
  (void)state;
  const uint64_t only = environment_number("DUPLEX_ONLY", 0);
  const uint64_t cases = environment_count("DUPLEX_CASES");
  const uint64_t layers = 2 + (cases > 1 ? LAYERS * cases : LAYERS_LEAST) / environment_count("DUPLEX_SHARE");
  uint64_t shared = 0;
  for (uint64_t i = only ? only : 1; i <= (only ? only : layers); i++) shared += check_layer(i);
  if (!only && layers > LAYERS_LEAST) assert_true(shared > layers / 4);  // else nothing was cut
}

// Clocks of a layer of alike tokens of zeros, as predicted, with the decision; of it the way that it had.
static uint64_t predict(const struct duplex_moe_shape *shape, size_t tokens, enum duplex_partials wanted,
                        unsigned copies, struct duplex_moe_stats *stats) {
  const size_t matrix = shape->experts * shape->inner * shape->hidden;
  duplex_f16 *zeros = calloc(matrix + tokens * shape->hidden, sizeof *zeros);
  duplex_f16 *y = malloc(tokens * shape->hidden * sizeof *y);
  assert_true(zeros && y);
  const struct moe_case c = {.shape = *shape,
                             .weights = {.router = zeros, .gate = zeros, .up = zeros, .down = zeros},
                             .routing = {.top_k = (unsigned)shape->experts},
                             .x = zeros,
                             .tokens = tokens};
  const struct duplex_device_options options = {.stacks = 2,
                                                .stack = {.backend = {.channels = 1}},
                                                .partials = wanted,
                                                .threads = 1,
                                                .expected_pairs = tokens * shape->experts,
                                                .copies = copies,
                                                .always_decide = 1};
  run_layer(&c, "cmodel", &options, y, stats);
  free(zeros);
  free(y);
  return stats->predicted + stats->decide + stats->launch;
}

// AUTO has what is predicted to take less: h of small experts of many columns, the sums of few large ones;
// one copy or two. All experts have all tokens, as it expects of one expert, and of several from 64 each on.
static void test_choice(void **state) {
  static const struct duplex_moe_shape shapes[] = {{3, 512, 64}, {1, 64, 512}, {1, 64, 64}};
  static const size_t tokens[] = {64, 48, 8};
  static const enum duplex_partials expected[] = {DUPLEX_PARTIALS_GATHERED, DUPLEX_PARTIALS_ACC,
                                                  DUPLEX_PARTIALS_ACC};
  static const enum duplex_partials ways[] = {DUPLEX_PARTIALS_ACC, DUPLEX_PARTIALS_GATHERED};
  unsigned with_copies = 0;
  (void)state;
  for (unsigned i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    struct duplex_moe_stats stats;
    uint64_t least = UINT64_MAX;
    uint64_t copies = 0;
    for (unsigned way = 0; way < 4; way++) {
      const uint64_t clocks = predict(&shapes[i], tokens[i], ways[way / 2], 1 + way % 2, &stats);
      assert_int_equal(stats.partials, ways[way / 2]);
      printf("%zu x %zu x %zu, partial sums %d, %llu copies: %llu\n", shapes[i].experts, shapes[i].hidden,
             shapes[i].inner, (int)stats.partials, (unsigned long long)stats.copies,
             (unsigned long long)clocks);
      if (clocks < least) {
        least = clocks;
        copies = stats.copies;
      }
    }
    const uint64_t chosen = predict(&shapes[i], tokens[i], DUPLEX_PARTIALS_AUTO, 0, &stats);
    assert_int_equal(stats.partials, expected[i]);
    assert_int_equal(stats.copies, copies);
    assert_true(chosen == least);
    with_copies += copies > 1;
  }
  assert_true(with_copies > 0 && with_copies < sizeof shapes / sizeof *shapes);
}

// Layers of copies are decided by the firmware, if it runs on the controller: the same bits, and the decision
// is part of the job. Others of small experts are decided by the host. A decision about so small a layer does
// not pay: unless it is made always the xPU has the layer, sooner, and only a launch is charged.
static void test_firmware(void **state) {
  static const struct duplex_moe_shape shape = {4, 64, 32};
  struct duplex_random random;
  struct duplex_riscv_options riscv = {0};
  static const uint16_t a_group[4] = {1};  // at most, as of TOKENS
  static const struct schedule_placement placement = {.layout = SCHEDULE_REPLICATED, .parts = {1}};
  enum { TOKENS = 6 };
  duplex_f16 expected[TOKENS * 64];
  duplex_f16 y[TOKENS * 64];
  (void)state;
  duplex_random_seed(&random, environment_seed(), 3000);
  struct moe_case c = draw_gated(&random, &shape, TOKENS);
  oracle_moe(&c, expected);
  uint64_t decided[4];
  for (unsigned i = 0; i < 8; i++) {
    const bool on_controller = i % 2;
    const struct duplex_device_options options = {
        .stacks = 2,
        .stack = {.backend = {.channels = 1}, .riscv = on_controller ? &riscv : NULL},
        .threads = 2,
        .copies = 1 + i / 2 % 2,
        .always_decide = i < 4};
    struct duplex_moe_stats s;
    run_layer(&c, "cmodel", &options, y, &s);
    check_bits(y, expected, TOKENS * shape.hidden, 3000, &options);
    assert_int_equal(s.copies, options.copies);
    if (i < 4) {
      assert_true((s.firmware_instructions > 0) == on_controller);
      const bool in_job = on_controller && s.copies > 1;
      assert_true((s.decide == 0) == in_job);
      if (s.copies > 1) assert_int_equal(s.launch, 0);  // hidden behind the decision
      if (in_job) assert_true(s.xpu_reads[0] > charges_decision(a_group, shape.experts, &placement));
      decided[i] = s.cycles;
      continue;
    }
    assert_true(s.cycles < decided[i % 4]);
    assert_int_equal(s.firmware_instructions + s.logic_pim_macs + s.decide + s.distribute + s.reduce, 0);
    assert_true(s.launch > 0 && s.xpu_macs > 0);
  }
  free_case(&c);
}

// Layers too short for a decision, that Logic-PIM has alone: where they lie for it, in two copies, and in one
// that is for longer layers. With copies a decision about few experts takes hardly longer than a launch; and
// on the controller jobs start later, so that such layers are longer.
static void check_logic_pim_alone(size_t experts, unsigned copies, size_t expected_pairs,
                                  bool on_controller) {
  struct duplex_random random;
  struct duplex_riscv_options riscv = {0};
  duplex_random_seed(&random, environment_seed(), 3000);
  const struct duplex_moe_shape shape = {experts, 70, on_controller ? 1000 : 350};
  struct moe_case c = draw_gated(&random, &shape, 1);
  const size_t count = c.tokens * c.shape.hidden;
  duplex_f16 *expected = malloc(count * sizeof *expected);
  duplex_f16 *y = malloc(count * sizeof *y);
  assert_true(expected && y);
  oracle_moe(&c, expected);
  const struct duplex_device_options options = {
      .stacks = 2,
      .stack = {.backend = {.channels = 2}, .riscv = on_controller ? &riscv : NULL},
      .threads = 1,
      .copies = copies,
      .expected_pairs = expected_pairs};
  struct duplex_moe_stats stats;
  run_layer(&c, "cmodel", &options, y, &stats);
  check_times(&stats);
  check_bits(y, expected, count, 3000, &options);
  assert_int_equal(stats.decide + stats.xpu_macs, 0);
  assert_int_equal(stats.logic_pim_experts, c.routing.top_k);
  assert_int_equal(stats.copies, copies > 1 ? 2 : 1);
  assert_int_equal(stats.logic_pim[1] > 0, expected_pairs > 0);  // in two phases
  free(expected);
  free(y);
  free_case(&c);
}

static void test_logic_pim_alone(void **state) {
  (void)state;
  check_logic_pim_alone(2, 1, 0, false);
  check_logic_pim_alone(24, 2, 0, false);
  check_logic_pim_alone(2, 1, 2 * 48, false);
  check_logic_pim_alone(2, 1, 0, true);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_charges),  cmocka_unit_test(test_rounded_partials),
                                     cmocka_unit_test(test_choice),   cmocka_unit_test(test_logic_pim_alone),
                                     cmocka_unit_test(test_firmware), cmocka_unit_test(test_random_layers)};
  printf("seed %llu\n", (unsigned long long)environment_seed());
  return cmocka_run_group_tests(tests, NULL, NULL);
}
