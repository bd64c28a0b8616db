// SPDX-License-Identifier: Apache-2.0
// Register accesses of tests that have a back end in their hands: each must succeed.
#ifndef DUPLEX_TEST_REGISTER_ACCESS_H
#define DUPLEX_TEST_REGISTER_ACCESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// CMocka needs the first three before it.
#include <cmocka.h>

#include "duplex/backend.h"
#include "duplex/error.h"

static inline uint32_t get(struct duplex_backend *backend, uint32_t address) {
  uint32_t value = 0;
  assert_int_equal(backend->ops->reg_read(backend, address, &value), DUPLEX_OK);
  return value;
}

static inline void put(struct duplex_backend *backend, uint32_t address, uint32_t value) {
  assert_int_equal(backend->ops->reg_write(backend, address, value), DUPLEX_OK);
}

#endif
