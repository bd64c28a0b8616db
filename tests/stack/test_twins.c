// SPDX-License-Identifier: Apache-2.0
// A stack whose channels are clocked once while they are alike, beside one in which each is clocked alone:
// the same bytes, statistics and commands of random jobs, some beside reads of the xPU.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
// CMocka needs the four above first.
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "cmodel/stack/stack.h"
#include "duplex/duplex.h"
#include "duplex/error.h"
#include "duplex/kv_cache.h"
#include "duplex/random.h"
#include "tests/common/environment.h"

#define TOKENS 50u
#define ROWS 200u
#define COLUMNS 300u
#define POSITIONS 200u
#define HEAD_SIZE 32u
#define BATCH 3u
#define HEADS 4u

struct outcome {
  int error[4];
  struct duplex_stack_stats stats[4];
  duplex_f16 y[4][TOKENS * COLUMNS];
  struct duplex_xpu_state xpu;
};

static const struct duplex_backend_ops *model_ops;
static uint64_t joined, alone;  // looks at a stack in which some channels are twins, and none is

static void note(const struct stack_model *stack) {
  bool twins = false;
  for (unsigned i = 0; i < stack->channels; i++) twins |= stack->twins.members[i] > 1;
  joined += twins;
  alone += !twins;
}

static int twin_advance(struct duplex_backend *backend, uint64_t clocks, int *interrupt) {
  note((struct stack_model *)backend);
  return model_ops->advance(backend, clocks, interrupt);
}

// A clock at a time, before which every channel gets a state of its own.
static int alone_advance(struct duplex_backend *backend, uint64_t clocks, int *interrupt) {
  struct stack_model *stack = (struct stack_model *)backend;
  int error = DUPLEX_OK;
  for (uint64_t i = 0; i < clocks && !error; i++) {
    for (unsigned channel = 0; channel < stack->channels; channel++)
      twins_leave(&stack->twins, stack->channels, channel, stack->channel, stack->xpu);
    error = model_ops->advance(backend, 1, interrupt);
    if (interrupt && *interrupt) break;
  }
  return error;
}

static void draw(struct duplex_random *random, duplex_f16 *values, size_t count) {
  for (size_t i = 0; i < count; i++) values[i] = duplex_f16_from_double(duplex_random_normal(random));
}

static size_t size_of(struct duplex_random *random, size_t most) {
  return 1 + duplex_random_below(random, (uint32_t)most);
}

// The xPU reads beside the jobs from a bundle of its own: the same on all channels, but more on the first
// one.
static void queue_reads(struct duplex_backend *backend, struct duplex_random *random) {
  const uint64_t bundle = UINT64_C(3) << DUPLEX_BUNDLE_LSB;
  const size_t bytes = 32 * size_of(random, 50000);
  for (unsigned channel = 0; channel < ((struct stack_model *)backend)->channels; channel++)
    assert_int_equal(backend->ops->xpu_read(backend, channel, bundle, NULL, bytes + (channel ? 0 : 99904)),
                     DUPLEX_OK);
}

// `reader`: the back end of the stack if the xPU reads meanwhile, or NULL.
static void run_matrices(struct duplex_stack *stack, struct duplex_backend *reader,
                         struct duplex_random *random, struct outcome *outcome) {
  static duplex_f16 x[TOKENS * COLUMNS], gate[ROWS * COLUMNS], up[ROWS * COLUMNS], down[ROWS * COLUMNS];
  const size_t m = size_of(random, TOKENS);
  const size_t n = size_of(random, ROWS);
  const size_t k = size_of(random, COLUMNS);
  struct duplex_weights *pair = NULL;
  struct duplex_weights *plain = NULL;
  struct duplex_weights *back = NULL;
  draw(random, x, m * k);
  draw(random, gate, n * k);
  draw(random, up, n * k);
  draw(random, down, n * k);
  assert_int_equal(duplex_stack_upload_gated(stack, gate, up, n, k, NULL, NULL, &pair), DUPLEX_OK);
  assert_int_equal(duplex_stack_upload(stack, up, n, k, NULL, &plain), DUPLEX_OK);
  assert_int_equal(duplex_stack_upload(stack, down, k, n, NULL, &back), DUPLEX_OK);
  if (reader) queue_reads(reader, random);
  outcome->error[0] = duplex_stack_gemm(stack, plain, x, m, DUPLEX_F16, outcome->y[0]);
  duplex_stack_last_stats(stack, &outcome->stats[0]);
  outcome->error[1] = duplex_stack_expert(stack, pair, back, duplex_activation_builtin("silu"), x, m,
                                          DUPLEX_F16, outcome->y[1]);
  duplex_stack_last_stats(stack, &outcome->stats[1]);
  duplex_stack_release(stack, pair);
  duplex_stack_release(stack, plain);
  duplex_stack_release(stack, back);
}

static void run_attention(struct duplex_stack *stack, struct duplex_random *random, struct outcome *outcome) {
  static duplex_f16 kv[2][HEADS * POSITIONS * HEAD_SIZE], q[BATCH * HEADS * HEAD_SIZE];
  const struct duplex_kv_options options = {
      .heads = HEADS, .head_size = HEAD_SIZE, .page_positions = 128, .pages = 2 * BATCH + 2};
  struct duplex_kv_cache *cache;
  struct duplex_sequence *sequences[BATCH];
  assert_int_equal(duplex_kv_open(stack, &options, &cache), DUPLEX_OK);
  draw(random, q, sizeof q / sizeof *q);
  for (unsigned i = 0; i < BATCH; i++) {
    const size_t length = size_of(random, POSITIONS - 1);
    draw(random, kv[0], HEADS * length * HEAD_SIZE);
    draw(random, kv[1], HEADS * length * HEAD_SIZE);
    assert_int_equal(duplex_kv_begin(cache, DUPLEX_KV_SPACES, length + 1, &sequences[i]), DUPLEX_OK);
    assert_int_equal(duplex_kv_append(sequences[i], 0, kv[0], kv[1], length, 0), DUPLEX_OK);
  }
  outcome->error[2] = duplex_stack_attention(cache, 0, sequences, BATCH, q, HEADS, 0, outcome->y[2]);
  duplex_stack_last_stats(stack, &outcome->stats[2]);
  outcome->error[3] =
      duplex_stack_attention_step(cache, 0, sequences, BATCH, kv[0], kv[1], q, HEADS, 0, outcome->y[3]);
  duplex_stack_last_stats(stack, &outcome->stats[3]);
  duplex_kv_close(cache);
}

// The jobs of a case on a stack whose clock `advance` runs.
static void run(uint64_t seed, uint64_t number, unsigned threads,
                int (*advance)(struct duplex_backend *backend, uint64_t clocks, int *interrupt),
                struct outcome *outcome) {
  struct duplex_random random;
  duplex_random_seed(&random, seed, number);
  struct duplex_stack_options options = {.strict = (int)duplex_random_below(&random, 2)};
  options.backend.channels = number % 2 ? DUPLEX_CHANNELS : (unsigned)size_of(&random, DUPLEX_CHANNELS);
  options.backend.xpu_traffic = (int)duplex_random_below(&random, 2);
  options.backend.threads = threads;
  options.bundles = duplex_random_below(&random, 2) ? 0 : 7;
  struct duplex_backend *backend;
  struct duplex_stack *stack;
  assert_int_equal(duplex_cmodel_open(&options.backend, &backend), DUPLEX_OK);
  model_ops = backend->ops;
  struct duplex_backend_ops ops = *model_ops;
  ops.advance = advance;
  backend->ops = &ops;
  assert_int_equal(duplex_stack_open_backend(backend, &options, &stack), DUPLEX_OK);
  memset(outcome, 0, sizeof *outcome);
  run_matrices(stack, options.bundles ? backend : NULL, &random, outcome);
  run_attention(stack, &random, outcome);
  backend->ops->xpu_state(backend, &outcome->xpu);
  duplex_stack_close(stack);
}

static void twins_are_what_each_is_alone(void **state) {
  (void)state;
  static struct outcome together, apart, beside;
  const uint64_t seed = environment_seed();
  for (uint64_t number = 0; number < 6; number++) {
    run(seed, number, 1, twin_advance, &together);
    run(seed, number, 1, alone_advance, &apart);
    run(seed, number, 3, twin_advance, &beside);
    if (memcmp(&together, &apart, sizeof apart) != 0 || memcmp(&together, &beside, sizeof beside) != 0)
      fail_msg("case %llu of seed %llu: other bytes or statistics", (unsigned long long)number,
               (unsigned long long)seed);
    for (unsigned i = 0; i < 4; i++) assert_int_equal(together.error[i], DUPLEX_OK);
  }
  printf("seed %llu: twins at %llu of %llu looks\n", (unsigned long long)seed, (unsigned long long)joined,
         (unsigned long long)(joined + alone));
  assert_true(joined > 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(twins_are_what_each_is_alone)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
