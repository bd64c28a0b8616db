// SPDX-License-Identifier: Apache-2.0
// The place of a logical row set in a stripe set, as rtl/dram/stripe_map.v.
#include "cmodel/dram/stripe_map.h"

#include "duplex/params.h"

void stripe_map(unsigned row_set, unsigned stripe, uint8_t *bundle, uint16_t *row) {
  const unsigned count = (unsigned)__builtin_popcount(stripe & 15);
  unsigned place = count ? row_set % count : 0;
  unsigned b = 0;
  while (b < DUPLEX_BUNDLES - 1 && (!(stripe >> b & 1) || place--)) b++;
  *bundle = (uint8_t)b;
  *row = (uint16_t)((count ? row_set / count : row_set / 4) % DUPLEX_BANK_ROWS);
}
