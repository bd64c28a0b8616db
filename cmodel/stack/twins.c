// SPDX-License-Identifier: Apache-2.0
// Channels in the same state, which are clocked once.
#include "cmodel/stack/twins.h"

#include <string.h>

#define LOOK_CLOCKS 64u  // between two looks for twins

void twins_reset(struct twins *twins, unsigned channels) {
  twins->clocks = 0;
  for (unsigned i = 0; i < channels; i++) {
    twins->leader[i] = (uint8_t)i;
    twins->members[i] = 1;
  }
}

// All that a channel gets in a clock.
static bool same_input(const struct channel_in *a, const struct channel_in *b) {
  return a->job_valid == b->job_valid && a->word_valid == b->word_valid && a->bus_ready == b->bus_ready &&
         a->count == b->count && a->first_address == b->first_address && !a->segment && !b->segment &&
         memcmp(&a->below, &b->below, sizeof a->below) == 0 &&
         memcmp(&a->above, &b->above, sizeof a->above) == 0;
}

// `one` leaves its leader with a state of its own.
static void part(struct twins *twins, unsigned one, struct channel_timing *channel,
                 struct duplex_xpu_traffic *xpu) {
  const unsigned leader = twins->leader[one];
  channel[one] = channel[leader];
  duplex_xpu_follow(&xpu[one], &xpu[leader]);
  twins->members[leader]--;
  twins->leader[one] = (uint8_t)one;
  twins->members[one] = 1;
}

void twins_part(struct twins *twins, unsigned channels, struct channel_timing *channel,
                struct duplex_xpu_traffic *xpu, const struct channel_in *in) {
  unsigned last = channels;  // that parted, and from whom
  unsigned from = channels;
  for (unsigned i = 0; i < channels; i++) {
    const unsigned leader = twins->leader[i];
    if (leader == i || same_input(&in[i], &in[leader])) continue;
    part(twins, i, channel, xpu);
    if (from == leader && same_input(&in[i], &in[last])) {
      twins->leader[i] = (uint8_t)last;
      twins->members[last]++;
      twins->members[i] = 0;
    } else {
      last = i;
      from = leader;
    }
  }
}

void twins_leave(struct twins *twins, unsigned channels, unsigned one, struct channel_timing *channel,
                 struct duplex_xpu_traffic *xpu) {
  for (unsigned i = 0; i < channels; i++)
    if (i != one && (twins->leader[i] == one || i == one)) part(twins, i, channel, xpu);
  if (twins->leader[one] != one) part(twins, one, channel, xpu);
}

void twins_join(struct twins *twins, unsigned channels, const struct channel_timing *channel,
                const struct duplex_xpu_traffic *xpu) {
  if (++twins->clocks < LOOK_CLOCKS) return;
  twins->clocks = 0;
  for (unsigned i = 1; i < channels; i++) {
    if (twins->leader[i] != i) continue;
    unsigned j = 0;
    while (j < i && (twins->leader[j] != j || memcmp(&channel[i], &channel[j], sizeof *channel) != 0 ||
                     !duplex_xpu_same(&xpu[i], &xpu[j])))
      j++;
    if (j == i) continue;
    for (unsigned k = i; k < channels; k++)
      if (twins->leader[k] == i) twins->leader[k] = (uint8_t)j;
    twins->members[j] = (uint8_t)(twins->members[j] + twins->members[i]);
    twins->members[i] = 0;
  }
}
