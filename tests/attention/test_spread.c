// SPDX-License-Identifier: Apache-2.0
// KV heads spread over several channels, on the C model: every bit against the oracle, and against the same
// heads in one channel.
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

static unsigned most_spread(unsigned channels, unsigned heads) {
  unsigned spread = 1;
  while (2 * spread * heads <= channels) spread *= 2;
  return spread;
}

// Lengths below a block, below a block for each channel, and beyond.
static size_t draw_length(struct duplex_random *random, unsigned spread) {
  const size_t limits[] = {64, 64 * spread, 64 * spread + 130};
  return 1 + duplex_random_below(random, limits[duplex_random_below(random, 3)]);
}

static struct shape draw_shape(struct duplex_random *random) {
  static const unsigned channels[] = {2, 4, 6, 7, 12, 32};
  static const unsigned sizes[] = {16, 48, 64, 80, 128, 208};
  struct shape s = {.channels = channels[duplex_random_below(random, 6)],
                    .group = 1 + (unsigned)duplex_random_below(random, 5),
                    .d = sizes[duplex_random_below(random, 6)],
                    .page = 64 * (1 + (unsigned)duplex_random_below(random, 3)),
                    .batch = 1 + duplex_random_below(random, 3)};
  s.heads = 1 + (unsigned)duplex_random_below(random, s.channels / 2 < 5 ? s.channels / 2 : 5);
  for (size_t i = 0; i < s.batch; i++) {
    const unsigned most = most_spread(s.channels, s.heads);
    s.spreads[i] = 1u << duplex_random_below(random, (uint64_t)__builtin_ctz(most) + 1);
    s.lengths[i] = draw_length(random, s.spreads[i]);
  }
  return s;
}

static void test_random_spreads(void **state) {
  (void)state;
  for (uint64_t number = 0; number < 12 * cases; number++) check_random_case(9000 + number, draw_shape);
}

// Whatever the spread, also where scores do not fit, pages lie apart, and lanes have two groups.
static void test_same_bits(void **state) {
  (void)state;
  static const struct shape shapes[] = {
      {.channels = 32, .heads = 2, .group = 8, .d = 80, .page = 512, .batch = 3, .lengths = {5000, 1, 65}},
      {.channels = 32,
       .heads = 1,
       .group = 3,
       .d = 64,
       .page = 64,
       .batch = 4,
       .lengths = {63, 64, 4097, 2049}},
      {.channels = 8, .heads = 2, .group = 12, .d = 16, .page = 1024, .batch = 2, .lengths = {8200, 129}},
      {.channels = 12, .heads = 3, .group = 1, .d = 144, .page = 64, .batch = 2, .lengths = {3000, 260}},
  };
  for (unsigned i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    struct duplex_random random;
    duplex_random_seed(&random, seed, 9500 + i);
    struct shape shape = shapes[i];
    struct tensors t = make_tensors(&shape, &random, MODERATE, MODERATE, MODERATE);
    const size_t bytes = outputs_of(&shape) * sizeof(uint16_t);
    uint16_t *alone = new_array(outputs_of(&shape));
    uint16_t *o = new_array(outputs_of(&shape));
    for (unsigned spread = 1; spread <= most_spread(shape.channels, shape.heads); spread *= 2) {
      for (size_t k = 0; k < shape.batch; k++) shape.spreads[k] = spread;
      run_driver(&shape, &t, 700, &random, spread == 1 ? alone : o);
      if (spread > 1 && memcmp(o, alone, bytes))
        fail_msg("shape %u: other bits with spread %u (seed %llu)", i, spread, (unsigned long long)seed);
    }
    for (size_t sequence = 0; sequence < shape.batch; sequence++)
      check_query(&shape, &t, sequence, shape.group - 1, alone);
    free_tensors(&t);
    free(alone);
    free(o);
  }
}

// A channel without a position of a short sequence reads what an earlier one has left there: it has no part
// in the result.
static void test_nothing_left(void **state) {
  (void)state;
  const struct shape shape = {
      .channels = 8, .heads = 1, .group = 2, .d = 64, .page = 64, .batch = 1, .lengths = {70}};
  struct duplex_random random;
  duplex_random_seed(&random, seed, 9600);
  struct tensors t = make_tensors(&shape, &random, MODERATE, MODERATE, MODERATE);
  struct duplex_stack *stack = open_stack(shape.channels);
  struct duplex_kv_cache *cache = open_cache(stack, &shape, 1);
  struct duplex_sequence *sequence;
  static uint16_t bad[512 * 64], o[2 * 64];
  for (unsigned i = 0; i < 512 * 64; i++) bad[i] = i % 3 ? 0x7c00 : 0x7e00;
  assert_int_equal(duplex_kv_begin_spread(cache, DUPLEX_KV_SPACES, 512, 8, &sequence), 0);
  assert_int_equal(duplex_kv_append(sequence, 0, bad, bad, 512, 0), 0);
  duplex_kv_free(sequence);
  assert_int_equal(duplex_kv_begin_spread(cache, DUPLEX_KV_SPACES, 70, 8, &sequence), 0);
  assert_int_equal(duplex_kv_append(sequence, 0, t.k, t.v, 70, 0), 0);
  attend(cache, &shape, &sequence, t.q, stack, o);
  check_all(&shape, &t, o);
  duplex_kv_close(cache);
  duplex_stack_close(stack);
  free_tensors(&t);
}

// Rows that end as NaN or infinite, from whichever channel that comes.
static void test_special_positions(void **state) {
  (void)state;
  struct shape shape = {.channels = 4,
                        .heads = 1,
                        .group = 2,
                        .d = 64,
                        .page = 64,
                        .batch = 1,
                        .lengths = {300},
                        .spreads = {4},
                        .scale = 0.01};
  static const uint16_t planted[] = {0x7c00, 0xfc00, 0x7e00};
  for (unsigned i = 0; i < 12; i++) {
    struct duplex_random random;
    duplex_random_seed(&random, seed, 9700 + i);
    struct tensors t = make_tensors(&shape, &random, MODERATE, MODERATE, MODERATE);
    const size_t position = (size_t)64 * (i / 3) + 7;
    uint16_t o[2 * 64];
    if (i % 2) t.k[position * 64] = planted[i % 3];
    t.v[position * 64 + 1] = planted[(i + 1) % 3];
    t.v[((position + 64) % 300) * 64 + 2] = planted[i % 3];
    run_driver(&shape, &t, 300, &random, o);
    check_all(&shape, &t, o);
    free_tensors(&t);
  }
}

int main(void) {
  seed = environment_seed();
  cases = environment_number("DUPLEX_CASES", 1);
  printf("seed %llu\n", (unsigned long long)seed);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_random_spreads),
      cmocka_unit_test(test_same_bits),
      cmocka_unit_test(test_nothing_left),
      cmocka_unit_test(test_special_positions),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
