// SPDX-License-Identifier: Apache-2.0
// A decode step (append by the xPU, attention) against an append and attention apart: bytes, number of
// writes, out of space.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// CMocka needs the four above first.
#include <cmocka.h>

#include "duplex/error.h"
#include "duplex/kv_cache.h"
#include "duplex/random.h"
#include "tests/common/environment.h"

enum { D = 80, HEADS = 3, GROUP = 2, BATCH = 5, STEPS = 70, MOST = 200, PAGE = 64, INFINITE = 0x7c00 };

struct side {
  struct duplex_stack *stack;
  struct duplex_kv_cache *cache;
  struct duplex_sequence *sequence[BATCH];
};

static duplex_f16 k[BATCH][HEADS][MOST][D], v[BATCH][HEADS][MOST][D], q[BATCH * HEADS * GROUP * D];

static void make_values(void) {
  struct duplex_random random;
  duplex_random_seed(&random, environment_seed(), 0);
  duplex_f16 *all[] = {&k[0][0][0][0], &v[0][0][0][0], q};
  const size_t counts[] = {sizeof k / 2, sizeof v / 2, sizeof q / 2};
  for (unsigned i = 0; i < 3; i++)
    for (size_t j = 0; j < counts[i]; j++) all[i][j] = (duplex_f16)(duplex_random_u64(&random) & 0xbfff);
}

// Frames that were used before hold infinities of V.
static void open_side(struct side *s, size_t pages) {
  const struct duplex_kv_options options = {
      .heads = HEADS, .head_size = D, .page_positions = PAGE, .pages = pages};
  static duplex_f16 infinite[HEADS * MOST * D];
  struct duplex_sequence *sequence;
  for (size_t i = 0; i < sizeof infinite / sizeof *infinite; i++) infinite[i] = INFINITE;
  assert_int_equal(
      duplex_stack_open("cmodel", &(struct duplex_stack_options){.backend.channels = 2}, &s->stack, NULL, 0),
      0);
  assert_int_equal(duplex_kv_open(s->stack, &options, &s->cache), 0);
  assert_int_equal(duplex_kv_begin(s->cache, DUPLEX_KV_SPACES, 0, &sequence), 0);
  assert_int_equal(duplex_kv_append(sequence, 0, infinite, infinite, 2 * PAGE, 0), 0);
  duplex_kv_free(sequence);
  for (unsigned i = 0; i < BATCH; i++) s->sequence[i] = NULL;
}

static void close_side(struct side *s) {
  duplex_kv_close(s->cache);
  duplex_stack_close(s->stack);
}

static void begin(struct side *s, unsigned i, size_t positions) {
  assert_int_equal(duplex_kv_begin(s->cache, DUPLEX_KV_SPACES, 0, &s->sequence[i]), 0);
  assert_int_equal(duplex_kv_append(s->sequence[i], 0, k[i][0][0], v[i][0][0], positions, MOST * D), 0);
}

static void begin_all(struct side *s) {
  static const size_t lengths[BATCH - 1] = {0, 15, 64, 100};
  for (unsigned i = 0; i < BATCH - 1; i++) begin(s, i, lengths[i]);
  assert_int_equal(duplex_kv_share(s->sequence[3], 90, &s->sequence[BATCH - 1]), 0);
}

static int step(struct side *s, duplex_f16 *o) {
  static duplex_f16 new_k[BATCH][HEADS][D], new_v[BATCH][HEADS][D];
  for (unsigned i = 0; i < BATCH; i++)
    for (unsigned head = 0; head < HEADS; head++) {
      const size_t at = duplex_kv_length(s->sequence[i], 0);
      memcpy(new_k[i][head], k[i][head][at], sizeof new_k[i][head]);
      memcpy(new_v[i][head], v[i][head][at], sizeof new_v[i][head]);
    }
  return duplex_stack_attention_step(s->cache, 0, s->sequence, BATCH, new_k[0][0], new_v[0][0], q,
                                     HEADS * GROUP, 0, o);
}

static void append_apart(struct side *s, duplex_f16 *o) {
  for (unsigned i = 0; i < BATCH; i++) {
    const size_t at = duplex_kv_length(s->sequence[i], 0);
    assert_int_equal(duplex_kv_append(s->sequence[i], 0, k[i][0][at], v[i][0][at], 1, MOST * D), 0);
  }
  assert_int_equal(duplex_stack_attention(s->cache, 0, s->sequence, BATCH, q, HEADS * GROUP, 0, o), 0);
}

// A beat of K for each of two tiles, and 32 bytes of each row of V, or four times that for a block's first
// position.
static uint64_t writes_of_step(const struct side *s) {
  uint64_t writes = 0;
  for (unsigned i = 0; i < BATCH; i++)
    writes += HEADS * (2 * 4 + (duplex_kv_length(s->sequence[i], 0) % 64 == 0 ? 4 * D : D));
  return writes;
}

static void test_same_as_apart(void **state) {
  (void)state;
  struct side inside, apart;
  struct duplex_stack_stats stats;
  static duplex_f16 o[2][BATCH * HEADS * GROUP * D];
  open_side(&inside, 40);
  open_side(&apart, 40);
  begin_all(&inside);
  begin_all(&apart);
  for (unsigned i = 0; i < STEPS; i++) {
    const uint64_t writes = writes_of_step(&inside);
    assert_int_equal(step(&inside, o[0]), 0);
    append_apart(&apart, o[1]);
    assert_memory_equal(o[0], o[1], sizeof o[0]);
    duplex_stack_last_stats(inside.stack, &stats);
    assert_int_equal(stats.commands.xpu_wr, writes);
    assert_true(stats.append_cycles > writes / 2 &&
                stats.append_cycles < stats.cycles);  // two channels, a write a clock
    duplex_stack_last_stats(apart.stack, &stats);
    assert_int_equal(stats.commands.xpu_wr + stats.append_cycles, 0);
  }
  close_side(&inside);
  close_side(&apart);
}

// Space for some of the batch: nobody gets a position, and what there was still works.
static void test_out_of_space(void **state) {
  (void)state;
  struct side s;
  static duplex_f16 o[2][BATCH * HEADS * GROUP * D];
  open_side(&s, 7);
  for (unsigned i = 0; i < BATCH; i++) begin(&s, i, 64);
  assert_int_equal(duplex_stack_attention(s.cache, 0, s.sequence, BATCH, q, HEADS * GROUP, 0, o[0]), 0);
  const size_t used = duplex_kv_used(s.cache, DUPLEX_KV_SPACES);
  assert_int_equal(step(&s, o[1]), DUPLEX_ERROR_OUT_OF_SPACE);
  assert_int_equal(duplex_kv_used(s.cache, DUPLEX_KV_SPACES), used);
  for (unsigned i = 0; i < BATCH; i++) assert_int_equal(duplex_kv_length(s.sequence[i], 0), 64);
  assert_int_equal(duplex_stack_attention(s.cache, 0, s.sequence, BATCH, q, HEADS * GROUP, 0, o[1]), 0);
  assert_memory_equal(o[0], o[1], sizeof o[0]);
  close_side(&s);
}

static void test_arguments(void **state) {
  (void)state;
  struct side s, other;
  static duplex_f16 o[BATCH * HEADS * GROUP * D];
  open_side(&s, 40);
  open_side(&other, 40);
  begin_all(&s);
  begin_all(&other);
  assert_int_equal(duplex_stack_attention_step(s.cache, 1, s.sequence, BATCH, k[0][0][0], v[0][0][0], q,
                                               HEADS * GROUP, 0, o),
                   DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_stack_attention_step(s.cache, 0, other.sequence, BATCH, k[0][0][0], v[0][0][0], q,
                                               HEADS * GROUP, 0, o),
                   DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(duplex_stack_attention_step(s.cache, 0, s.sequence, BATCH, k[0][0][0], v[0][0][0], q,
                                               HEADS * GROUP, -1, o),
                   DUPLEX_ERROR_ARGUMENT);
  assert_int_equal(
      duplex_stack_attention_step(s.cache, 0, s.sequence, BATCH, k[0][0][0], v[0][0][0], q, 7, 0, o),
      DUPLEX_ERROR_ARGUMENT);
  for (unsigned i = 0; i < 2; i++) assert_int_equal(duplex_kv_length(s.sequence[i], 0), i ? 15 : 0);
  close_side(&s);
  close_side(&other);
}

int main(void) {
  make_values();
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_as_apart),
                                     cmocka_unit_test(test_out_of_space), cmocka_unit_test(test_arguments)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
