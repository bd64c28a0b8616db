// SPDX-License-Identifier: Apache-2.0
// Which tokens each expert gets: the choices of the router, turned round.
#ifndef DEVICE_DISPATCH_H
#define DEVICE_DISPATCH_H

#include <stddef.h>
#include <stdint.h>

// Expert e has the tokens token[first[e]] to token[first[e + 1] - 1], ascending; `weight` likewise.
struct dispatch {
  size_t experts, pairs;
  uint32_t *first;   // experts + 1
  uint16_t *count;   // of tokens of each expert
  uint32_t *token;   // of each pair
  uint32_t *weight;  // of each pair, bits of binary32
};

// From `experts_of`[tokens][top_k] and `weights` likewise, experts of a token in any order. Returns 0 or
// DUPLEX_ERROR_NO_MEMORY.
int dispatch_make(struct dispatch *dispatch, size_t tokens, size_t top_k, size_t experts,
                  const uint32_t *experts_of, const uint32_t *weights);
void dispatch_free(struct dispatch *dispatch);

#endif
