// SPDX-License-Identifier: Apache-2.0
// Numbers that a run of tests takes from its environment: DUPLEX_SEED, DUPLEX_CASES, DUPLEX_SHARE.
#ifndef DUPLEX_TEST_ENVIRONMENT_H
#define DUPLEX_TEST_ENVIRONMENT_H

#include <stdint.h>
#include <stdlib.h>

static inline uint64_t environment_number(const char *name, uint64_t otherwise) {
  const char *text = getenv(name);
  return text ? strtoull(text, NULL, 0) : otherwise;
}

// A number of at least 1, which is also what counts where there is none.
static inline uint64_t environment_count(const char *name) {
  const uint64_t value = environment_number(name, 1);
  return value ? value : 1;
}

static inline uint64_t environment_seed(void) { return environment_number("DUPLEX_SEED", 1); }

#endif
