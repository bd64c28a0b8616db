// SPDX-License-Identifier: Apache-2.0
// Runs of the serving simulator in its tests, and numbers that are nearly equal.
//
// To be included behind cmocka.h.
#ifndef TESTS_SERVING_RUNS_H
#define TESTS_SERVING_RUNS_H

#include "serving/serving.h"

static inline void run(const struct serving_options *options, struct serving_result *result) {
  char error[1024] = "";
  if (serving_run(options, result, error, sizeof error)) fail_msg("%s", error);
}

static inline void assert_near(double value, double expected, double relative) {
  if (!(value >= expected - relative * expected && value <= expected + relative * expected))
    fail_msg("%.12g, expected %.12g", value, expected);
}

#endif
