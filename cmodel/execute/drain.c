// SPDX-License-Identifier: Apache-2.0
// Rounds the sums of one row, or serialises them, as rtl/channel/drain.v.
#include "cmodel/execute/drain.h"

#include "duplex/enumerations.h"

unsigned drain_row_bytes(const struct duplex_sum sums[DUPLEX_LANES], int exponent, unsigned format,
                         uint8_t *bytes) {
  static const uint8_t bytes_of[] = {
      [DUPLEX_RESULT_FORMAT_F16] = 2, [DUPLEX_RESULT_FORMAT_F32] = 4, [DUPLEX_RESULT_FORMAT_ACC] = 16};
  const unsigned lane_bytes = bytes_of[format];
  for (unsigned lane = 0; lane < DUPLEX_LANES; lane++) {
    uint8_t *to = bytes + lane * lane_bytes;
    if (format == DUPLEX_RESULT_FORMAT_ACC) {
      duplex_sum_pack(&sums[lane], to);
      continue;
    }
    const uint32_t bits = format == DUPLEX_RESULT_FORMAT_F16 ? duplex_round_f16(&sums[lane], exponent)
                                                             : duplex_round_f32(&sums[lane], exponent);
    for (unsigned i = 0; i < lane_bytes; i++) to[i] = (uint8_t)(bits >> 8 * i);
  }
  return DUPLEX_LANES * lane_bytes;
}
