// SPDX-License-Identifier: Apache-2.0
// `best` of few whole experts in pairs of bundles against all fronts, counted expert by expert.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
// CMocka needs the four above first.
#include <cmocka.h>

#include "duplex/random.h"
#include "tests/common/environment.h"
#include "tests/schedule/distributions.h"
#include "tests/schedule/recount.h"

enum { LAYERS = 400 };

static struct schedule_times times;
static struct schedule_work work;

// The shortest decision of all that give Logic-PIM the even experts up to one of them, and the odd ones, in
// the order of groups and numbers; or none.
static uint32_t shortest(const uint16_t *counts) {
  static struct schedule_decision tried;
  const uint32_t experts = times.shape.experts;
  uint32_t least = UINT32_MAX;
  for (uint32_t a = 0; a <= experts; a++)
    for (uint32_t b = 0; b <= experts; b++) {
      const uint32_t last[2] = {a, b};  // of the even and of the odd ones; `experts`: none
      for (uint32_t e = 0; e < experts; e++) {
        const uint32_t most = last[e % 2];
        const uint32_t groups = schedule_groups(counts[e]);
        tried.cut[0][e] =
            groups && most < experts && (groups << 8 | e) <= (schedule_groups(counts[most]) << 8 | most);
      }
      recount(&times, counts, &tried);
      least = (uint32_t)duplex_smaller(least, tried.total);
    }
  return least;
}

static void check_layer(struct duplex_random *random, uint32_t experts) {
  struct schedule_decision decision, counted;
  uint16_t counts[SCHEDULE_EXPERTS];
  const uint32_t most = draw_scale(random, 4096);
  for (uint32_t e = 0; e < experts; e++)
    counts[e] = duplex_random_below(random, 4) ? (uint16_t)duplex_random_below(random, most + 1) : 0;
  schedule_decide(SCHEDULE_BEST, &times, counts, &work, &decision);
  counted = decision;
  recount(&times, counts, &counted);
  assert_int_equal(counted.total, decision.total);
  assert_int_equal(decision.total, shortest(counts));
}

static void test_all_fronts(void **state) {
  struct duplex_random random;
  (void)state;
  duplex_random_seed(&random, environment_seed(), 0);
  for (uint32_t experts = 2; experts <= SCHEDULE_FEW; experts++) {
    struct schedule_shape shape = model_shape(3, experts);  // Qwen3-30B-A3B
    struct schedule_placement placement;
    assert_true(schedule_place(&shape, &placement));
    assert_int_equal(placement.layout, SCHEDULE_ALTERNATE);
    schedule_formula(&shape, &placement, &times);
    for (unsigned i = 0; i < LAYERS; i++) check_layer(&random, experts);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_fronts)};
  printf("seed %llu\n", (unsigned long long)environment_seed());
  return cmocka_run_group_tests(tests, NULL, NULL);
}
