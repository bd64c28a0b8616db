// SPDX-License-Identifier: Apache-2.0
// The life of a job, whatever it does: handle, message, waiting, statistics, end.
#include "driver/job.h"

#include <string.h>

#include "driver/arguments.h"
#include "driver/bundle_owner.h"
#include "driver/queue.h"
#include "driver/stack_error.h"
#include "duplex/error.h"

bool job_uses(const struct duplex_stack *stack, const struct duplex_weights *weights) {
  for (const struct handle *handle = stack->jobs.first; handle; handle = handle->next) {
    const struct token_job *own = &((const struct duplex_job *)handle)->tokens;
    for (unsigned i = 0; handle->live && i < own->count; i++)
      if (own->matrices[i] == weights) return true;
  }
  return false;
}

bool job_uses_layer(const struct duplex_stack *stack, const struct duplex_layer *layer) {
  for (const struct handle *handle = stack->jobs.first; handle; handle = handle->next) {
    const struct duplex_layer *own = ((const struct duplex_job *)handle)->layer.layer;
    if (handle->live && own && (!layer || own == layer)) return true;
  }
  return false;
}

int jobs_agree(struct duplex_stack *stack, unsigned bundles) {
  for (unsigned q = 0; q < PROTOCOL_QUEUES; q++) {
    const struct duplex_stack *client = stack->shared->client[q];
    const struct handle *handle = client ? client->jobs.first : NULL;
    for (; handle; handle = handle->next)
      if (handle->live && ((const struct duplex_job *)handle)->in_flight &&
          ((const struct duplex_job *)handle)->bundles != bundles)
        return stack_fail(stack, DUPLEX_ERROR_BUSY,
                          "jobs in flight need other bundles of Logic-PIM: wait for them first");
  }
  return DUPLEX_OK;
}

int job_new(struct duplex_stack *stack, const struct duplex_job *plan, struct duplex_job **made) {
  *made = NULL;
  if (stack->shared->in_mid_job)
    return stack_fail(stack, DUPLEX_ERROR_BUSY, "a job is being executed: wait for it first");
  const int error = jobs_agree(stack, plan->bundles);
  if (error) return error;
  struct duplex_job *job = handle_take(&stack->jobs, sizeof *job);
  if (!job) return stack_no_memory(stack);
  const struct handle handle = job->handle;
  *job = *plan;
  job->handle = handle;
  job->stack = stack;
  *made = job;
  return DUPLEX_OK;
}

void job_retire(struct duplex_job *job) {
  job->ops->give_back(job);
  handle_retire(&job->stack->jobs, job);
}

void job_drop(struct duplex_job **job) {
  job_retire(*job);
  *job = NULL;
}

int job_submit(struct duplex_job **job) {
  const int error =
      queue_submit((*job)->stack, (*job)->kind, &(*job)->message, (*job)->bytes, &(*job)->number);
  if (error) {
    job_drop(job);
  } else {
    (*job)->in_flight = true;
  }
  return error;
}

// The job again, for the clocks of a firmware that takes no time.
static int run_natively(struct duplex_stack *stack, void *context, uint64_t *cycles) {
  struct duplex_job *job = context;
  struct duplex_backend *b = stack->backend;
  uint32_t number = 0;
  struct completion completion;
  int error = job->ops->prepare(job);
  if (!error) error = bundle_owner_set(stack, job->bundles);
  const uint64_t clock = b->ops->clocks(b);
  if (!error) error = queue_submit(stack, job->kind, &job->message, job->bytes, &number);
  if (!error) error = queue_wait(stack, number, UINT64_MAX, &completion);
  *cycles = b->ops->clocks(b) - clock;
  return error;
}

// The statistics of a job that was answered.
static int note(struct duplex_job *job, const struct completion *completion) {
  struct duplex_stack *stack = job->stack;
  int error = note_traffic(stack, &job->measurement, completion->descriptors);
  if (!error) error = job->ops->note_work(job, completion);
  if (!error && stack->measure_overhead) error = measure_native(stack, run_natively, job);
  return error;
}

// The job is there and nobody has waited for its end.
static int need_job(const struct duplex_job *job) {
  if (!job) return DUPLEX_ERROR_ARGUMENT;
  const int error = need_process(job->stack);
  if (error) return error;
  return job->handle.live
             ? DUPLEX_OK
             : stack_fail(job->stack, DUPLEX_ERROR_ARGUMENT, "the job is gone: it was waited for already");
}

// A job that could not start leaves the queue.
static void withdraw(struct duplex_job *job) {
  struct duplex_stack *stack = job->stack;
  struct completion completion;
  char text[sizeof stack->error_text];
  memcpy(text, stack->error_text, sizeof text);
  queue_cancel(stack, job->number);
  queue_wait(stack, job->number, UINT64_MAX, &completion);
  memcpy(stack->error_text, text, sizeof text);
}

int job_begin(struct duplex_job *job) {
  const int error = job->begun ? DUPLEX_OK : start_measuring(job->stack, job->bundles, &job->measurement);
  job->begun = !error;
  return error;
}

// So many clocks at most, DUPLEX_ERROR_BUSY if they are too few; then its statistics.
static int await(struct duplex_job *job, uint64_t clocks) {
  struct duplex_stack *stack = job->stack;
  struct completion completion;
  if (!queue_is_next(stack, job->number))
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT, "jobs are waited for in order: another one comes first");
  int error = job_begin(job);
  if (error) {
    withdraw(job);
  } else {
    error = queue_wait(stack, job->number, clocks, &completion);
  }
  stack->shared->in_mid_job = error == DUPLEX_ERROR_BUSY;
  if (error == DUPLEX_ERROR_BUSY) return error;
  job->in_flight = false;
  job->result = error ? error : note(job, &completion);
  return job->result;
}

void job_advance(struct duplex_job *job, uint64_t clocks) { await(job, clocks); }

int job_finish(struct duplex_job *job) { return job->in_flight ? await(job, UINT64_MAX) : job->result; }

int duplex_stack_wait(struct duplex_job *job, uint64_t clocks, void *y) {
  int error = need_job(job);
  if (!error) error = need(job->stack, "y", y);
  if (error) return error;
  error = await(job, clocks);
  if (job->in_flight) return error;
  if (!error) error = job->ops->read_results(job, y);
  job_retire(job);
  return error;
}

int duplex_stack_cancel(struct duplex_job *job) {
  const int error = need_job(job);
  if (!error) queue_cancel(job->stack, job->number);
  return error;
}
