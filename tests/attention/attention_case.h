// SPDX-License-Identifier: Apache-2.0
// A batch of decode attention from the KV cache down on the C model, and its outputs against the oracle. For
// CMocka tests.
#ifndef DUPLEX_TEST_ATTENTION_CASE_H
#define DUPLEX_TEST_ATTENTION_CASE_H

#include "duplex/kv_cache.h"
#include "tests/attention/oracle_attention.h"

#define BATCH_MOST 12
#define GROUP_MOST (2 * DUPLEX_LANES)

// Printed by whoever sets it; a failure names it.
static uint64_t seed = 1;

struct shape {
  unsigned channels, heads, group, d, page;
  size_t batch, lengths[BATCH_MOST];
  unsigned bundles;  // KV spaces, 0: as usual
  double scale;
  bool wide;                     // weights of two parts
  unsigned spreads[BATCH_MOST];  // channels of a KV head, 0: as the length has it
};

// Tensors of a batch: q[batch][heads * group][d], k and v[batch][heads][longest][d].
struct tensors {
  uint16_t *q, *k, *v;
  size_t longest, of_head;
};

static inline void *new_array(size_t count) {
  uint16_t *array = malloc(count * sizeof *array);
  assert_non_null(array);
  return array;
}

static inline struct tensors make_tensors(const struct shape *shape, struct duplex_random *random,
                                          enum operand_class q, enum operand_class k, enum operand_class v) {
  struct tensors t = {0};
  for (size_t i = 0; i < shape->batch; i++)
    if (shape->lengths[i] > t.longest) t.longest = shape->lengths[i];
  t.of_head = t.longest * shape->d;
  const size_t queries = shape->batch * shape->heads * shape->group * shape->d;
  const size_t values = shape->batch * shape->heads * t.of_head;
  t.q = new_array(queries), t.k = new_array(values), t.v = new_array(values);
  for (size_t i = 0; i < queries; i++) t.q[i] = draw_operand(random, q);
  for (size_t i = 0; i < values; i++) t.k[i] = draw_operand(random, k), t.v[i] = draw_operand(random, v);
  return t;
}

static inline void free_tensors(struct tensors *t) {
  free(t->q);
  free(t->k);
  free(t->v);
}

static inline const uint16_t *kv_of(const struct shape *shape, const struct tensors *t,
                                    const uint16_t *values, size_t sequence, unsigned head) {
  return values + (sequence * shape->heads + head) * t->of_head;
}

static inline struct duplex_stack *open_stack(unsigned channels) {
  struct duplex_stack *stack;
  assert_int_equal(duplex_stack_open("cmodel", &(struct duplex_stack_options){.backend.channels = channels},
                                     &stack, NULL, 0),
                   0);
  return stack;
}

// Appends in chunks of at most `most` positions, the sequences in turn, so that their pages lie in any order.
static inline void fill(const struct shape *shape, const struct tensors *t, size_t most,
                        struct duplex_random *random, struct duplex_sequence **sequences) {
  size_t done[BATCH_MOST] = {0};
  for (bool more = true; more;) {
    more = false;
    for (size_t i = 0; i < shape->batch; i++) {
      const size_t left = shape->lengths[i] - done[i];
      const size_t drawn = 1 + duplex_random_below(random, most);
      const size_t count = drawn < left ? drawn : left;
      assert_int_equal(duplex_kv_append(sequences[i], 0, kv_of(shape, t, t->k, i, 0) + done[i] * shape->d,
                                        kv_of(shape, t, t->v, i, 0) + done[i] * shape->d, count, t->of_head),
                       0);
      done[i] += count;
      more |= done[i] < shape->lengths[i];
    }
  }
}

static inline struct duplex_kv_cache *open_cache(struct duplex_stack *stack, const struct shape *shape,
                                                 size_t pages) {
  struct duplex_kv_cache *cache;
  const struct duplex_kv_options options = {.heads = shape->heads,
                                            .head_size = shape->d,
                                            .page_positions = shape->page,
                                            .pages = pages,
                                            .bundles = shape->bundles};
  if (duplex_kv_open(stack, &options, &cache)) fail_msg("%s", duplex_stack_last_error(stack));
  return cache;
}

static inline void attend(struct duplex_kv_cache *cache, const struct shape *shape,
                          struct duplex_sequence **sequences, const uint16_t *q, struct duplex_stack *stack,
                          uint16_t *o) {
  duplex_kv_use_p32(cache, shape->wide);
  if (duplex_stack_attention(cache, 0, sequences, shape->batch, q, shape->heads * shape->group, shape->scale,
                             o))
    fail_msg("%s", duplex_stack_last_error(stack));
}

// The whole batch by the driver, chunks of at most `most` positions.
static inline void run_driver(const struct shape *shape, const struct tensors *t, size_t most,
                              struct duplex_random *random, uint16_t *o) {
  struct duplex_stack *stack = open_stack(shape->channels);
  struct duplex_sequence *sequences[BATCH_MOST];
  size_t pages = 1;
  for (size_t i = 0; i < shape->batch; i++) pages += shape->lengths[i] / shape->page + 1;
  struct duplex_kv_cache *cache = open_cache(stack, shape, pages);
  for (size_t i = 0; i < shape->batch; i++)
    assert_int_equal(
        duplex_kv_begin_spread(cache, DUPLEX_KV_SPACES, shape->lengths[i], shape->spreads[i], &sequences[i]),
        0);
  fill(shape, t, most, random, sequences);
  attend(cache, shape, sequences, t->q, stack, o);
  duplex_kv_close(cache);
  duplex_stack_close(stack);
}

static inline void check_query(const struct shape *shape, const struct tensors *t, size_t sequence,
                               unsigned query, const uint16_t *o) {
  uint16_t expected[DUPLEX_HEAD_SIZE_MAX];
  const size_t place = (sequence * shape->heads * shape->group + query) * shape->d;
  const unsigned head = query / shape->group;
  oracle_attention_of(t->q + place, kv_of(shape, t, t->k, sequence, head),
                      kv_of(shape, t, t->v, sequence, head), shape->lengths[sequence], shape->d,
                      oracle_scale(shape->scale, shape->d), shape->wide, expected);
  for (unsigned i = 0; i < shape->d; i++)
    if (expected[i] != o[place + i])
      fail_msg(
          "sequence %zu of length %zu, query %u, element %u: 0x%04x, expected 0x%04x (D %u, group %u, "
          "weights of %d parts, seed "
          "%llu)",
          sequence, shape->lengths[sequence], query, i, o[place + i], expected[i], shape->d, shape->group,
          1 + shape->wide, (unsigned long long)seed);
}

static inline void check_all(const struct shape *shape, const struct tensors *t, const uint16_t *o) {
  for (size_t sequence = 0; sequence < shape->batch; sequence++)
    for (unsigned query = 0; query < shape->heads * shape->group; query++)
      check_query(shape, t, sequence, query, o);
}

static inline size_t outputs_of(const struct shape *shape) {
  return shape->batch * shape->heads * shape->group * shape->d;
}

// A case that is drawn from (seed, number) alone: its shape by `draw`, then operands of random classes.
static inline void check_random_case(uint64_t number, struct shape (*draw)(struct duplex_random *random)) {
  static const enum operand_class classes[] = {MODERATE, MODERATE, MODERATE, SUBNORMAL,
                                               EXTREME,  ANY_BITS, ZEROS};
  struct duplex_random random;
  duplex_random_seed(&random, seed, number);
  const struct shape shape = draw(&random);
  const enum operand_class q = classes[duplex_random_below(&random, 7)];
  const enum operand_class k = classes[duplex_random_below(&random, 7)];
  const enum operand_class v = classes[duplex_random_below(&random, 7)];
  struct tensors t = make_tensors(&shape, &random, q, k, v);
  uint16_t *o = new_array(outputs_of(&shape));
  run_driver(&shape, &t, 1 + duplex_random_below(&random, 200), &random, o);
  check_all(&shape, &t, o);
  free_tensors(&t);
  free(o);
}

#endif
