// How long ATTENTION descriptors take: an estimate. A channel does its segments one after another, each in as many clocks as
// beats of K and V, plus a fixed time for what lies between two passes.
#ifndef DUPLEX_CMODEL_ATTENTION_ESTIMATE_H
#define DUPLEX_CMODEL_ATTENTION_ESTIMATE_H

#include <stdbool.h>
#include <stdint.h>

#include "duplex/params.h"

struct duplex_stack;

struct attention_estimate {
  uint64_t end[DUPLEX_CHANNELS][DUPLEX_ATTENTION_QUEUE];  // when the last segments of a channel are done, in turn
  unsigned turn[DUPLEX_CHANNELS];
  uint64_t accepted;  // when every channel has room for the last descriptor
  uint64_t quiet;     // when all channels are quiet
  bool fence;         // of the last descriptor
};

// A descriptor starts; its columns are counted at once.
void attention_estimate_start(struct duplex_stack *stack, const uint32_t *descriptor);
// The last descriptor is not completed; channels are at work.
bool attention_estimate_busy(const struct duplex_stack *stack);
bool attention_estimate_works(const struct duplex_stack *stack);

#endif
