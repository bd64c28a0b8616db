// SPDX-License-Identifier: Apache-2.0
// Several stacks of one process, each in a thread of its own, give the bytes and clocks that each gives
// alone: no state of the library is shared. Built a second time under the thread sanitizer (`make threads`).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
// CMocka needs the four above first.
#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "duplex/duplex.h"
#include "duplex/kv_cache.h"
#include "duplex/random.h"
#include "tests/common/environment.h"

#define STACKS 4u
#define ROUNDS 6u  // two where DUPLEX_SHARE asks for a share
#define TOKENS 9u
#define ROWS 70u
#define COLUMNS 130u
#define BATCH 3u
#define HEADS 2u
#define GROUP 2u
#define HEAD_SIZE 32u
#define POSITIONS 150u

// What one stack made: compared as bytes.
struct outcome {
  duplex_f16 gemm[TOKENS * ROWS];
  duplex_f16 expert[TOKENS * COLUMNS];
  duplex_f16 attention[BATCH * HEADS * GROUP * HEAD_SIZE];
  uint64_t cycles[3];
};

struct run {
  uint64_t seed;
  unsigned number;  // of the stack: draws its operands and its channels
  int error;
  char text[256];
  struct outcome *outcome;  // [ROUNDS], of them [rounds] used
};

static uint64_t seed = 1;
static uint64_t rounds = ROUNDS;

static void draw(struct duplex_random *random, duplex_f16 *values, size_t count, double deviation) {
  for (size_t i = 0; i < count; i++)
    values[i] = duplex_f16_from_double(duplex_random_normal(random) * deviation);
}

static uint64_t cycles_of(const struct duplex_stack *stack) {
  struct duplex_stack_stats stats;
  duplex_stack_last_stats(stack, &stats);
  return stats.cycles;
}

static int run_gemm(struct duplex_stack *stack, struct duplex_random *random, struct outcome *outcome) {
  duplex_f16 x[TOKENS * COLUMNS];
  duplex_f16 w[ROWS * COLUMNS];
  struct duplex_weights *weights;
  draw(random, x, TOKENS * COLUMNS, 1);
  draw(random, w, ROWS * COLUMNS, 0.1);
  int error = duplex_stack_upload(stack, w, ROWS, COLUMNS, NULL, &weights);
  if (error) return error;
  error = duplex_stack_gemm(stack, weights, x, TOKENS, DUPLEX_F16, outcome->gemm);
  duplex_stack_release(stack, weights);
  outcome->cycles[0] = cycles_of(stack);
  return error;
}

static int run_expert(struct duplex_stack *stack, struct duplex_random *random, struct outcome *outcome) {
  duplex_f16 x[TOKENS * COLUMNS];
  duplex_f16 w[3][ROWS * COLUMNS];
  struct duplex_weights *up = NULL;
  struct duplex_weights *down = NULL;
  draw(random, x, TOKENS * COLUMNS, 1);
  for (unsigned i = 0; i < 3; i++) draw(random, w[i], ROWS * COLUMNS, 0.1);
  int error = duplex_stack_upload_gated(stack, w[0], w[1], ROWS, COLUMNS, NULL, NULL, &up);
  if (!error) error = duplex_stack_upload(stack, w[2], COLUMNS, ROWS, NULL, &down);
  if (!error)
    error = duplex_stack_expert(stack, up, down, duplex_activation_builtin("silu"), x, TOKENS, DUPLEX_F16,
                                outcome->expert);
  outcome->cycles[1] = cycles_of(stack);
  if (down) duplex_stack_release(stack, down);
  if (up) duplex_stack_release(stack, up);
  return error;
}

// Sequences of different lengths, so that the lists of two stacks differ.
static int fill(struct duplex_kv_cache *cache, struct duplex_random *random,
                struct duplex_sequence **sequences) {
  duplex_f16 k[HEADS * POSITIONS * HEAD_SIZE];
  duplex_f16 v[HEADS * POSITIONS * HEAD_SIZE];
  for (unsigned i = 0; i < BATCH; i++) {
    const size_t positions = 1 + duplex_random_below(random, POSITIONS);
    draw(random, k, HEADS * POSITIONS * HEAD_SIZE, 1);
    draw(random, v, HEADS * POSITIONS * HEAD_SIZE, 1);
    int error = duplex_kv_begin(cache, DUPLEX_KV_SPACES, positions, &sequences[i]);
    if (!error) error = duplex_kv_append(sequences[i], 0, k, v, positions, POSITIONS * HEAD_SIZE);
    if (error) return error;
  }
  return 0;
}

static int run_attention(struct duplex_stack *stack, struct duplex_random *random, struct outcome *outcome) {
  const struct duplex_kv_options options = {
      .heads = HEADS, .head_size = HEAD_SIZE, .page_positions = 64, .pages = 12};
  duplex_f16 q[BATCH * HEADS * GROUP * HEAD_SIZE];
  struct duplex_sequence *sequences[BATCH] = {NULL};
  struct duplex_kv_cache *cache;
  int error = duplex_kv_open(stack, &options, &cache);
  if (error) return error;
  error = fill(cache, random, sequences);
  draw(random, q, BATCH * HEADS * GROUP * HEAD_SIZE, 1);
  if (!error)
    error = duplex_stack_attention(cache, 0, sequences, BATCH, q, HEADS * GROUP, 0, outcome->attention);
  outcome->cycles[2] = cycles_of(stack);
  duplex_kv_close(cache);
  return error;
}

static void *run_stack(void *argument) {
  struct run *run = argument;
  const struct duplex_stack_options options = {.backend = {.channels = 1 + run->number, .threads = 2}};
  struct duplex_random random;
  struct duplex_stack *stack;
  duplex_random_seed(&random, run->seed, run->number);
  run->error = duplex_stack_open("cmodel", &options, &stack, run->text, sizeof run->text);
  if (run->error) return NULL;
  for (uint64_t round = 0; round < rounds && !run->error; round++) {
    struct outcome *outcome = &run->outcome[round];
    run->error = run_attention(stack, &random, outcome);
    if (!run->error) run->error = run_gemm(stack, &random, outcome);
    if (!run->error) run->error = run_expert(stack, &random, outcome);
    if (!run->error) run->error = run_attention(stack, &random, outcome);
  }
  if (run->error) snprintf(run->text, sizeof run->text, "%s", duplex_stack_last_error(stack));
  duplex_stack_close(stack);
  return NULL;
}

static void start_runs(struct run *runs) {
  for (unsigned i = 0; i < STACKS; i++) {
    runs[i] = (struct run){.seed = seed, .number = i, .outcome = calloc(ROUNDS, sizeof(struct outcome))};
    assert_non_null(runs[i].outcome);
  }
}

static void test_stacks_in_threads_do_as_alone(void **state) {
  struct run alone[STACKS];
  struct run together[STACKS];
  pthread_t threads[STACKS];
  (void)state;
  start_runs(alone);
  start_runs(together);
  for (unsigned i = 0; i < STACKS; i++) run_stack(&alone[i]);
  for (unsigned i = 0; i < STACKS; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, run_stack, &together[i]), 0);
  for (unsigned i = 0; i < STACKS; i++) pthread_join(threads[i], NULL);
  for (unsigned i = 0; i < STACKS; i++) {
    if (alone[i].error || together[i].error) fail_msg("stack %u: %s%s", i, alone[i].text, together[i].text);
    if (memcmp(alone[i].outcome, together[i].outcome, ROUNDS * sizeof(struct outcome)) != 0)
      fail_msg("stack %u: other results or clocks in a thread than alone (seed %llu)", i,
               (unsigned long long)seed);
    free(alone[i].outcome);
    free(together[i].outcome);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_stacks_in_threads_do_as_alone)};
  seed = environment_seed();
  rounds = 2 + (ROUNDS - 2) / environment_count("DUPLEX_SHARE");
  printf("seed %llu\n", (unsigned long long)seed);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
