// SPDX-License-Identifier: Apache-2.0
// Pairs of token and expert, by expert.
#include "device/dispatch.h"

#include <stdlib.h>
#include <string.h>

#include "duplex/error.h"

void dispatch_free(struct dispatch *dispatch) {
  free(dispatch->first);
  free(dispatch->count);
  free(dispatch->token);
  free(dispatch->weight);
  *dispatch = (struct dispatch){0};
}

// How many tokens each expert has, and where its first one goes.
static void count_tokens(struct dispatch *dispatch, const uint32_t *experts_of) {
  memset(dispatch->count, 0, dispatch->experts * sizeof *dispatch->count);
  for (size_t i = 0; i < dispatch->pairs; i++) dispatch->count[experts_of[i]]++;
  dispatch->first[0] = 0;
  for (size_t e = 0; e < dispatch->experts; e++)
    dispatch->first[e + 1] = dispatch->first[e] + dispatch->count[e];
}

// Tokens ascend, so those of each expert do.
static void place_pairs(struct dispatch *dispatch, uint32_t *next, size_t top_k, const uint32_t *experts_of,
                        const uint32_t *weights) {
  memcpy(next, dispatch->first, dispatch->experts * sizeof *next);
  for (size_t i = 0; i < dispatch->pairs; i++) {
    const uint32_t place = next[experts_of[i]]++;
    dispatch->token[place] = (uint32_t)(i / top_k);
    dispatch->weight[place] = weights[i];
  }
}

int dispatch_make(struct dispatch *dispatch, size_t tokens, size_t top_k, size_t experts,
                  const uint32_t *experts_of, const uint32_t *weights) {
  *dispatch = (struct dispatch){.experts = experts, .pairs = tokens * top_k};
  dispatch->first = calloc(experts + 1, sizeof *dispatch->first);
  dispatch->count = calloc(experts, sizeof *dispatch->count);
  dispatch->token = calloc(dispatch->pairs, sizeof *dispatch->token);
  dispatch->weight = calloc(dispatch->pairs, sizeof *dispatch->weight);
  uint32_t *next = calloc(experts, sizeof *next);
  const int made = dispatch->first && dispatch->count && dispatch->token && dispatch->weight && next;
  if (made) {
    count_tokens(dispatch, experts_of);
    place_pairs(dispatch, next, top_k, experts_of, weights);
  } else {
    dispatch_free(dispatch);
  }
  free(next);
  return made ? DUPLEX_OK : DUPLEX_ERROR_NO_MEMORY;
}
