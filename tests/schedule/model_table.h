// SPDX-License-Identifier: Apache-2.0
// Tables by formulas of the models' experts, for the tests of the schedule.
#ifndef DUPLEX_TEST_SCHEDULE_MODEL_TABLE_H
#define DUPLEX_TEST_SCHEDULE_MODEL_TABLE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// CMocka needs the four above first.
#include <cmocka.h>

#include "tests/schedule/distributions.h"

// Makes the table of a model, once for each of few experts; with room for a second copy of each, or without.
static inline void make_model(struct schedule_times *times, unsigned model, uint32_t experts,
                              uint32_t replicated) {
  static struct schedule_times made[2][MODELS][8];
  struct schedule_shape shape = model_shape(model, experts);
  struct schedule_placement placement;
  if (experts < 8 && made[replicated][model][experts].version) {
    *times = made[replicated][model][experts];
    return;
  }
  shape.replicated = replicated;
  assert_true(schedule_place(&shape, &placement));
  schedule_formula(&shape, &placement, times);
  assert_true(schedule_valid(times));
  if (experts < 8) made[replicated][model][experts] = *times;
}

#endif
