// SPDX-License-Identifier: Apache-2.0
// K and V of prompts that begin alike: blocks by hand, no block lost or used twice, and runs.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// clang-format off: after what it needs
#include <cmocka.h>
// clang-format on

#include "duplex/random.h"
#include "serving/block_pool.h"
#include "tests/common/environment.h"

static struct sequence of(unsigned input, const uint64_t *hashes, unsigned count) {
  return (struct sequence){.request = {.input = input, .hashes = hashes, .hash_count = count}};
}

// Begins, computes its prompt, and stays. False: no room.
static bool compute(struct block_pool *pool, struct sequence *s) {
  block_pool_match(pool, s);
  if (!block_pool_grow(pool, s, s->request.input)) {
    block_pool_release(pool, s);
    return false;
  }
  s->computed = s->request.input;
  assert_true(block_pool_keep(pool, s));
  return true;
}

// Ten blocks of 16, parts of 32.
static void test_by_hand(void **state) {
  static const uint64_t first[] = {1, 2, 3};
  static const uint64_t alike[] = {1, 2, 9};
  static const uint64_t other[] = {7};
  struct block_pool pool;
  struct sequence a = of(100, first, 3);
  struct sequence b = of(100, alike, 3);
  struct sequence c = of(48, other, 1);
  struct sequence d = of(64, first, 3);
  (void)state;
  block_pool_open(&pool, 10, 16, 32);
  assert_true(compute(&pool, &a));
  assert_true(a.blocks == 7 && a.parts == 3 && block_pool_used(&pool) == 7);
  block_pool_release(&pool, &a);
  assert_true(block_pool_used(&pool) == 0 && pool.free == 4 && pool.idle_blocks == 6);
  block_pool_match(&pool, &b);
  assert_true(b.computed == 64 && b.blocks == 4 && block_pool_used(&pool) == 4);
  assert_true(block_pool_grow(&pool, &b, 100));
  assert_true(block_pool_used(&pool) == 7 && pool.idle_blocks == 2);
  assert_false(block_pool_grow(&pool, &c, 64));  // a fourth block is not there
  assert_true(c.blocks == 0 && block_pool_used(&pool) == 7 && pool.idle_blocks == 2);
  assert_true(block_pool_grow(&pool, &c, 48));  // at the cost of the third part
  assert_true(block_pool_used(&pool) == 10 && pool.idle_blocks == 0);
  block_pool_release(&pool, &b);
  block_pool_match(&pool, &d);  // its token comes from its last position, whose block is computed anew
  assert_true(d.computed == 48 && d.parts == 2 && d.blocks == 4);
  assert_true(block_pool_grow(&pool, &d, 64) && d.blocks == 4);
  block_pool_release(&pool, &d);
  block_pool_release(&pool, &c);
  assert_true(block_pool_used(&pool) == 0);
  block_pool_close(&pool);
}

// Two that compute the same part at once keep it once.
static void test_twice(void **state) {
  static const uint64_t hashes[] = {5};
  struct block_pool pool;
  struct sequence a = of(40, hashes, 1);
  struct sequence b = of(40, hashes, 1);
  (void)state;
  block_pool_open(&pool, 10, 16, 32);
  assert_true(block_pool_grow(&pool, &a, 40) && block_pool_grow(&pool, &b, 40));
  assert_true(block_pool_used(&pool) == 6);
  a.computed = b.computed = 40;
  assert_true(block_pool_keep(&pool, &a) && block_pool_keep(&pool, &b));
  assert_true(block_pool_used(&pool) == 4);
  block_pool_release(&pool, &a);
  assert_true(block_pool_used(&pool) == 3);
  block_pool_release(&pool, &b);
  assert_true(block_pool_used(&pool) == 0 && pool.free == 8);
  block_pool_close(&pool);
}

#define SEQUENCES 6u
#define DEPTH 4u

// Blocks of 16 that a part of 32 fills.
static unsigned blocks_of(const struct sequence *s, unsigned part) {
  const unsigned left = s->request.input - 32 * part;
  return (left < 32 ? left : 32) / 16;
}

// Blocks that the sequences use, each shared part once.
static uint64_t used_by(const struct sequence *s) {
  uint64_t seen[SEQUENCES * DEPTH], used = 0;
  unsigned count = 0;
  for (unsigned i = 0; i < SEQUENCES; i++) {
    unsigned shared = 0;
    for (unsigned p = 0; p < s[i].parts; p++) shared += blocks_of(&s[i], p);
    assert_int_equal(s[i].shared, shared);
    used += s[i].blocks - shared;
    for (unsigned p = 0; p < s[i].parts; p++) {
      unsigned at = 0;
      while (at < count && seen[at] != s[i].request.hashes[p]) at++;
      if (at < count) continue;
      seen[count++] = s[i].request.hashes[p];
      used += blocks_of(&s[i], p);
    }
  }
  return used;
}

// Random prompts of a few beginnings come and go: what is used, kept and free is all there is.
static void test_random(void **state) {
  struct duplex_random random;
  uint64_t hits = 0;
  uint64_t refused = 0;
  (void)state;
  duplex_random_seed(&random, environment_seed(), 4);
  for (uint64_t i = 0; i < 20 * environment_count("DUPLEX_CASES"); i++) {
    struct sequence s[SEQUENCES] = {0};
    uint64_t hashes[SEQUENCES][DEPTH];
    struct block_pool pool;
    block_pool_open(&pool, 20 + duplex_random_below(&random, 30), 16, 32);
    for (unsigned step = 0; step < 400; step++) {
      const unsigned at = (unsigned)duplex_random_below(&random, SEQUENCES);
      if (s[at].blocks) {
        block_pool_release(&pool, &s[at]);
      } else {
        uint64_t hash = 0;  // of a part and all before it: a path in a tree
        for (unsigned p = 0; p < DEPTH; p++)
          hashes[at][p] = hash = 3 * hash + 1 + duplex_random_below(&random, 3);
        s[at] = of(1 + (unsigned)duplex_random_below(&random, 200), hashes[at], DEPTH);
        refused += !compute(&pool, &s[at]);
        hits += s[at].parts;
      }
      assert_true(block_pool_used(&pool) == used_by(s));
      assert_true(pool.free + pool.idle_blocks + used_by(s) == pool.blocks);
    }
    for (unsigned k = 0; k < SEQUENCES; k++) block_pool_release(&pool, &s[k]);
    assert_true(block_pool_used(&pool) == 0);
    block_pool_close(&pool);
  }
  assert_true(hits > 1000 && refused > 100);
}

static struct serving_options options_of(const struct serving_trace *trace) {
  return (struct serving_options){.system = "gpu",
                                  .model = "mixtral",
                                  .mode = SERVING_PAPER,
                                  .scheduler = SERVING_VLLM,
                                  .most_sequences = 128,
                                  .most_tokens = 8192,
                                  .block_size = 16,
                                  .prefix_cache = true,
                                  .hash_block = 512,
                                  .batch = 1,
                                  .measured = (unsigned)trace->count,
                                  .trace = trace};
}

static void run(const struct serving_options *options, struct serving_result *result) {
  char error[1024] = "";
  if (serving_run(options, result, error, sizeof error)) fail_msg("%s", error);
}

// A prompt, the same again, and one that goes on from its second part: 1488, which are whole blocks, and 1024
// tokens are not computed.
static void test_run(void **state) {
  static struct serving_trace_request list[] = {
      {0, 1500, 10, 0, 3, 0}, {100, 1500, 10, 0, 3, 1}, {200, 4000, 5, 3, 8, 2}};
  static uint64_t hashes[] = {0, 1, 2, 0, 1, 20, 21, 22, 23, 24, 25};
  const struct serving_trace trace = {.list = list, .count = 3, .hashes = hashes, .hash_count = 11};
  struct serving_options o = options_of(&trace);
  struct serving_result with, without;
  (void)state;
  run(&o, &with);
  assert_true(with.prompt_tokens == 7000 && with.cached_tokens == 1488 + 1024);
  assert_true(with.requests == 3 && with.tokens == 25);
  o.prefix_cache = false;
  run(&o, &without);
  assert_true(without.prompt_tokens == 7000 && without.cached_tokens == 0);
  assert_true(with.t2ft.mean < 0.9 * without.t2ft.mean);
  assert_true(with.tbt.p50 == without.tbt.p50);
}

// Twice the same prompt of two whole parts: all but the last block is not computed the second time, whatever
// blocks a part has.
static void test_whole_prompt(void **state) {
  static struct serving_trace_request list[] = {{0, 1024, 10, 0, 2, 0}, {60, 1024, 10, 0, 2, 1}};
  static uint64_t hashes[] = {4, 7};
  static const unsigned sizes[] = {1, 16, 128, 512};
  const struct serving_trace trace = {.list = list, .count = 2, .hashes = hashes, .hash_count = 2};
  struct serving_options o = options_of(&trace);
  struct serving_result r;
  (void)state;
  for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    o.block_size = sizes[i];
    run(&o, &r);
    assert_true(r.prompt_tokens == 2048 && r.cached_tokens == 1024 - sizes[i]);
    assert_true(r.requests == 2 && r.tokens == 20);
  }
}

// The rest of a prompt behind its last whole part: its whole blocks are kept, for a rest of the same length.
static void test_rest(void **state) {
  static const uint64_t hashes[] = {1, 2};
  struct block_pool pool;
  struct sequence a = of(60, hashes, 2);
  struct sequence b = of(60, hashes, 2);
  struct sequence c = of(64, hashes, 2);
  struct sequence d = of(40, hashes, 2);
  struct sequence e = of(60, hashes, 1);
  (void)state;
  block_pool_open(&pool, 10, 16, 32);
  assert_true(compute(&pool, &a) && a.blocks == 4 && a.parts == 2 && a.shared == 3);
  block_pool_match(&pool, &b);
  assert_true(b.computed == 48 && b.blocks == 3 && b.shared == 3);
  assert_true(compute(&pool, &c) && c.parts == 1 && c.shared == 2);  // two blocks of the same number
  assert_true(compute(&pool, &d) && d.parts == 1 && d.shared == 2);  // less than one
  assert_true(compute(&pool, &e) && e.parts == 1 && e.shared == 2);  // no number
  assert_true(block_pool_used(&pool) == 4 + 2 + 1 + 2);
  block_pool_release(&pool, &a);
  block_pool_release(&pool, &b);
  block_pool_release(&pool, &c);
  block_pool_release(&pool, &d);
  block_pool_release(&pool, &e);
  assert_true(block_pool_used(&pool) == 0 && pool.free == 7 && pool.idle_blocks == 3);
  block_pool_close(&pool);
}

// More than fits, of ten beginnings: all come to their end within the capacity, and sharing helps.
static void test_pressure(void **state) {
  enum { REQUESTS = 200, PARTS = 20 };
  static struct serving_trace_request list[REQUESTS];
  static uint64_t hashes[10 * PARTS];
  const struct serving_trace trace = {
      .list = list, .count = REQUESTS, .hashes = hashes, .hash_count = 10 * PARTS};
  struct serving_options o = options_of(&trace);
  struct serving_result with, without;
  (void)state;
  for (unsigned i = 0; i < 10 * PARTS; i++) hashes[i] = i;
  for (unsigned i = 0; i < REQUESTS; i++)
    list[i] = (struct serving_trace_request){i * 1e-3, PARTS * 512, 400, i % 10 * PARTS, PARTS, i};
  o.devices = 2;
  run(&o, &with);
  o.prefix_cache = false;
  run(&o, &without);
  assert_true(with.requests == REQUESTS && without.requests == REQUESTS);
  assert_true(with.tbt.count + with.t2ft.count == 400.0 * REQUESTS);
  assert_true(with.kv_most <= with.kv_capacity && without.kv_most <= without.kv_capacity);
  assert_true(without.preemptions > 0 && with.preemptions == 0);
  assert_true(with.cached_tokens > 0.9 * with.prompt_tokens);
  assert_true(with.seconds < 0.5 * without.seconds);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_by_hand),      cmocka_unit_test(test_twice),
                                     cmocka_unit_test(test_random),       cmocka_unit_test(test_run),
                                     cmocka_unit_test(test_whole_prompt), cmocka_unit_test(test_rest),
                                     cmocka_unit_test(test_pressure)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
