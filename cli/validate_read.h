// SPDX-License-Identifier: Apache-2.0
// What a folder says of a measured run of a serving engine.
#ifndef DUPLEX_CLI_VALIDATE_READ_H
#define DUPLEX_CLI_VALIDATE_READ_H

#include "serving/samples.h"
#include "serving/serving.h"

// Waits of requests in seconds: until the first token, for each other one in the mean, until the last one.
struct waits {
  struct samples first, token, all;
};
// Adds a request. Returns 0 or an exit status.
int waits_add(struct waits *waits, double arrival, double first, double end, unsigned output);
void waits_free(struct waits *waits);

struct measured_run {
  struct serving_options options;  // of its simulation
  struct serving_trace trace;
  struct waits waits;
  char model[4096], folder[4096];
  char devices_from[4300], nodes_from[4300], memory_from[4300];  // for messages
};

// Reads requests.jsonl, engine.json, system.json; config.json and the tables are read by the simulation.
// Returns 0 or an exit status.
int measured_run_read(struct measured_run *run, const char *folder);
void measured_run_free(struct measured_run *run);

#endif
