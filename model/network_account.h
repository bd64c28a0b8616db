// SPDX-License-Identifier: Apache-2.0
// What a step costs: its time, who does what meanwhile, and the work of both sides for its energy.
#ifndef MODEL_NETWORK_ACCOUNT_H
#define MODEL_NETWORK_ACCOUNT_H

#include "model/network_state.h"

// A work of the xPU that takes so long, launch included. Products and experts have MACs, and bytes of
// weights, inputs and results; prefill attention, which is a work of its own only without stacks, has none.
void account_work(struct network *network, const struct duplex_xpu_work *work, uint64_t picoseconds);

// Work of the xPU on elements that moves so many bytes, launch included.
void account_elements(struct network *network, const char *name, uint64_t bytes, uint64_t picoseconds);

// An MoE layer on the xPU alone, whose router and experts are works of their own: who ran, and the
// combination. counts: tokens of each expert. Errors: those of the xPU's estimate.
int account_experts(struct network *network, const uint16_t *counts, size_t tokens);

// Positions that queries see in a layer: of all sequences that decode, and of all prompts, query by query.
struct seen_positions {
  uint64_t decoded, prefilled;
  uint64_t pinned;  // beside the decoded ones: that of the sink
};

// What the device did last, an MoE layer or the attention of a layer: time, work, events.
void account_moe(struct network *network, const struct duplex_moe_stats *stats);
void account_attention(struct network *network, const struct seen_positions *seen);

// So many bytes of K and V, read and written.
void account_migration(struct network *network, uint64_t bytes, uint64_t clocks);

// Clocks from the beginning of the first step to now.
uint64_t account_clock(const struct network *network);

// Tells of an event from the clock `begin` to now, if that is later.
void account_event(const struct network *network, const char *name, unsigned track, uint64_t begin);

// The next step begins now, with statistics of its own.
void account_begin_step(struct network *network);

#endif
