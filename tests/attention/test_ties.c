// SPDX-License-Identifier: Apache-2.0
// Decode attention where each of its roundings meets an exact tie: one unit too much or too little anywhere
// in a score, a weight's sum or a context shows in the output.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
// CMocka needs the four above first.
#include <cmocka.h>

#include "tests/attention/attention_case.h"
#include "tests/common/environment.h"

// 2^exponent.
static duplex_f16 power(int exponent) { return duplex_f16_from_double(ldexp(1, exponent)); }

// All scores are equal and V lies half and half at a number and the next larger one: o is their mean, a tie,
// and goes to the one whose last bit is 0. Numbers of both parities and signs in all rows and lanes.
static void check_mean(const struct shape *shape) {
  struct duplex_random random;
  duplex_random_seed(&random, seed, 1);
  struct tensors t = make_tensors(shape, &random, ZEROS, MODERATE, MODERATE);
  uint16_t *o = new_array(outputs_of(shape));
  const size_t heads = shape->batch * shape->heads;
  for (size_t head = 0; head < heads; head++)
    for (size_t position = 0; position < t.longest; position++)
      for (unsigned i = 0; i < shape->d; i++) {
        const uint16_t low = (uint16_t)((i / 2 % 2 ? 0xbc00 : 0x3c00) + i + head);
        t.v[head * t.of_head + position * shape->d + i] = (uint16_t)(low + position % 2);
      }
  memset(t.q, 0, outputs_of(shape) * sizeof *t.q);
  run_driver(shape, &t, 100, &random, o);
  for (size_t i = 0; i < outputs_of(shape); i++) {
    const unsigned element = i % shape->d;
    const size_t head = i / shape->d / shape->group;
    const uint16_t low = (uint16_t)((element / 2 % 2 ? 0xbc00 : 0x3c00) + element + head);
    if (o[i] != (low & 1 ? low + 1 : low))
      fail_msg("output %zu: 0x%04x between 0x%04x and the next one, D %u, %zu positions, %d parts", i, o[i],
               low, shape->d, t.longest, 1 + shape->wide);
  }
  free_tensors(&t);
  free(o);
}

static void test_ties_of_the_quotient(void **state) {
  static const struct shape shapes[] = {
      {.channels = 1, .heads = 1, .group = 8, .d = 64, .batch = 1, .lengths = {2}},
      {.channels = 1, .heads = 1, .group = 1, .d = 16, .batch = 2, .lengths = {2, 2}},
      {.channels = 2, .heads = 3, .group = 3, .d = 80, .batch = 1, .lengths = {64}},
      {.channels = 3, .heads = 2, .group = 16, .d = 144, .batch = 2, .lengths = {66, 66}},
      {.channels = 4, .heads = 1, .group = 4, .d = 256, .batch = 1, .lengths = {512}, .spreads = {4}},
      {.channels = 1, .heads = 1, .group = 8, .d = 32, .batch = 1, .lengths = {2100}},  // scores through DRAM
      {.channels = 2, .heads = 1, .group = 2, .d = 64, .batch = 1, .lengths = {130}},
  };
  (void)state;
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
    for (unsigned wide = 0; wide < 2; wide++) {
      struct shape shape = shapes[i];
      shape.page = DUPLEX_WIDTH;
      shape.wide = wide;
      shape.scale = 0.5;
      check_mean(&shape);
    }
}

// Every sum of q and K lies half-way between two numbers of binary32, which are far apart: a score that goes
// the other way changes its weight by 2^-14. V is of one sign, so that no sum cancels.
static void test_ties_of_the_scores(void **state) {
  (void)state;
  for (unsigned number = 0; number < 8; number++) {
    const struct shape shape = {.channels = 1 + number % 3,
                                .heads = 1,
                                .group = 1 + number % 4,
                                .d = 32,
                                .page = DUPLEX_WIDTH,
                                .batch = 1,
                                .lengths = {number % 2 ? 3 : 70},
                                .scale = 0.6931471805599453,
                                .wide = true};
    struct duplex_random random;
    duplex_random_seed(&random, seed, 100 + number);
    struct tensors t = make_tensors(&shape, &random, MODERATE, MODERATE, MODERATE);
    uint16_t *o = new_array(outputs_of(&shape));
    memset(t.q, 0, outputs_of(&shape) * sizeof *t.q);
    for (unsigned query = 0; query < shape.group; query++) {
      uint16_t *q = t.q + query * shape.d;
      q[0] = power(5), q[1] = power(-7), q[2] = power(-6), q[3] = power((int)query % 2);
    }
    for (size_t position = 0; position < t.longest; position++) {
      uint16_t *k = t.k + position * shape.d;
      // 2^10 and half of its unit in the last place, or one and a half; a little more or less, in whole
      // units.
      k[0] = power(5), k[1] = power(-7), k[2] = duplex_random_below(&random, 2) ? power(-7) : 0;
      k[3] = duplex_f16_from_double((double)duplex_random_below(&random, 9) / 8);
    }
    for (size_t i = 0; i < t.longest * shape.d; i++) t.v[i] &= 0x7fff;
    run_driver(&shape, &t, 50, &random, o);
    check_all(&shape, &t, o);
    free_tensors(&t);
    free(o);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_ties_of_the_quotient),
      cmocka_unit_test(test_ties_of_the_scores),
  };
  seed = environment_seed();
  printf("seed %llu\n", (unsigned long long)seed);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
