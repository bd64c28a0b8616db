// SPDX-License-Identifier: Apache-2.0
// Channels in the same state get the same inputs for many clocks, and then come to the same states: such
// twins are clocked once. A leader's state is its own and that of its members, whose memory is not kept up.
#ifndef DUPLEX_CMODEL_TWINS_H
#define DUPLEX_CMODEL_TWINS_H

#include "cmodel/channel/channel.h"
#include "duplex/xpu_traffic.h"

struct twins {
  uint8_t leader[DUPLEX_CHANNELS];   // of each channel; a leader is its own
  uint8_t members[DUPLEX_CHANNELS];  // of each leader, itself among them; 0: it is none
  unsigned clocks;                   // since the last look for twins
};

// Everybody is alone.
void twins_reset(struct twins *twins, unsigned channels);

// Members whose input is not their leader's part from it, with a state of their own.
void twins_part(struct twins *twins, unsigned channels, struct channel_timing *channel,
                struct duplex_xpu_traffic *xpu, const struct channel_in *in);

// A channel, whose state is about to change by itself, is alone.
void twins_leave(struct twins *twins, unsigned channels, unsigned one, struct channel_timing *channel,
                 struct duplex_xpu_traffic *xpu);

// From time to time: channels that have come to the same state are twins. Compared are bytes; where padding
// differs two stay apart, which costs time and nothing else.
void twins_join(struct twins *twins, unsigned channels, const struct channel_timing *channel,
                const struct duplex_xpu_traffic *xpu);

#endif
