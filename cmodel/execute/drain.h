// SPDX-License-Identifier: Apache-2.0
// Sums of a row as the bytes of results.
#ifndef DUPLEX_CMODEL_EXECUTE_DRAIN_H
#define DUPLEX_CMODEL_EXECUTE_DRAIN_H

#include "duplex/numerics.h"

#ifdef __cplusplus
extern "C" {
#endif

// The sums of 8 lanes of one row in a format of `enum duplex_result_format`; returns the number of bytes.
unsigned drain_row_bytes(const struct duplex_sum sums[DUPLEX_LANES], int exponent, unsigned format,
                         uint8_t *bytes);

#ifdef __cplusplus
}
#endif
#endif
