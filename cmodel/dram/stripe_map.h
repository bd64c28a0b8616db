// SPDX-License-Identifier: Apache-2.0
// The place of a logical row set in a stripe set, as rtl/dram/stripe_map.v.
#ifndef DUPLEX_CMODEL_STRIPE_MAP_H
#define DUPLEX_CMODEL_STRIPE_MAP_H

#include <stdint.h>

void stripe_map(unsigned row_set, unsigned stripe, uint8_t *bundle, uint16_t *row);

#endif
