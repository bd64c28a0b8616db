// SPDX-License-Identifier: Apache-2.0
// Binary32 numbers as bits and as the host's floats.
#ifndef XPU_BINARY32_H
#define XPU_BINARY32_H

#include <string.h>

#include "cmodel/common/f32_fields.h"

static inline float binary32_float(duplex_f32 bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

// Each NaN gives the canonical one: a processor's own may have another sign.
static inline duplex_f32 binary32_bits(float value) {
  duplex_f32 bits;
  memcpy(&bits, &value, sizeof bits);
  return f32_is_nan(bits) ? DUPLEX_F32_NAN : bits;
}

#endif
