// SPDX-License-Identifier: Apache-2.0
// Jobs in flight: what all kinds have in common, and the parts of each.
#ifndef DUPLEX_DRIVER_JOB_H
#define DUPLEX_DRIVER_JOB_H

#include "driver/counters.h"
#include "driver/stack.h"
#include "driver/tokens.h"
#include "duplex/layer.h"

// A matrix's job, or an expert's.
struct token_job {
  struct token_work work;
  const struct duplex_weights *matrices[2];  // that its passes stream; the last one's rows are the results'
  unsigned count;
};

struct layer_share;  // driver/layer.h

struct layer_job_part {
  struct duplex_layer *layer;
  struct layer_share *share;
};

// What a kind of job does when it was answered, again natively, and at its end.
struct job_ops {
  // Its statistics beyond the traffic, and its results into y.
  int (*note_work)(struct duplex_job *job, const struct completion *completion);
  int (*read_results)(struct duplex_job *job, void *y);
  // What its message needs, for a firmware that has nothing yet.
  int (*prepare)(struct duplex_job *job);
  void (*give_back)(struct duplex_job *job);
};

struct duplex_job {
  struct handle handle;
  struct duplex_stack *stack;
  const struct job_ops *ops;
  unsigned bundles;              // Logic-PIM's while it runs
  uint32_t kind, number, bytes;  // of the message
  bool in_flight;                // submitted, and its completion was not seen
  bool begun;                    // somebody waited for it, or it was begun
  int result;                    // what the wait for its completion gave
  struct measurement measurement;
  union {
    struct gemm_message gemm;
    struct expert_message expert;
    struct layer_run_message layer;
  } message;
  enum duplex_result_format format;
  struct token_job tokens;
  struct layer_job_part layer;
};

// A handle like `plan`; NULL with an error: BUSY (a job is being executed, or jobs in flight need other
// bundles), NO_MEMORY.
int job_new(struct duplex_stack *stack, const struct duplex_job *plan, struct duplex_job **made);
// What the job holds is given back.
void job_retire(struct duplex_job *job);
// The job ends without having been submitted: what it holds is given back, and *job is NULL.
void job_drop(struct duplex_job **job);
// The message goes to the queue. On failure the job is dropped.
int job_submit(struct duplex_job **job);
// Its bundles become Logic-PIM's, and its time begins. Without it that is part of the first wait.
int job_begin(struct duplex_job *job);
// Runs the begun job for so many clocks, or to its end; whether it failed is told by job_finish.
void job_advance(struct duplex_job *job, uint64_t clocks);
// Waits for its end and notes its statistics; the results stay where they are, and the job is there until
// job_retire, even with an error.
int job_finish(struct duplex_job *job);

// No job in flight, of any client, needs other bundles than these. DUPLEX_ERROR_BUSY otherwise.
int jobs_agree(struct duplex_stack *stack, unsigned bundles);
// A job in flight streams these weights; one is of this layer, or of any (NULL).
bool job_uses(const struct duplex_stack *stack, const struct duplex_weights *weights);
bool job_uses_layer(const struct duplex_stack *stack, const struct duplex_layer *layer);

#endif
