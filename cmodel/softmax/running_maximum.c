// SPDX-License-Identifier: Apache-2.0
// The maximum of the scores so far, as rtl/softmax/running_maximum.v.
#include "duplex/softmax.h"

// A number whose order as an unsigned integer is that of the binary32 numbers, -0 counted as +0 and NaN above
// +Inf, so that a maximum of keys keeps a NaN.
static uint32_t key_of(duplex_f32 bits) {
  const duplex_f32 size = bits & 0x7fffffffu;
  if (size > 0x7f800000u) return DUPLEX_F32_NAN | 0x80000000u;
  if (size == 0) return 0x80000000u;
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

static duplex_f32 number_of(uint32_t key) { return key & 0x80000000u ? key & 0x7fffffffu : ~key; }

duplex_f32 duplex_running_maximum(duplex_f32 m, duplex_f32 t) {
  const uint32_t key_m = key_of(m);
  const uint32_t key_t = key_of(t);
  return number_of(key_m > key_t ? key_m : key_t);
}
