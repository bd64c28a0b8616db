// SPDX-License-Identifier: Apache-2.0
// Computes descriptors in their order, on a thread beside the one that keeps time. Only what the host reads
// and writes has to wait for it: the time of a job does not depend on what it computes.
#ifndef DUPLEX_CMODEL_WORKER_H
#define DUPLEX_CMODEL_WORKER_H

#include <pthread.h>
#include <stdbool.h>

#include "cmodel/execute/execute.h"
#include "duplex/descriptor.h"

#define WORKER_ROOM 32u

struct worker {
  struct execution *execution;
  pthread_t thread;
  bool started, ends;
  pthread_mutex_t lock;  // of what follows
  pthread_cond_t changed;
  uint32_t descriptor[WORKER_ROOM][DUPLEX_DESCRIPTOR_WORDS];
  unsigned pushed, done;  // free-running
  int error;              // the first one that nobody was told
};

void worker_open(struct worker *worker, struct execution *execution);
void worker_close(struct worker *worker);

// Computes a descriptor some time later; at once if the execution has one thread, or there is no thread to be
// had. Returns DUPLEX_OK or the error of one before.
int worker_push(struct worker *worker, const uint32_t *descriptor);

// All that was pushed is computed. Returns the first error; what came behind it was left out.
int worker_finish(struct worker *worker);

#endif
