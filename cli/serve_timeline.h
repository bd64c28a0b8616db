// SPDX-License-Identifier: Apache-2.0
// Stages, processors, links and requests of a simulation as a trace for Perfetto (ui.perfetto.dev).
//
// A stage has the sums over its layers as one block for each part, in the order fc, attention, moe, links,
// other: a trace of each layer would be as many times larger. Times are microseconds from the begin.
#ifndef DUPLEX_CLI_SERVE_TIMELINE_H
#define DUPLEX_CLI_SERVE_TIMELINE_H

#include <stdio.h>

#include "serving/serving.h"

// Names of the tracks; nothing else may stand before them.
void serve_timeline_begin(FILE *file);
void serve_timeline_stage(FILE *file, const struct serving_stage *stage);
void serve_timeline_request(FILE *file, const struct serving_request *request);
void serve_timeline_end(FILE *file);

#endif
