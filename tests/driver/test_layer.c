// SPDX-License-Identifier: Apache-2.0
// Layers on the C model, natively and on RV32, against exact sums: random experts, pieces, parts, cuts and
// tokens; the limits; what a client is refused; what a first job costs.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
// CMocka needs the four above first.
#include <cmocka.h>
#include <string.h>

#include "duplex/error.h"
#include "tests/driver/layer_case.h"

struct setup {
  const struct duplex_riscv_options *riscv;
  unsigned cases;
  int measure;
};

static void test_random_layers(void **state) {
  const struct setup *setup = *state;
  struct duplex_random random;
  duplex_random_seed(&random, 14, setup->cases);
  for (unsigned i = 0; i < setup->cases; i++) {
    struct layer_case c;
    const unsigned channels = i % 8 == 7 ? 31 + i / 8 % 2 : 1 + (unsigned)below(&random, 5);
    draw(&c, &random, channels, 1 + (unsigned)below(&random, EXPERTS));
    struct duplex_stack *stack = open_stack(c.channels, setup->riscv, setup->measure);
    struct duplex_layer *layer = load_layer(stack, &c);
    for (unsigned piece = 0; piece < DUPLEX_LAYER_PIECES; piece++) {
      draw_job(&c, &random, piece);
      if (c.options.piece[piece].parts) run_job(stack, layer, &c, piece, below(&random, 2));
    }
    duplex_stack_close(stack);
    free_case(&c);
  }
}

// Layers of different forms and twins of one form in turn on one stack: what is kept of a job serves the next
// one only where it may.
static void test_layers_in_turn(void **state) {
  enum { LAYERS = 9, JOBS = 90, CHANNELS = 3, IN_TURN = 10 };  // in the same bundles, some pieces too
  static struct layer_case c[LAYERS];
  const struct setup *setup = *state;
  struct duplex_layer *layer[LAYERS];
  struct duplex_random random;
  duplex_random_seed(&random, 16, setup->cases);
  struct duplex_stack *stack = open_stack(CHANNELS, setup->riscv, 0);
  for (unsigned i = 0; i < LAYERS; i++) {
    if (i % 3) {
      draw_twin(&c[i], &c[i - 1], &random, i % 3 == 2);
    } else {
      draw(&c[i], &random, CHANNELS, IN_TURN);
    }
    layer[i] = load_layer(stack, &c[i]);
  }
  for (unsigned job = 0; job < JOBS; job++) {
    const unsigned i = (unsigned)below(&random, LAYERS);
    const unsigned piece = (unsigned)below(&random, DUPLEX_LAYER_PIECES);
    draw_job(&c[i], &random, piece);
    if (c[i].options.piece[piece].parts) run_job(stack, layer[i], &c[i], piece, below(&random, 2));
  }
  duplex_stack_close(stack);
  for (unsigned i = 0; i < LAYERS; i++) free_case(&c[i]);
}

// Leaves NaN in every column of h, of two groups of tokens.
static void poison(struct duplex_stack *stack) {
  enum { TILES = 3 };
  static duplex_f16 up[TILES * 64], x[16], y[16];
  struct duplex_weights *first, *second;
  for (unsigned i = 0; i < TILES * 64; i++) up[i] = DUPLEX_F16_NAN;
  for (unsigned i = 0; i < 16; i++) x[i] = 0x3c00;
  assert_int_equal(duplex_stack_upload(stack, up, TILES * 64, 1, NULL, &first), 0);
  assert_int_equal(duplex_stack_upload(stack, up, 1, TILES * 64, NULL, &second), 0);
  assert_int_equal(
      duplex_stack_expert(stack, first, second, duplex_activation_builtin("silu"), x, 16, DUPLEX_F16, y), 0);
  duplex_stack_release(stack, first);
  duplex_stack_release(stack, second);
}

// With the cut at the end an expert's piece is what duplex_stack_expert does, whatever the weights: in parts,
// and in joined ones.
static void test_against_expert(void **state) {
  enum { N = 151, H = 210, M = 19, FIRST = 66 };
  static duplex_f16 gate[N * H], up[N * H], down[H * N], x[M * H];
  static uint8_t expected[M * H * 16], y[M * H * 16];
  struct duplex_random random;
  (void)state;
  duplex_random_seed(&random, 16, 0);
  for (unsigned i = 0; i < N * H; i++) {
    gate[i] = duplex_f16_from_double(duplex_random_normal(&random));
    up[i] = duplex_f16_from_double(duplex_random_normal(&random));
    down[i] =
        i % 1000 ? duplex_f16_from_double(duplex_random_normal(&random)) : (duplex_f16)below(&random, 65536);
  }
  for (unsigned i = 0; i < M * H; i++) x[i] = duplex_f16_from_double(duplex_random_normal(&random) / 8);
  struct duplex_stack *stack = open_stack(3, NULL, 0);
  x[5 * H + 7] = DUPLEX_F16_NAN, x[11 * H + 1] = 0x7c00;  // tokens of their own
  struct duplex_weights *first, *second;
  assert_int_equal(duplex_stack_upload_gated(stack, gate, up, N, H, NULL, NULL, &first), 0);
  assert_int_equal(duplex_stack_upload(stack, down, H, N, NULL, &second), 0);
  const struct duplex_layer_options options = {
      .experts = 1,
      .hidden = H,
      .gated = true,
      .piece = {{.bundles = 0x6, .parts = 2, .inner = {FIRST, N - FIRST}},
                {.bundles = 0x9, .parts = 2, .inner = {FIRST, N - FIRST}, .joined = true}}};
  const struct duplex_layer_source source = {.gate = gate, .up = up, .down = down};
  struct duplex_layer *layer;
  assert_int_equal(duplex_stack_open_layer(stack, &options, &layer), 0);
  for (unsigned piece = 0; piece < 2; piece++)
    assert_int_equal(duplex_layer_load(layer, 0, piece, &source), 0);
  for (int i = 0; i < 6; i++) {
    const enum duplex_format format = (enum duplex_format)(i / 2);
    const bool joined = i % 2;
    const struct duplex_layer_work work = {.piece = joined,
                                           .bundles = joined ? 0x9 : 0x6,
                                           .cuts = (const uint8_t[]){2},
                                           .counts = (const uint32_t[]){M},
                                           .x = x,
                                           .format = format};
    struct duplex_job *job;
    static const size_t size[] = {2, 4, 16};
    assert_int_equal(
        duplex_stack_expert(stack, first, second, duplex_activation_builtin("silu"), x, M, format, expected),
        0);
    poison(stack);
    assert_int_equal(duplex_layer_start(layer, &work, &job), 0);
    assert_int_equal(duplex_stack_wait(job, UINT64_MAX, y), 0);
    assert_memory_equal(y, expected, M * H * size[format]);
    struct duplex_stack_stats stats;
    duplex_stack_last_stats(stack, &stats);
    assert_int_equal(stats.macs, (uint64_t)3 * M * N * H);
    assert_int_equal(stats.useful_bytes, (uint64_t)3 * N * H * sizeof *gate);
    assert_int_equal(stats.descriptors, 2 * (joined ? 3 : 4));  // two passes: load, gate and up, down
  }
  duplex_stack_close(stack);
}

// The channels of joined parts make h of rows behind the end too: here of 6, in a tile of their own. That of
// the second group of tokens lies behind them.
static void test_rows_behind_the_end(void **state) {
  enum { CHANNELS = 5, INNER = 64, TWO_GROUPS = 16 };
  struct layer_case c = {
      .channels = CHANNELS,
      .options = {.experts = 1,
                  .hidden = 70,
                  .piece = {{.bundles = 0xf, .parts = 1, .inner = {INNER}, .joined = true}}},
      .inner = {INNER},
      .up_stride = 70,
      .cuts = {1},
      .counts = {TWO_GROUPS},
      .cut_counts = {TWO_GROUPS},
      .all_tokens = TWO_GROUPS,
      .format = DUPLEX_F32};
  struct duplex_random random;
  (void)state;
  duplex_random_seed(&random, 17, 0);
  draw_weights(&c, &random, 0);
  c.data[0][0].there = true;
  c.x = integers(&random, ROWS_OF_X * c.options.hidden);
  for (uint32_t i = 0; i < TWO_GROUPS; i++) c.tokens[i] = i;
  struct duplex_stack *stack = open_stack(CHANNELS, NULL, 0);
  run_job(stack, load_layer(stack, &c), &c, 0, true);
  duplex_stack_close(stack);
  free_case(&c);
}

// Joined parts whose h, with that of rows behind the end, would not fit the shared buffer. Three channels
// take turns by 6 rows.
static void test_wide_joined_parts(void **state) {
  struct duplex_layer_options wide = {
      .experts = 1, .hidden = 64, .piece = {{.bundles = 0xf, .parts = 1, .inner = {65533}, .joined = true}}};
  struct duplex_stack *stack = open_stack(3, NULL, 0);
  struct duplex_layer *layer;
  (void)state;
  assert_int_equal(duplex_stack_open_layer(stack, &wide, &layer), DUPLEX_ERROR_ARGUMENT);
  assert_string_equal(
      duplex_stack_last_error(stack),
      "joined parts of inner size 65533, 65538 with the rows that fill all channels: expected "
      "at most 65536");
  wide.piece[0].inner[0] = 65532;
  assert_int_equal(duplex_stack_open_layer(stack, &wide, &layer), 0);
  wide.piece[0].inner[0] = 65533;
  wide.products = true;
  assert_int_equal(duplex_stack_open_layer(stack, &wide, &layer), 0);
  duplex_stack_close(stack);
}

// What a layer or a job of it may not be.
static void test_limits(void **state) {
  static const duplex_f16 values[300 * 300];
  const struct duplex_layer_options good = {.experts = 2,
                                            .hidden = 100,
                                            .gated = true,
                                            .piece = {{.bundles = 0x3, .parts = 2, .inner = {64, 36}},
                                                      {.bundles = 0xc, .parts = 1, .inner = {36}}}};
  const struct duplex_layer_source source = {.gate = values, .up = values, .down = values};
  struct duplex_layer *layer;
  struct duplex_stack *stack = open_stack(2, NULL, 0);
  struct duplex_layer_options wrong[11];
  (void)state;
  for (unsigned i = 0; i < 11; i++) wrong[i] = good;
  wrong[0].experts = 0, wrong[1].experts = DUPLEX_LAYER_EXPERTS + 1;
  wrong[2].hidden = 0, wrong[3].hidden = 65537;
  wrong[4].piece[0].bundles = 0, wrong[5].piece[1].bundles = 0x10;
  wrong[6].piece[0].parts = DUPLEX_LAYER_PARTS + 1, wrong[7].piece[0].inner[0] = 0;
  wrong[8].piece[0].inner[1] = 0, wrong[9].piece[0].inner[1] = 65536;
  wrong[10].piece[0].joined = true, wrong[10].piece[0].inner[0] = 62;  // no multiple of 2 channels
  for (unsigned i = 0; i < 11; i++) {
    assert_int_equal(duplex_stack_open_layer(stack, &wrong[i], &layer), DUPLEX_ERROR_ARGUMENT);
    assert_null(layer);
    assert_true(duplex_stack_last_error(stack)[0] != 0);
  }
  // Larger than the DRAM of two channels, though each number is in its range.
  struct duplex_layer_options large = {
      .experts = 1, .hidden = 65536, .piece = {{.bundles = 0xf, .parts = 1, .inner = {8256}}}};
  assert_int_equal(duplex_stack_open_layer(stack, &large, &layer), DUPLEX_ERROR_OUT_OF_SPACE);
  assert_null(layer);
  assert_string_equal(duplex_stack_last_error(stack),
                      "no room for a part of 8256 x 65536: it is larger than the stack's DRAM");
  large.piece[0].joined = true;
  assert_int_equal(duplex_stack_open_layer(stack, &large, &layer), DUPLEX_ERROR_OUT_OF_SPACE);
  assert_string_equal(duplex_stack_last_error(stack),
                      "no room for gate and up of 8256 x 65536: it is larger than the stack's DRAM");
  large.piece[0].joined = false;
  large.piece[0].inner[0] = 8192;
  assert_int_equal(duplex_stack_open_layer(stack, &large, &layer), 0);
  assert_int_equal(duplex_layer_close(layer), 0);
  assert_int_equal(duplex_stack_open_layer(NULL, &good, &layer), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_stack_open_layer(stack, NULL, &layer), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_stack_open_layer(stack, &good, NULL), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_stack_open_layer(stack, &good, &layer), 0);
  assert_int_equal(duplex_layer_load(layer, 2, 0, &source), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_layer_load(layer, 0, 2, &source), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(
      duplex_layer_load(layer, 0, 0, &(struct duplex_layer_source){.up = values, .down = values}),
      DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_layer_load(layer, 0, 0, &source), 0);
  assert_int_equal(duplex_layer_load(layer, 0, 0, &source), DUPLEX_ERROR_ARGUMENT);
  struct duplex_layer_work work[8];
  const uint8_t cuts[4][2] = {{2, 0}, {3, 0}, {2, 1}, {0, 0}};
  const uint32_t counts[2][2] = {{3, 4}, {3, 4097}};
  for (unsigned i = 0; i < 8; i++)
    work[i] = (struct duplex_layer_work){.cuts = cuts[0], .counts = counts[0], .x = values};
  work[0].cuts = cuts[1], work[1].cuts = cuts[2], work[2].counts = counts[1], work[3].bundles = 0x2;
  work[4].piece = 3, work[5].x = NULL, work[6].policy = (enum duplex_layer_policy)9;
  work[7].cut_counts = (const uint32_t[]){3, 5};
  struct duplex_job *job;
  for (unsigned i = 0; i < 8; i++) {
    assert_int_equal(duplex_layer_start(layer, &work[i], &job), DUPLEX_ERROR_ARGUMENT);
    assert_null(job);
  }
  // Products are binary32, and there is no down.
  struct duplex_layer_options products = good;
  products.products = true;
  struct duplex_layer *of_products;
  duplex_f16 value;
  assert_int_equal(duplex_stack_open_layer(stack, &products, &of_products), 0);
  assert_int_equal(
      duplex_layer_load(of_products, 0, 0, &(struct duplex_layer_source){.gate = values, .up = values}), 0);
  assert_int_equal(
      duplex_layer_start(of_products,
                         &(struct duplex_layer_work){
                             .cuts = cuts[0], .counts = counts[0], .x = values, .format = DUPLEX_ACC},
                         &job),
      DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_layer_read(of_products, 0, 0, DUPLEX_LAYER_DOWN, 0, 1, 0, 1, &value, 0, NULL),
                   DUPLEX_ERROR_ARGUMENT);
  // The xPU alone reads a piece.
  struct duplex_layer_options copied = good;
  copied.piece[0].read_only = true;
  struct duplex_layer *of_xpu;
  assert_int_equal(duplex_stack_open_layer(stack, &copied, &of_xpu), 0);
  assert_int_equal(duplex_layer_load(of_xpu, 0, 0, &source), 0);
  work[7] = (struct duplex_layer_work){.cuts = cuts[0], .counts = counts[0], .x = values};
  assert_int_equal(duplex_layer_start(of_xpu, &work[7], &job), DUPLEX_ERROR_ARGUMENT);
  assert_string_equal(duplex_stack_last_error(stack),
                      "piece 0 of a layer: expected one that is not read only");
  assert_int_equal(duplex_layer_read(of_xpu, 0, 0, DUPLEX_LAYER_DOWN, 0, 1, 0, 1, &value, 0, NULL), 0);
  // Nothing to do is a job too.
  uint8_t y[7 * 100 * 2], zeros[sizeof y] = {0};
  const struct duplex_layer_work idle = {
      .piece = 1, .bundles = 0xc, .cuts = cuts[3], .counts = counts[0], .x = values};
  memset(y, 0x55, sizeof y);
  assert_int_equal(duplex_layer_start(layer, &idle, &job), 0);
  assert_int_equal(duplex_stack_wait(job, UINT64_MAX, y), 0);
  assert_memory_equal(y, zeros, sizeof y);
  assert_int_equal(duplex_stack_hand_over(stack, 0x10), DUPLEX_ERROR_ARGUMENT);
  duplex_stack_close(stack);
}

// As many experts as a layer may have, and rows that are full.
static void test_many_experts(void **state) {
  const struct duplex_layer_options options = {.experts = DUPLEX_LAYER_EXPERTS,
                                               .hidden = 64,
                                               .piece = {{.bundles = 0x1, .parts = 1, .inner = {64}},
                                                         {.bundles = 0x2, .parts = 1, .inner = {64}},
                                                         {.bundles = 0x4, .parts = 1, .inner = {64}},
                                                         {.bundles = 0x8, .parts = 1, .inner = {64}}}};
  static uint8_t cuts[DUPLEX_LAYER_EXPERTS];
  static uint32_t counts[DUPLEX_LAYER_EXPERTS];
  static duplex_f16 x[DUPLEX_LAYER_EXPERTS * 64], y[DUPLEX_LAYER_EXPERTS * 64];
  static duplex_f16 up[64 * 64], down[64 * 64];
  struct duplex_stack *stack = open_stack(1, NULL, 0);
  struct duplex_layer *layer;
  (void)state;
  for (unsigned i = 0; i < 64; i++) up[i * 65] = down[i * 65] = 0x3c00;  // 1
  assert_int_equal(duplex_stack_open_layer(stack, &options, &layer), 0);
  for (unsigned i = 0; i < DUPLEX_LAYER_EXPERTS; i++) {
    const struct duplex_layer_source source = {.up = up, .down = down};
    assert_int_equal(duplex_layer_load(layer, i, i % 4, &source), 0);
    counts[i] = 1;
    for (unsigned k = 0; k < 64; k++) x[i * 64 + k] = (duplex_f16)(0x3c00 + i + k);
  }
  for (unsigned piece = 0; piece < 4; piece++) {
    const struct duplex_layer_work work = {
        .piece = piece, .cuts = cuts, .counts = counts, .x = x, .table = duplex_activation_builtin("relu")};
    struct duplex_job *job;
    for (unsigned i = 0; i < DUPLEX_LAYER_EXPERTS; i++) cuts[i] = i % 4 == piece;
    assert_int_equal(duplex_layer_start(layer, &work, &job), 0);
    assert_int_equal(duplex_stack_wait(job, UINT64_MAX, y), 0);
    for (unsigned i = piece; i < DUPLEX_LAYER_EXPERTS; i += 4)
      assert_memory_equal(y + i * 64, x + i * 64, 64 * sizeof *x);
  }
  duplex_stack_close(stack);
}

// Instructions of the controller for a job with one expert, in passes of one and of two groups of tokens.
static uint64_t instructions_of(struct duplex_stack *stack, struct duplex_layer *layer, unsigned cut,
                                enum duplex_format format) {
  enum { TOKENS = 24, HIDDEN = 128, COLUMNS = 4 * HIDDEN };
  static const duplex_f16 x[TOKENS * HIDDEN];
  static uint32_t y[TOKENS * COLUMNS * 4];
  const struct duplex_layer_work work = {.cuts = (const uint8_t[]){(uint8_t)cut},
                                         .counts = (const uint32_t[]){TOKENS},
                                         .x = x,
                                         .format = format};
  struct duplex_stack_stats stats;
  struct duplex_job *job;
  assert_int_equal(duplex_layer_start(layer, &work, &job), 0);
  assert_int_equal(duplex_stack_wait(job, UINT64_MAX, y), 0);
  duplex_stack_last_stats(stack, &stats);
  return stats.firmware_instructions;
}

// Runs so many other layers, each of a form of its own, from this many columns on: with its first job a layer
// is registered.
static void run_others(struct duplex_stack *stack, const struct duplex_layer_options *options,
                       enum duplex_format format, unsigned hidden, unsigned count) {
  for (unsigned i = 0; i < count; i++) {
    struct duplex_layer_options other = *options;
    struct duplex_layer *layer;
    other.hidden = hidden + i;
    assert_int_equal(duplex_stack_open_layer(stack, &other, &layer), 0);
    assert_int_equal(duplex_layer_reserve(layer, 0, 0), 0);
    instructions_of(stack, layer, 1, format);
  }
}

// A layer is described when it is registered: its first job with a cut takes the controller as long as the
// next one, but for waking up once more or less. The activation table is there already. That holds with eight
// forms. What more of them have taken the room of is described again, once.
static void first_jobs(const struct duplex_layer_options *options, enum duplex_format format) {
  enum { WAKE_UP = 64, FORMS = 8 };
  static const struct duplex_riscv_options riscv = {0};
  struct duplex_stack *stack = open_stack(2, &riscv, 0);
  const unsigned parts = options->piece[0].parts;
  struct duplex_layer *layer;
  uint64_t next = 0;
  run_others(stack, options, format, 10, 1);
  assert_int_equal(duplex_stack_open_layer(stack, options, &layer), 0);
  assert_int_equal(duplex_layer_reserve(layer, 0, 0), 0);
  for (unsigned cut = 1; cut <= parts; cut++) {
    const uint64_t first = instructions_of(stack, layer, cut, format);
    next = instructions_of(stack, layer, cut, format);
    assert_in_range(first, 1, next + WAKE_UP);
    run_others(stack, options, format, 10 + cut, 1);
  }
  run_others(stack, options, format, 20, FORMS - parts - 2);
  assert_in_range(instructions_of(stack, layer, parts, format), 1, next + WAKE_UP);
  run_others(stack, options, format, 30, FORMS);
  assert_in_range(instructions_of(stack, layer, parts, format), next + WAKE_UP, 4 * next);
  assert_in_range(instructions_of(stack, layer, parts, format), 1, next + WAKE_UP);
  duplex_stack_close(stack);
}

static void test_first_jobs(void **state) {
  (void)state;
  for (int kind = 0; kind < 6; kind++) {
    const bool products = kind / 2 == 1;
    const bool rounded = kind / 2 == 2;
    const struct duplex_layer_options options = {
        .experts = 1,
        .hidden = 100,
        .gated = true,
        .products = products,
        .rounded = rounded,
        .piece = {{.bundles = 0x7, .parts = 3, .inner = {64, 36, 20}, .joined = kind % 2},
                  {.bundles = 0x8, .parts = 3, .inner = {64, 36, 20}, .read_only = true}}};
    first_jobs(&options, products || rounded ? DUPLEX_F32 : DUPLEX_ACC);
  }
}

int main(void) {
  static const struct duplex_riscv_options riscv = {0};
  static const struct setup native = {NULL, 60, 0};
  static const struct setup rv32 = {&riscv, 20, 0};
  static const struct setup measured = {&riscv, 4, 1};
  const struct CMUnitTest tests[] = {
      {"random layers, native", test_random_layers, NULL, NULL, (void *)(uintptr_t)&native},
      {"random layers, RV32", test_random_layers, NULL, NULL, (void *)(uintptr_t)&rv32},
      {"random layers, measured", test_random_layers, NULL, NULL, (void *)(uintptr_t)&measured},
      {"layers in turn, native", test_layers_in_turn, NULL, NULL, (void *)(uintptr_t)&native},
      {"layers in turn, RV32", test_layers_in_turn, NULL, NULL, (void *)(uintptr_t)&rv32},
      cmocka_unit_test(test_against_expert),
      cmocka_unit_test(test_rows_behind_the_end),
      cmocka_unit_test(test_wide_joined_parts),
      cmocka_unit_test(test_limits),
      cmocka_unit_test(test_many_experts),
      cmocka_unit_test(test_first_jobs),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
