// SPDX-License-Identifier: Apache-2.0
// Records from the sequencer to the units behind it, and the FIFOs in which they wait.
#ifndef DUPLEX_CMODEL_ATTENTION_PASS_H
#define DUPLEX_CMODEL_ATTENTION_PASS_H

#include <stdbool.h>
#include <stdint.h>

#include "duplex/enumerations.h"

// What the units behind the sequencer know of a pass; flags as in rtl/attention/attention_sequencer.v.
struct attention_pass {
  enum duplex_pass kind;
  unsigned blocks;      // after the first (RELOAD: words)
  unsigned rest, rows;  // positions of the last block, rows of V, less one
  unsigned k_last, lanes;
  bool first, last, keep, final, begins, store, back, below, above;
};

struct attention_result {  // where a pair's results, or a segment's scores, go
  uint32_t column;
  uint8_t stripe;
  bool scores;
};

#define ATTENTION_FIFO 4

// rtl/common/fifo.v of passes or results.
struct pass_fifo {
  struct attention_pass pass[ATTENTION_FIFO];
  unsigned count;
};
struct result_fifo {
  struct attention_result result[ATTENTION_FIFO];
  unsigned count;
};

#endif
