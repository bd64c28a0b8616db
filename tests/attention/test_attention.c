// SPDX-License-Identifier: Apache-2.0
// Decode attention on the C model, from the KV cache down, against the exact oracle: every bit of every
// output.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
// CMocka needs the four above first.
#include <cmocka.h>

#include "duplex/error.h"
#include "tests/attention/attention_case.h"
#include "tests/common/environment.h"

static uint64_t cases;

static struct shape draw_shape(struct duplex_random *random) {
  static const unsigned channels[] = {1, 2, 3, 5, 32};
  struct shape s = {.channels = channels[duplex_random_below(random, 5)],
                    .heads = 1 + (unsigned)duplex_random_below(random, 5),
                    .group = 1 + (unsigned)duplex_random_below(random, GROUP_MOST),
                    .d = 16 * (1 + (unsigned)duplex_random_below(random, 16)),
                    .page = DUPLEX_WIDTH * (1 + (unsigned)duplex_random_below(random, 4)),
                    .batch = 1 + duplex_random_below(random, 3),
                    .scale = duplex_random_below(random, 2) ? 0 : 0.01 + duplex_random_unit(random),
                    .wide = duplex_random_below(random, 2)};
  for (size_t i = 0; i < s.batch; i++)
    s.lengths[i] = 1 + duplex_random_below(random, duplex_random_below(random, 4) ? 80 : 400);
  return s;
}

static void test_random_batches(void **state) {
  (void)state;
  for (uint64_t number = 0; number < 12 * cases; number++) check_random_case(number, draw_shape);
}

// Every head size and every group.
static void test_head_sizes_and_groups(void **state) {
  (void)state;
  for (unsigned i = 1; i <= 16; i++) {
    struct duplex_random random;
    duplex_random_seed(&random, seed, 1000 + i);
    const struct shape shape = {.channels = 3,
                                .heads = 2,
                                .group = 17 - i < GROUP_MOST ? 17 - i : GROUP_MOST,
                                .d = 16 * i,
                                .page = DUPLEX_WIDTH,
                                .batch = 1,
                                .lengths = {65 + i},
                                .wide = i / 2 % 2};
    struct tensors t = make_tensors(&shape, &random, MODERATE, MODERATE, MODERATE);
    uint16_t *o = new_array(outputs_of(&shape));
    run_driver(&shape, &t, 50, &random, o);
    check_all(&shape, &t, o);
    free_tensors(&t);
    free(o);
  }
}

// Scores beyond the slice, pages beyond the queue, several slots of a channel; sampled.
static void test_long_rows(void **state) {
  (void)state;
  static const struct shape shapes[] = {
      {.channels = 2, .heads = 1, .group = 8, .d = 80, .page = 512, .batch = 1, .lengths = {2500}},
      {.channels = 1, .heads = 2, .group = 3, .d = 16, .page = 512, .batch = 2, .lengths = {4097, 4096}},
      {.channels = 1, .heads = 2, .group = 1, .d = 16, .page = 1024, .batch = 1, .lengths = {16385}},
      {.channels = 2,
       .heads = 5,
       .group = 2,
       .d = 144,
       .page = DUPLEX_WIDTH,
       .batch = 2,
       .lengths = {700, 90}},
      {.channels = 3,
       .heads = 3,
       .group = GROUP_MOST * 3 / 4,
       .d = 32,
       .page = DUPLEX_WIDTH,
       .batch = 2,
       .lengths = {2049, 513}},
      {.channels = 1,
       .heads = 1,
       .group = GROUP_MOST - 3,
       .d = 80,
       .page = 512,
       .batch = 1,
       .lengths = {4200},
       .wide = true},
      {.channels = 2,
       .heads = 3,
       .group = 2,
       .d = 16,
       .page = DUPLEX_WIDTH,
       .batch = 2,
       .lengths = {8300, 700},
       .wide = true},
  };
  for (unsigned i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    struct duplex_random random;
    duplex_random_seed(&random, seed, 2000 + i);
    const struct shape *shape = &shapes[i];
    struct tensors t = make_tensors(shape, &random, MODERATE, MODERATE, MODERATE);
    uint16_t *o = new_array(outputs_of(shape));
    run_driver(shape, &t, 300, &random, o);
    for (size_t sequence = 0; sequence < shape->batch; sequence++) {
      check_query(shape, &t, sequence, 0, o);
      check_query(shape, &t, sequence, (unsigned)duplex_random_below(&random, shape->heads * shape->group),
                  o);
      check_query(shape, &t, sequence, shape->heads * shape->group - 1, o);
    }
    free_tensors(&t);
    free(o);
  }
}

// Rows of N5 by name: what is planted into K and V of a row of finite values, and what comes out.
static void test_special_rows(void **state) {
  (void)state;
  struct special {
    const char *name;
    uint16_t q, k,
        v;  // planted: all of q's first element; K's first element and V's second one of position 40
    uint16_t first, second;  // of o; 1: as the oracle says
  };
  static const struct special rows[] = {
      {"K is +Inf: m is +Inf", 0x3c00, 0x7c00, 0, 0x7e00, 0x7e00},
      {"K is -Inf: the position has no weight", 0x3c00, 0xfc00, 0x3c00, 1, 1},
      {"K is NaN", 0x3c00, 0x7e00, 0, 0x7e00, 0x7e00},
      {"Inf x 0 in a score", 0, 0x7c00, 0, 0x7e00, 0x7e00},
      {"V is +Inf", 0x3c00, 0x3c00, 0x7c00, 1, 0x7c00},
      {"V is -Inf", 0x3c00, 0x3c00, 0xfc00, 1, 0xfc00},
      {"V is NaN", 0x3c00, 0x3c00, 0x7e00, 1, 0x7e00},
      {"V is Inf where p is 0", 0x3c00, 0xfbff, 0x7c00, 1, 0x7e00},
      {"q is Inf: every score is Inf", 0x7c00, 0x3c00, 0, 0x7e00, 0x7e00},
      {"q is NaN", 0x7e00, 0x3c00, 0, 0x7e00, 0x7e00},
  };
  for (unsigned i = 0; i < 2 * sizeof rows / sizeof *rows; i++) {
    const struct shape shape = {.channels = 2,
                                .heads = 1,
                                .group = 2,
                                .d = 64,
                                .page = DUPLEX_WIDTH,
                                .batch = 1,
                                .lengths = {100},
                                .scale = 0.01,
                                .wide = i % 2};
    const struct special *row = &rows[i / 2];
    struct duplex_random random;
    duplex_random_seed(&random, seed, 3000 + i / 2);
    struct tensors t = make_tensors(&shape, &random, MODERATE, MODERATE, MODERATE);
    uint16_t o[2 * 64];
    for (unsigned query = 0; query < 2; query++) t.q[query * 64] = row->q;
    t.k[40 * 64] = row->k;
    t.v[40 * 64 + 1] = row->v;
    run_driver(&shape, &t, 100, &random, o);
    check_all(&shape, &t, o);
    if (row->first != 1 && o[0] != row->first) fail_msg("%s: o[0] is 0x%04x", row->name, o[0]);
    if (row->second != 1 && o[1] != row->second) fail_msg("%s: o[1] is 0x%04x", row->name, o[1]);
    free_tensors(&t);
  }
}

static void test_all_scores_minus_infinity(void **state) {
  (void)state;
  const struct shape shape = {
      .channels = 1, .heads = 1, .group = 1, .d = 16, .page = DUPLEX_WIDTH, .batch = 1, .lengths = {70}};
  struct duplex_random random;
  duplex_random_seed(&random, seed, 4000);
  struct tensors t = make_tensors(&shape, &random, MODERATE, MODERATE, MODERATE);
  uint16_t o[16];
  t.q[0] = 0x3c00;
  for (size_t i = 0; i < 70; i++) t.k[i * 16] = 0xfc00;
  run_driver(&shape, &t, 70, &random, o);
  for (unsigned i = 0; i < 16; i++) assert_int_equal(o[i], 0x7e00);
  free_tensors(&t);
}

// The same bits on any number of channels, stripe set, page size and order, alone or with others.
static void test_independence(void **state) {
  (void)state;
  static const unsigned channels[] = {1, 2, 3, 5, 32};
  static const unsigned pages[] = {DUPLEX_WIDTH, 2 * DUPLEX_WIDTH, 8 * DUPLEX_WIDTH};
  static const unsigned bundles[] = {0, 1, 0x6, 0xf};
  struct shape shape = {.channels = 1,
                        .heads = 3,
                        .group = 4,
                        .d = 96,
                        .page = DUPLEX_WIDTH,
                        .batch = 4,
                        .lengths = {700, 3, 64, 257}};
  struct duplex_random random;
  duplex_random_seed(&random, seed, 5000);
  struct tensors t = make_tensors(&shape, &random, MODERATE, MODERATE, MODERATE);
  uint16_t *expected = new_array(outputs_of(&shape));
  uint16_t *o = new_array(outputs_of(&shape));
  run_driver(&shape, &t, 1000, &random, expected);
  check_query(&shape, &t, 0, 5, expected);
  for (unsigned i = 0; i < 5; i++)
    for (unsigned j = 0; j < 3; j++) {
      shape.channels = channels[i];
      shape.page = pages[j];
      shape.bundles = bundles[(i + j) % 4];
      run_driver(&shape, &t, 1 + duplex_random_below(&random, 100), &random, o);
      assert_memory_equal(o, expected, outputs_of(&shape) * sizeof *o);
    }
  struct shape alone = shape;
  alone.batch = 1;
  for (size_t i = 0; i < shape.batch; i++) {
    const size_t queries = outputs_of(&alone);
    const struct tensors part = {t.q + i * queries, t.k + i * shape.heads * t.of_head,
                                 t.v + i * shape.heads * t.of_head, t.longest, t.of_head};
    alone.lengths[0] = shape.lengths[i];
    run_driver(&alone, &part, 1000, &random, o);
    assert_memory_equal(o, expected + i * queries, queries * sizeof *o);
  }
  free_tensors(&t);
  free(expected);
  free(o);
}

// More sequences than a job of the firmware holds.
static void test_many_sequences(void **state) {
  (void)state;
  enum { MANY = 150, D = 32, L = 5 };
  struct duplex_random random;
  duplex_random_seed(&random, seed, 6000);
  static uint16_t q[MANY * D], k[MANY * L * D], v[MANY * L * D], o[MANY * D];
  struct duplex_sequence *sequences[MANY];
  struct duplex_stack *stack = open_stack(5);
  const struct shape shape = {
      .channels = 5, .heads = 1, .group = 1, .d = D, .page = DUPLEX_WIDTH, .batch = MANY};
  struct duplex_kv_cache *cache = open_cache(stack, &shape, MANY);
  for (size_t i = 0; i < MANY * D; i++) q[i] = draw_operand(&random, MODERATE);
  for (size_t i = 0; i < MANY * L * D; i++)
    k[i] = draw_operand(&random, MODERATE), v[i] = draw_operand(&random, MODERATE);
  for (size_t i = 0; i < MANY; i++) {
    assert_int_equal(duplex_kv_begin(cache, DUPLEX_KV_SPACES, 1 + i % L, &sequences[i]), 0);
    assert_int_equal(duplex_kv_append(sequences[i], 0, k + i * L * D, v + i * L * D, 1 + i % L, 0), 0);
  }
  attend(cache, &shape, sequences, q, stack, o);
  for (size_t i = 0; i < MANY; i++) {
    uint16_t expected[D];
    oracle_attention(q + i * D, k + i * L * D, v + i * L * D, 1 + i % L, D, oracle_scale(0, D), expected);
    assert_memory_equal(o + i * D, expected, sizeof expected);
  }
  duplex_kv_close(cache);
  duplex_stack_close(stack);
}

static void test_arguments(void **state) {
  (void)state;
  struct duplex_stack *stack = open_stack(2);
  const struct shape shape = {.heads = 2, .d = 32, .page = DUPLEX_WIDTH};
  struct duplex_kv_cache *cache = open_cache(stack, &shape, 2);
  struct duplex_sequence *sequence;
  static uint16_t kv[2 * 32], q[66 * 32], o[66 * 32];
  assert_int_equal(duplex_kv_begin(cache, DUPLEX_KV_SPACES, 1, &sequence), 0);
  assert_int_equal(duplex_stack_attention(cache, 0, &sequence, 1, q, 2, 0, o),
                   DUPLEX_ERROR_ARGUMENT);  // no position
  assert_int_equal(duplex_kv_append(sequence, 0, kv, kv, 1, 0), 0);
  assert_int_equal(duplex_stack_attention(cache, 0, &sequence, 1, q, 2, 0, o), 0);
  assert_int_equal(duplex_stack_attention(cache, 0, &sequence, 0, q, 2, 0, o), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_stack_attention(cache, 0, &sequence, 1, q, 3, 0, o), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_stack_attention(cache, 0, &sequence, 1, q, 2 * GROUP_MOST + 2, 0, o),
                   DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_stack_attention(cache, 0, &sequence, 1, q, 0, 0, o), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_stack_attention(cache, 1, &sequence, 1, q, 2, 0, o), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_stack_attention(cache, 0, &sequence, 1, q, 2, -1, o), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_stack_attention(cache, 0, &sequence, 1, q, 2, INFINITY, o), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_stack_attention(cache, 0, &sequence, 1, q, 2, NAN, o), DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_stack_attention(cache, 0, &sequence, 1, q, 2 * GROUP_MOST, 0, o), 0);
  duplex_kv_close(cache);
  duplex_stack_close(stack);
}

static void test_scale(void **state) {
  (void)state;
  struct duplex_random random;
  duplex_random_seed(&random, seed, 8000);
  for (unsigned d = 16; d <= 256; d += 16)
    assert_int_equal(duplex_attention_scale(0, d), bits_of(oracle_scale(0, d)));
  for (unsigned i = 0; i < 20000; i++) {
    uint64_t bits = duplex_random_u64(&random) >> 1;
    if (i % 4) bits = (bits & ~(UINT64_C(2047) << 52)) | (860 + duplex_random_below(&random, 300)) << 52;
    double scale;
    memcpy(&scale, &bits, sizeof scale);
    if (!isfinite(scale) || scale == 0) continue;
    if (duplex_attention_scale(scale, 16) != bits_of(oracle_scale(scale, 16)))
      fail_msg("scale %a: 0x%08x, expected 0x%08x", scale, duplex_attention_scale(scale, 16),
               bits_of(oracle_scale(scale, 16)));
  }
}

int main(void) {
  seed = environment_seed();
  cases = environment_number("DUPLEX_CASES", 1);
  printf("seed %llu\n", (unsigned long long)seed);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_scale),          cmocka_unit_test(test_special_rows),
      cmocka_unit_test(test_random_batches), cmocka_unit_test(test_head_sizes_and_groups),
      cmocka_unit_test(test_long_rows),      cmocka_unit_test(test_all_scores_minus_infinity),
      cmocka_unit_test(test_independence),   cmocka_unit_test(test_many_sequences),
      cmocka_unit_test(test_arguments),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
