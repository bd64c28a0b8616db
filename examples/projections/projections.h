// SPDX-License-Identifier: Apache-2.0
// The message of the projections kernel: several matrices meet the same activations (Q, K and V of a layer),
// which are loaded once.
#ifndef DUPLEX_EXAMPLE_PROJECTIONS_H
#define DUPLEX_EXAMPLE_PROJECTIONS_H

#include "firmware/protocol.h"

#define PROJECTIONS_MOST 3u

// One group of up to 8 tokens; the matrices have the same number of columns.
struct projections_message {
  uint32_t count, format;
  struct region_words x;
  struct matrix_words weights[PROJECTIONS_MOST];
  struct region_words results[PROJECTIONS_MOST];
};

#endif
