// SPDX-License-Identifier: Apache-2.0
// Mode full with one copy of each expert: layers whose tokens are in few experts, or in those of one pair of
// bundles, under `best`, either side alone, and the paper's policy. A figure for docs/serving.md.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

// clang-format off: after what it needs
#include <cmocka.h>
// clang-format on

#include "serving/measured.h"
#include "tests/serving/runs.h"

enum { BEST, PAPER, PIM, XPU, POLICIES };

struct system {
  struct serving_options options;
  struct serving_model model;
  struct machine machine;
  struct measured *measured;
};

// GLaM, of which a device has a slice of all 64 experts.
static void open_systems(struct system systems[POLICIES]) {
  static const enum serving_policy policies[] = {SERVING_POLICY_BEST, SERVING_POLICY_PAPER,
                                                 SERVING_POLICY_PIM, SERVING_POLICY_XPU};
  for (unsigned i = 0; i < POLICIES; i++) {
    struct system *s = &systems[i];
    char text[512] = "";
    *s = (struct system){.options = {.system = "duplex-pe-et", .model = "glam", .policy = policies[i]}};
    int error = serving_model_read(&s->model, s->options.model, text, sizeof text);
    if (!error) error = machine_read(&s->machine, &s->options, &s->model, text, sizeof text);
    s->machine.copies = 1;
    if (!error) error = measured_open(&s->measured, &s->machine, &s->model, &s->options, text, sizeof text);
    if (error) fail_msg("%s", text);
  }
}

// Microseconds of a layer under each policy. Every `step`th expert has so many tokens, of so many in all.
static void time_layer(struct system systems[POLICIES], unsigned step, unsigned experts, unsigned tokens,
                       double microseconds[POLICIES]) {
  unsigned counts[SCHEDULE_EXPERTS] = {0};
  for (unsigned e = 0; e < experts; e++) counts[e * step] = tokens;
  for (unsigned i = 0; i < POLICIES; i++)
    microseconds[i] = 1e6 * measured_seconds(systems[i].measured, counts);
  printf("%2u experts, each %u., of %2u tokens: best %6.1f us, paper %6.1f, pim %6.1f, xpu %6.1f\n", experts,
         step, tokens, microseconds[BEST], microseconds[PAPER], microseconds[PIM], microseconds[XPU]);
}

// Experts that are all even ones lie in one pair of bundles, where both sides take turns: `best` takes no
// longer than the xPU, and where these lie apart it takes much less.
static void test_classes(void **state) {
  struct system systems[POLICIES];
  (void)state;
  open_systems(systems);
  for (unsigned tokens = 4; tokens <= 64; tokens *= 2) {
    double all[POLICIES], even[POLICIES], few[POLICIES];
    time_layer(systems, 1, 64, tokens, all);
    time_layer(systems, 2, 32, tokens, even);
    time_layer(systems, 4, 4, tokens, few);
    assert_true(all[BEST] < (tokens <= 16 ? 0.75 : 1.0) * all[XPU]);
    assert_true(even[BEST] <= 1.001 * even[XPU]);
    assert_true(few[BEST] <= 1.001 * few[XPU]);
  }
  for (unsigned i = 0; i < POLICIES; i++) measured_close(systems[i].measured);
}

// The decision is counted: whatever the number of tokens, `best` takes hardly longer than the xPU.
static void test_pays(void **state) {
  struct system systems[POLICIES];
  double longest = 0;
  (void)state;
  open_systems(systems);
  for (unsigned tokens = 1; tokens <= 128; tokens++) {
    unsigned counts[SCHEDULE_EXPERTS] = {0};
    for (unsigned e = 0; e < systems->model.experts; e++) counts[e] = tokens;
    const double ratio =
        measured_seconds(systems[BEST].measured, counts) / measured_seconds(systems[XPU].measured, counts);
    longest = ratio > longest ? ratio : longest;
  }
  printf("1 to 128 tokens of each expert: best takes %.4f of what the xPU takes, at most\n", longest);
  assert_true(longest <= 1.001);
  for (unsigned i = 0; i < POLICIES; i++) measured_close(systems[i].measured);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_classes), cmocka_unit_test(test_pays)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
