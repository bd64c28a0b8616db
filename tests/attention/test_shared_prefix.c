// SPDX-License-Identifier: Apache-2.0
// Sequences with a common prefix and tails of their own: shared or not, the same bits; shared, the prefix is
// read once.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
// CMocka needs the four above first.
#include <cmocka.h>

#include "duplex/error.h"
#include "tests/attention/attention_case.h"
#include "tests/common/environment.h"

struct prefix_case {
  unsigned channels, heads, group, d, page, spread;
  size_t prefix, members, tails[BATCH_MOST];
};

// The prefix as a batch of one, the tails as a batch of the others; q is of all.
struct data {
  struct tensors prefix, tails;
  uint16_t *q;
};

static struct shape shape_of(const struct prefix_case *c) {
  return (struct shape){.channels = c->channels,
                        .heads = c->heads,
                        .group = c->group,
                        .d = c->d,
                        .page = c->page,
                        .batch = c->members};
}

static struct data make_data(const struct prefix_case *c, struct duplex_random *random) {
  struct shape prefix = shape_of(c);
  struct shape tails = prefix;
  prefix.batch = 1, prefix.lengths[0] = c->prefix;
  for (size_t i = 0; i < c->members; i++) tails.lengths[i] = c->tails[i] ? c->tails[i] : 1;
  struct data data = {make_tensors(&prefix, random, MODERATE, MODERATE, MODERATE),
                      make_tensors(&tails, random, MODERATE, MODERATE, MODERATE), NULL};
  data.q = data.tails.q;
  // An Inf and a NaN of one sequence are nothing to the others.
  ((uint16_t *)kv_of(&tails, &data.tails, data.tails.v, 1, 0))[0] = 0x7c00;
  if (c->tails[1] > 1)
    ((uint16_t *)kv_of(&tails, &data.tails, data.tails.v, 1, c->heads - 1))[c->d + 3] = 0x7e01;
  return data;
}

static void append_tail(const struct prefix_case *c, const struct data *data, size_t member,
                        struct duplex_sequence *sequence) {
  const struct shape shape = shape_of(c);
  assert_int_equal(duplex_kv_append(sequence, 0, kv_of(&shape, &data->tails, data->tails.k, member, 0),
                                    kv_of(&shape, &data->tails, data->tails.v, member, 0), c->tails[member],
                                    data->tails.of_head),
                   0);
}

static struct duplex_sequence *begin_prefix(const struct prefix_case *c, const struct data *data,
                                            struct duplex_kv_cache *cache, enum duplex_kv_space space) {
  struct duplex_sequence *sequence;
  assert_int_equal(duplex_kv_begin_spread(cache, space, c->prefix, c->spread, &sequence), 0);
  assert_int_equal(
      duplex_kv_append(sequence, 0, data->prefix.k, data->prefix.v, c->prefix, data->prefix.of_head), 0);
  return sequence;
}

static void fill_apart(const struct prefix_case *c, const struct data *data, struct duplex_kv_cache *cache,
                       struct duplex_sequence **sequences) {
  for (size_t i = 0; i < c->members; i++) {
    sequences[i] = begin_prefix(c, data, cache, DUPLEX_KV_SPACES);
    append_tail(c, data, i, sequences[i]);
  }
}

// The prefix is filled in the prefill space and moves when it is shared already; half of the tails come
// before that.
static void fill_together(const struct prefix_case *c, const struct data *data, struct duplex_kv_cache *cache,
                          struct duplex_sequence **sequences) {
  struct duplex_sequence *root = begin_prefix(c, data, cache, DUPLEX_KV_PREFILL);
  for (size_t i = 0; i < c->members; i++) {
    assert_int_equal(duplex_kv_share(root, c->prefix, &sequences[i]), 0);
    if (i % 2) append_tail(c, data, i, sequences[i]);
  }
  duplex_kv_free(root);
  for (size_t i = 0; i < c->members; i++) assert_int_equal(duplex_kv_move(sequences[i]), 0);
  for (size_t i = 0; i < c->members; i += 2) append_tail(c, data, i, sequences[i]);
}

static struct duplex_stack_stats attend_to(const struct prefix_case *c, const struct data *data,
                                           bool together, uint16_t *o) {
  const struct shape shape = shape_of(c);
  const size_t pages = c->members * (c->prefix / c->page + 8);
  const struct duplex_kv_options options = {.heads = c->heads,
                                            .head_size = c->d,
                                            .page_positions = c->page,
                                            .pages = pages,
                                            .prefill_pages = pages};
  struct duplex_stack *stack = open_stack(c->channels);
  struct duplex_kv_cache *cache;
  struct duplex_sequence *sequences[BATCH_MOST];
  struct duplex_stack_stats stats;
  assert_int_equal(duplex_kv_open(stack, &options, &cache), 0);
  (together ? fill_together : fill_apart)(c, data, cache, sequences);
  attend(cache, &shape, sequences, data->q, stack, o);
  duplex_stack_last_stats(stack, &stats);
  duplex_kv_close(cache);
  duplex_stack_close(stack);
  return stats;
}

// A query of a member, whose K and V lie one behind the other for the oracle.
static void check_member(const struct prefix_case *c, const struct data *data, size_t member, unsigned query,
                         const uint16_t *o) {
  const struct shape shape = shape_of(c);
  const size_t length = c->prefix + c->tails[member];
  const size_t before = c->prefix * c->d;
  const size_t tail = c->tails[member] * c->d;
  const size_t place = (member * c->heads * c->group + query) * c->d;
  const unsigned head = query / c->group;
  uint16_t *k = new_array(length * c->d);
  uint16_t *v = new_array(length * c->d);
  uint16_t expected[DUPLEX_HEAD_SIZE_MAX];
  memcpy(k, data->prefix.k + head * before, before * sizeof *k);
  memcpy(v, data->prefix.v + head * before, before * sizeof *v);
  memcpy(k + before, kv_of(&shape, &data->tails, data->tails.k, member, head), tail * sizeof *k);
  memcpy(v + before, kv_of(&shape, &data->tails, data->tails.v, member, head), tail * sizeof *v);
  oracle_attention(data->q + place, k, v, length, c->d, oracle_scale(0, c->d), expected);
  if (memcmp(expected, o + place, c->d * sizeof *o))
    fail_msg("member %zu, query %u: not the exact output (seed %llu)", member, query,
             (unsigned long long)seed);
  free(k);
  free(v);
}

static void print_case(const struct prefix_case *c, const char *how, const struct duplex_stack_stats *stats) {
  printf("  %s: %llu bytes read of %llu asked for, %llu clocks, utilisation %.3f\n", how,
         (unsigned long long)stats->read_bytes, (unsigned long long)stats->useful_bytes,
         (unsigned long long)stats->cycles,
         (double)stats->useful_bytes / ((double)stats->cycles * c->channels * DUPLEX_BEAT_BYTES));
}

// Returns the statistics of the shared run.
static struct duplex_stack_stats share_prefix(const struct prefix_case *c, unsigned stream) {
  struct duplex_random random;
  duplex_random_seed(&random, seed, 7000 + stream);
  struct data data = make_data(c, &random);
  const size_t outputs = c->members * c->heads * c->group * c->d;
  uint16_t *apart = new_array(outputs);
  uint16_t *together = new_array(outputs);
  const struct duplex_stack_stats apart_stats = attend_to(c, &data, false, apart);
  const struct duplex_stack_stats stats = attend_to(c, &data, true, together);
  assert_memory_equal(together, apart, outputs * sizeof *apart);
  check_member(c, &data, 0, 0, together);
  check_member(c, &data, 1, c->heads * c->group - 1, together);
  printf("%zu sequences with %zu positions in common, group %u, %u KV heads, D %u, %u channels, spread %u\n",
         c->members, c->prefix, c->group, c->heads, c->d, c->channels, c->spread);
  print_case(c, "apart", &apart_stats);
  print_case(c, "shared", &stats);
  assert_true(stats.useful_bytes <= apart_stats.useful_bytes);
  assert_true(stats.read_bytes <= apart_stats.read_bytes);
  free_tensors(&data.prefix);
  free_tensors(&data.tails);
  free(apart);
  free(together);
  return stats;
}

static void test_shared_prefix(void **state) {
  (void)state;
  static const struct prefix_case cases[] = {
      {3, 2, 1, 64, 64, 1, 1024, 8, {12, 99, 0, 1, 64, 65, 7, 30}},
      {3, 2, 2, 80, 64, 1, 150, 3, {40, 2}},  // the prefix ends within a page
      {3, 2, 4, 32, 64, 1, 512, 4, {1, 80, 0, 63}},
      {3, 2, 3, 16, 64, 1, 128, 3, {5, 6}},
      {3, 2, 6, 48, 64, 1, 128, 2, {70, 3}},  // two groups do not fit the lanes
      {3, 2, 1, 16, 64, 1, 200, 11, {1, 2, 3, 4, 5, 6, 7, 8, 9}},
      {4, 2, 1, 64, 64, 2, 1024, 8, {12, 99, 0, 1, 64, 65, 7, 30}},
      {32, 2, 2, 80, 128, 8, 1500, 3, {40, 2, 0}},
      {12, 3, 3, 112, 64, 4, 2000, 2, {1, 300}},
      {8, 1, 1, 32, 64, 8, 70, 6, {1, 2, 0, 3, 600, 65}},
      {16, 2, 1, 128, 64, 4, 9000, 5, {1, 2, 0, 3, 200}},  // beyond the slices
  };
  for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) share_prefix(&cases[i], i);
}

// 8 sequences of the same 4096 positions on a whole stack: K and V come once.
static void read_once(const struct prefix_case *c, unsigned stream) {
  const struct duplex_stack_stats stats = share_prefix(c, stream);
  // Beside them each channel reads a row set of q at most, and of each tail V to the end of a block of 64.
  uint64_t more = 8192;
  for (size_t i = 0; i < c->members; i++) more += c->tails[i] ? 64 * 2 * c->d + 512 : 0;
  assert_true(stats.read_bytes >= stats.useful_bytes &&
              stats.read_bytes <= stats.useful_bytes + c->channels * more);
}

static void test_read_once(void **state) {
  (void)state;
  static const struct prefix_case cases[] = {
      {32, 8, 1, 128, 1024, 2, 4096, 8, {0}},
      {32, 8, 1, 128, 1024, 4, 4096, 8, {0}},
      {32, 8, 1, 128, 1024, 4, 4096, 8, {1, 17, 64, 128, 65, 130, 333, 500}},
  };
  for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) read_once(&cases[i], 100 + i);
}

int main(void) {
  seed = environment_seed();
  printf("seed %llu\n", (unsigned long long)seed);
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_shared_prefix), cmocka_unit_test(test_read_once)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
