// SPDX-License-Identifier: Apache-2.0
// A binary32 as its bits, for tests.
#ifndef DUPLEX_TEST_F32_BITS_H
#define DUPLEX_TEST_F32_BITS_H

#include <stdint.h>
#include <string.h>

static inline uint32_t bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static inline float float_of(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

#endif
