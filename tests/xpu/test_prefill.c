// SPDX-License-Identifier: Apache-2.0
// Causal prefill attention against exact integers (GMP), any chunking against the whole, and against decode
// attention of a stack of the C model.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
// CMocka needs the four above first.
#include <cmocka.h>
#include <fenv.h>

#include "duplex/error.h"
#include "duplex/kv_cache.h"
#include "tests/attention/oracle_attention.h"
#include "tests/common/environment.h"
#include "xpu/gemm.h"
#include "xpu/prefill.h"

static uint64_t seed, scale;

static const char *const kernels[] = {"portable", "avx2", "avx512"};

// A sequence: q[q_heads][keys][d], k and v[kv_heads][keys][d].
struct sequence {
  unsigned kv_heads, group, d, keys;
  unsigned window;  // keys that a position sees; 0: all
  unsigned pinned;  // beside them, the first ones, which have no queries
  bool wide;
  uint16_t *q, *k, *v;
};

static uint16_t *draw_values(struct duplex_random *random, size_t count, uint64_t special_every) {
  static const enum operand_class classes[] = {MODERATE, MODERATE, MODERATE, SUBNORMAL,
                                               EXTREME,  ANY_BITS, ZEROS};
  const enum operand_class class = classes[duplex_random_below(random, 7)];
  uint16_t *values = malloc(count * sizeof *values);
  assert_non_null(values);
  for (size_t i = 0; i < count; i++)
    values[i] = draw_operand(random, duplex_random_below(random, special_every) ? class : SPECIAL);
  return values;
}

static uint16_t *draw_normal(struct duplex_random *random, size_t count, double deviation) {
  uint16_t *values = malloc(count * sizeof *values);
  assert_non_null(values);
  for (size_t i = 0; i < count; i++)
    values[i] = duplex_f16_from_double(deviation * duplex_random_normal(random));
  return values;
}

static void draw_tensors(struct sequence *s, struct duplex_random *random) {
  const size_t keys = (size_t)s->kv_heads * s->keys * s->d;
  const uint64_t every = duplex_random_below(random, 3) ? 100000000 : keys / 2 + 1;
  s->wide = duplex_random_below(random, 2);
  s->q = draw_values(random, keys * s->group, every * s->group);
  s->k = draw_values(random, keys, every);
  s->v = draw_values(random, keys, every);
}

static struct sequence draw_sequence(struct duplex_random *random) {
  static const unsigned sizes[] = {1, 7, 8, 16, 23, 24, 25, 64};
  struct sequence s = {.kv_heads = 1 + (unsigned)duplex_random_below(random, 3),
                       .group = 1 + (unsigned)duplex_random_below(random, 9),
                       .d = sizes[duplex_random_below(random, 8)],
                       .keys = 1 + (unsigned)duplex_random_below(random, 50)};
  draw_tensors(&s, random);
  if (duplex_random_below(random, 2)) s.window = 1 + (unsigned)duplex_random_below(random, s.keys + 1);
  return s;
}

static void free_sequence(struct sequence *s) {
  free(s->q);
  free(s->k);
  free(s->v);
}

static size_t outputs_of(const struct sequence *s) { return (size_t)s->kv_heads * s->group * s->keys * s->d; }

static uint16_t *new_outputs(const struct sequence *s) {
  uint16_t *o = malloc(outputs_of(s) * sizeof *o);
  assert_non_null(o);
  return o;
}

// Positions first to first + positions - 1, to their place in o.
static void run(const struct sequence *s, unsigned first, unsigned positions, unsigned threads, uint16_t *o,
                struct xpu_gemm_tiers *tiers) {
  const size_t stride = (size_t)s->keys * s->d;
  const struct xpu_prefill prefill = {.q = s->q + (size_t)first * s->d,
                                      .k = s->k,
                                      .v = s->v,
                                      .q_stride = stride,
                                      .kv_stride = stride,
                                      .q_heads = s->kv_heads * s->group,
                                      .kv_heads = s->kv_heads,
                                      .head_size = s->d,
                                      .first = first,
                                      .positions = positions,
                                      .window = s->window,
                                      .pinned = s->pinned,
                                      .scale = bits_of(oracle_scale(s->d == 1 ? 1 : 0, s->d)),
                                      .wide = s->wide,
                                      .o = o + (size_t)first * s->d,
                                      .o_stride = stride,
                                      .threads = threads};
  assert_int_equal(xpu_prefill_run(&prefill, tiers), DUPLEX_OK);
}

// The keys or values that a position sees, one behind the other; returns how many.
static unsigned seen_by(const struct sequence *s, unsigned position, const uint16_t *from, uint16_t *to) {
  unsigned count = 0;
  for (unsigned key = 0; key <= position; key++) {
    if (s->window && key + s->window <= position && key >= s->pinned) continue;
    memcpy(to + (size_t)count++ * s->d, from + (size_t)key * s->d, s->d * sizeof *to);
  }
  return count;
}

static void check_position(const struct sequence *s, unsigned head, unsigned position, const uint16_t *o) {
  uint16_t expected[DUPLEX_HEAD_SIZE_MAX];
  const size_t of_head = (size_t)s->keys * s->d;
  const size_t place = head * of_head + (size_t)position * s->d;
  uint16_t *k = malloc(of_head * sizeof *k);
  uint16_t *v = malloc(of_head * sizeof *v);
  assert_true(k && v);
  const unsigned keys = seen_by(s, position, s->k + head / s->group * of_head, k);
  seen_by(s, position, s->v + head / s->group * of_head, v);
  oracle_attention_of(s->q + place, k, v, keys, s->d, oracle_scale(s->d == 1 ? 1 : 0, s->d), s->wide,
                      expected);
  free(k);
  free(v);
  for (unsigned i = 0; i < s->d; i++)
    if (o[place + i] != expected[i])
      fail_msg(
          "head %u, position %u, element %u: 0x%04x, expected 0x%04x (D %u, group %u, %d parts, seed %lu)",
          head, position, i, o[place + i], expected[i], s->d, s->group, 1 + s->wide, (unsigned long)seed);
}

static void test_random(void **state) {
  (void)state;
  static const int directions[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
  struct xpu_gemm_tiers tiers = {0};
  for (uint64_t i = 0; i < 60 * scale; i++) {
    struct duplex_random random;
    duplex_random_seed(&random, seed, i);
    setenv("DUPLEX_KERNEL", kernels[i % 3], 1);
    struct sequence s = draw_sequence(&random);
    uint16_t *o = new_outputs(&s);
    fesetround(directions[i % 4]);
    feclearexcept(FE_ALL_EXCEPT);
    if (s.window && s.keys > 3) s.pinned = (unsigned)duplex_random_below(&random, 3);
    run(&s, s.pinned, s.keys - s.pinned, (unsigned)(i % 4), o, &tiers);
    assert_int_equal(fegetround(), directions[i % 4]);
    fesetround(FE_TONEAREST);
    for (unsigned head = 0; head < s.kv_heads * s.group; head++)
      for (unsigned j = 0; j < 6; j++)
        check_position(&s, head, s.pinned + (unsigned)duplex_random_below(&random, s.keys - s.pinned), o);
    free(o);
    free_sequence(&s);
  }
  unsetenv("DUPLEX_KERNEL");
  assert_true(tiers.direct && tiers.split && tiers.halved && tiers.plain);
}

// Any division into chunks gives the same bits.
static void test_chunks(void **state) {
  (void)state;
  for (uint64_t i = 0; i < 40 * scale; i++) {
    struct duplex_random random;
    duplex_random_seed(&random, seed, 1000 + i);
    struct sequence s = draw_sequence(&random);
    uint16_t *whole = new_outputs(&s);
    uint16_t *chunks = new_outputs(&s);
    run(&s, 0, s.keys, 2, whole, NULL);
    for (unsigned first = 0; first < s.keys;) {
      const unsigned count = 1 + (unsigned)duplex_random_below(&random, s.keys - first);
      run(&s, first, count, 1, chunks, NULL);
      first += count;
    }
    assert_memory_equal(whole, chunks, outputs_of(&s) * sizeof *whole);
    free(whole);
    free(chunks);
    free_sequence(&s);
  }
}

// More keys than the context takes together, the largest head, more query heads than tokens of a block.
static void test_large(void **state) {
  (void)state;
  static const struct sequence shapes[] = {{.kv_heads = 1, .group = 2, .d = 256, .keys = 300},
                                           {.kv_heads = 1, .group = 70, .d = 2, .keys = 280},
                                           {.kv_heads = 1, .group = 24, .d = 9, .keys = 700, .window = 257}};
  for (unsigned i = 0; i < 3; i++) {
    struct duplex_random random;
    duplex_random_seed(&random, seed, 2000 + i);
    struct sequence s = shapes[i];
    draw_tensors(&s, &random);
    uint16_t *o = new_outputs(&s);
    run(&s, 0, s.keys, 2, o, NULL);
    for (unsigned head = 0; head < s.group; head += 23) {
      check_position(&s, head, 255, o);
      check_position(&s, head, 256, o);
      check_position(&s, head, s.keys - 1, o);
    }
    free(o);
    free_sequence(&s);
  }
}

// Decode attention of some positions on a stack: as many sequences, each as long as its position has it.
static void check_on_stack(const struct sequence *s, const uint16_t *o, struct duplex_random *random) {
  enum { BATCH = 6 };
  const size_t of_head = (size_t)s->keys * s->d;
  const unsigned heads = s->kv_heads * s->group;
  struct duplex_stack *stack;
  struct duplex_kv_cache *cache;
  struct duplex_sequence *sequences[BATCH];
  unsigned positions[BATCH];
  const struct duplex_stack_options options = {.backend.channels =
                                                   1 + (unsigned)duplex_random_below(random, 4)};
  const struct duplex_kv_options kv = {
      .heads = s->kv_heads, .head_size = s->d, .page_positions = 64, .pages = BATCH * (s->keys / 64 + 1)};
  uint16_t *q = malloc(BATCH * heads * s->d * sizeof *q);
  uint16_t *expected = malloc(BATCH * heads * s->d * sizeof *expected);
  assert_true(q && expected);
  assert_int_equal(duplex_stack_open("cmodel", &options, &stack, NULL, 0), 0);
  assert_int_equal(duplex_kv_open(stack, &kv, &cache), 0);
  for (unsigned i = 0; i < BATCH; i++) {
    positions[i] = (unsigned)duplex_random_below(random, s->keys);
    assert_int_equal(duplex_kv_begin(cache, DUPLEX_KV_SPACES, positions[i] + 1, &sequences[i]), 0);
    assert_int_equal(duplex_kv_append(sequences[i], 0, s->k, s->v, positions[i] + 1, of_head), 0);
    for (unsigned head = 0; head < heads; head++)
      memcpy(q + (i * heads + head) * s->d, s->q + head * of_head + positions[i] * s->d, s->d * sizeof *q);
  }
  duplex_kv_use_p32(cache, s->wide);
  assert_int_equal(duplex_stack_attention(cache, 0, sequences, BATCH, q, heads, 0, expected), 0);
  for (unsigned i = 0; i < BATCH; i++)
    for (unsigned head = 0; head < heads; head++)
      assert_memory_equal(o + head * of_head + positions[i] * s->d, expected + (i * heads + head) * s->d,
                          s->d * sizeof *o);
  duplex_stack_close(stack);
  free(q);
  free(expected);
}

static void compare_with_stack(struct sequence *s, struct duplex_random *random) {
  uint16_t *o = new_outputs(s);
  run(s, 0, s->keys, 2, o, NULL);
  check_on_stack(s, o, random);
  free(o);
  free_sequence(s);
}

static void test_stack(void **state) {
  (void)state;
  for (uint64_t i = 0; i < 16 * scale; i++) {
    struct duplex_random random;
    duplex_random_seed(&random, seed, 3000 + i);
    struct sequence s = {.kv_heads = 1 + (unsigned)duplex_random_below(&random, 3),
                         .group = 1 + (unsigned)duplex_random_below(&random, 8),
                         .d = 16 * (1 + (unsigned)duplex_random_below(&random, 8)),
                         .keys = 1 + (unsigned)duplex_random_below(&random, 140)};
    draw_tensors(&s, &random);
    compare_with_stack(&s, &random);
  }
}

// Scores as a model has them, over more keys; the weights have one part and two.
static void test_model(void **state) {
  (void)state;
  for (unsigned parts = 1; parts <= 2; parts++) {
    struct duplex_random random;
    duplex_random_seed(&random, seed, 4000 + parts);
    struct sequence s = {.kv_heads = 1, .group = 4, .d = 128, .keys = 1100, .wide = parts == 2};
    const size_t count = (size_t)s.keys * s.d;
    s.q = draw_normal(&random, count * s.group, 2);
    s.k = draw_normal(&random, count, 1);
    s.v = draw_normal(&random, count, 1);
    compare_with_stack(&s, &random);
  }
}

// The example of docs/xpu_numerics.md; NaN behind a position does not show.
static void test_page(void **state) {
  (void)state;
  const duplex_f16 q[] = {0x3c00, 0x3c00, 0x3c00, 0x3c00};
  const duplex_f16 k[] = {0x4e00, 0x4a40, 0xd100, 0xde40, 0x7e00};
  const duplex_f16 v[] = {0x3c00, 0xbc00, 0x4200, 0x7bff, 0x7e00};
  static const duplex_f16 expected[] = {0x3c00, 0x377f, 0x379a, 0x379a};
  for (unsigned first = 0; first < 4; first++) {
    duplex_f16 o[4];
    const struct xpu_prefill prefill = {.q = q,
                                        .k = k,
                                        .v = v,
                                        .q_stride = 4,
                                        .kv_stride = 5,
                                        .q_heads = 1,
                                        .kv_heads = 1,
                                        .head_size = 1,
                                        .first = first,
                                        .positions = 4 - first,
                                        .scale = 0x3e0293ee,
                                        .o = o,
                                        .o_stride = 4};
    assert_int_equal(xpu_prefill_run(&prefill, NULL), DUPLEX_OK);
    for (unsigned i = first; i < 4; i++) assert_int_equal(o[i - first], expected[i]);
  }
}

static void test_refusals(void **state) {
  (void)state;
  const duplex_f16 x[4] = {0};
  duplex_f16 o[4];
  const struct xpu_prefill good = {.q = x,
                                   .k = x,
                                   .v = x,
                                   .q_stride = 1,
                                   .kv_stride = 1,
                                   .q_heads = 2,
                                   .kv_heads = 1,
                                   .head_size = 1,
                                   .positions = 1,
                                   .scale = 0x3f800000,
                                   .o = o,
                                   .o_stride = 1};
  assert_int_equal(xpu_prefill_run(&good, NULL), DUPLEX_OK);
  assert_int_equal(xpu_prefill_run(NULL, NULL), DUPLEX_ERROR_ARGUMENT);
  enum { BAD = 21 };
  struct xpu_prefill bad[BAD];
  for (int i = 0; i < BAD; i++) bad[i] = good;
  bad[0].q = NULL;
  bad[1].k = NULL;
  bad[2].v = NULL;
  bad[3].o = NULL;
  bad[4].q_stride = 0;
  bad[5].kv_stride = 0;
  bad[6].o_stride = 0;
  bad[7].q_heads = 0;
  bad[8].kv_heads = 0;
  bad[9].q_heads = 3;
  bad[9].kv_heads = 2;
  bad[10].head_size = 0;
  bad[11].head_size = 257;
  bad[12].positions = 0;
  bad[13].positions = 131073;
  bad[14].first = 131072;
  bad[15].first = UINT32_MAX;
  bad[16].scale = 0;
  bad[17].scale = 0x7f800000;
  bad[18].scale = 0xbf800000;
  bad[19].q_heads = UINT32_MAX;
  bad[20].pinned = 1;
  for (int i = 0; i < BAD; i++) assert_int_equal(xpu_prefill_run(&bad[i], NULL), DUPLEX_ERROR_ARGUMENT);
}

int main(void) {
  seed = environment_seed();
  scale = environment_count("DUPLEX_CASES");
  printf("test_prefill: seed %lu, cases x%lu\n", (unsigned long)seed, (unsigned long)scale);
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_random),  cmocka_unit_test(test_chunks),
                                     cmocka_unit_test(test_large),   cmocka_unit_test(test_stack),
                                     cmocka_unit_test(test_model),   cmocka_unit_test(test_page),
                                     cmocka_unit_test(test_refusals)};
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  mpfr_free_cache();
  return failed;
}
