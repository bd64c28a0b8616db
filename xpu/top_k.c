// SPDX-License-Identifier: Apache-2.0
// The k largest: finds the k-th one, each from the one before, and then takes all down to it.
#include "xpu/top_k.h"

#include "cmodel/common/f32_fields.h"

// A number for each element that is the larger the higher the element ranks; no two are equal.
static uint64_t rank_of(duplex_f32 number, uint32_t index) {
  uint32_t key = f32_is_negative(number) ? ~number : number | 0x80000000u;
  if (f32_is_zero(number)) key = 0x80000000u;
  if (f32_is_nan(number)) key = 0;
  return (uint64_t)key << 32 | (UINT32_MAX - index);
}

void xpu_top_k(const duplex_f32 *numbers, unsigned count, unsigned k, uint32_t *chosen) {
  uint64_t least = UINT64_MAX;
  for (unsigned i = 0; i < k; i++) {
    uint64_t next = 0;
    for (uint32_t index = 0; index < count; index++) {
      const uint64_t rank = rank_of(numbers[index], index);
      if (rank < least && rank > next) next = rank;
    }
    least = next;
  }
  for (uint32_t index = 0; k > 0 && index < count; index++)
    if (rank_of(numbers[index], index) >= least) *chosen++ = index;
}
