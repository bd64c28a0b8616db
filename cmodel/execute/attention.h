// SPDX-License-Identifier: Apache-2.0
// One channel's heads of an ATTENTION descriptor.
#ifndef DUPLEX_CMODEL_EXECUTE_ATTENTION_H
#define DUPLEX_CMODEL_EXECUTE_ATTENTION_H

#include "cmodel/execute/channel_job.h"

// The channel's heads (`count`) of one segment; results go to DRAM with the last one.
int attention_heads(struct channel_job *job);

// With SPREAD, in steps that all channels have done before the next begins. The job's descriptor has the
// channel's own length and lane mask. Scores, and after the last segment of the scores the maxima; for a row
// block of V the context, and after its last segment o, made by the head's last channel.
int spread_scores(struct channel_job *job);
int spread_join_maxima(struct channel_job *job);
int spread_context(struct channel_job *job);
int spread_output(struct channel_job *job);

#endif
