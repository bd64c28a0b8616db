// SPDX-License-Identifier: Apache-2.0
// Jobs: activations in, the firmware's kernel, results out, statistics.
#include <stdlib.h>
#include <string.h>

#include "driver/activation_table.h"
#include "driver/bundle_owner.h"
#include "driver/counters.h"
#include "driver/messages.h"
#include "driver/queue.h"
#include "driver/stack_error.h"
#include "driver/tokens.h"
#include "duplex/error.h"

#define TOKENS_MOST 4096u

struct duplex_job {
  struct duplex_stack *stack;
  struct token_work work;
  uint32_t kind, number, bytes;  // of the message
  bool begun;                    // somebody waited for it
  struct measurement measurement;
  union {
    struct gemm_message gemm;
    struct expert_message expert;
  } message;
  const struct duplex_weights *matrices[2];  // that its passes stream; the last one's rows are the results'
  unsigned count;
  enum duplex_result_format format;
};

// Statistics of a job; matrices are those that its passes streamed.
static int note_stats(struct duplex_job *job, uint32_t descriptors) {
  struct duplex_stack *stack = job->stack;
  struct duplex_stack_stats *stats = &stack->stats;
  const struct token_work *work = &job->work;
  const int error = note_traffic(stack, &job->measurement, descriptors);
  if (error) return error;
  const unsigned of_pair = work->pair ? 2 : 1;
  for (unsigned channel = 0; channel < stack->channels; channel++) {
    struct duplex_channel_stats *own = &stats->channel[channel];
    own->rows = own->rows * of_pair / work->groups;
    for (unsigned i = 0; i < job->count; i++) {
      const struct duplex_weights *matrix = job->matrices[i];
      uint32_t first;
      own->macs +=
          (uint64_t)layout_channel_rows(&matrix->layout, channel, &first) * matrix->k * work->m * of_pair;
    }
    stats->macs += own->macs;
  }
  for (unsigned i = 0; i < job->count; i++)
    stats->useful_bytes +=
        (uint64_t)job->matrices[i]->layout.rows * job->matrices[i]->k * sizeof(duplex_f16) * of_pair;
  return DUPLEX_OK;
}

// What every job has: tokens, weights that are resident on this stack, a format.
static int check_job(struct duplex_stack *stack, const struct duplex_weights *weights, size_t m,
                     enum duplex_format format) {
  if (m < 1 || m > TOKENS_MOST)
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT, "%zu tokens: expected 1 to %u", m, TOKENS_MOST);
  if (weights->stack != stack)
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT, "the weights are resident on another stack");
  if ((unsigned)format > DUPLEX_ACC)
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT, "format %d: expected f16, f32 or acc", (int)format);
  return DUPLEX_OK;
}

// A job with its place in DRAM and its activations there.
static int begin(struct duplex_stack *stack, const struct duplex_job *plan, const duplex_f16 *x,
                 struct duplex_job **made) {
  stack->error_text[0] = 0;
  *made = NULL;
  if (stack->shared->in_mid_job)
    return stack_fail(stack, DUPLEX_ERROR_BUSY, "a job is being executed: wait for it first");
  struct duplex_job *job = malloc(sizeof *job);
  if (!job) return stack_no_memory(stack);
  *job = *plan;
  int error = tokens_take_space(stack, &job->work);
  if (!error) {
    error = tokens_upload(stack, &job->work, x, job->matrices[0]->k);
    if (error) tokens_give_back(stack, &job->work);
  }
  if (error) {
    free(job);
    return error;
  }
  *made = job;
  return DUPLEX_OK;
}

// The message goes to the queue. On failure the job is gone, and *job NULL.
static int submit(struct duplex_job **job) {
  struct duplex_stack *stack = (*job)->stack;
  const int error = queue_submit(stack, (*job)->kind, &(*job)->message, (*job)->bytes, &(*job)->number);
  if (error) {
    tokens_give_back(stack, &(*job)->work);
    free(*job);
    *job = NULL;
    return error;
  }
  stack->job[(*job)->number % PROTOCOL_ENTRIES] = *job;
  return DUPLEX_OK;
}

// Row sets, the activations in them, and the message of one matrix; *job is NULL with an error.
static int start_gemm(struct duplex_stack *stack, const struct duplex_weights *w, const duplex_f16 *x,
                      size_t m, enum duplex_format format, struct duplex_job **job) {
  const enum duplex_result_format result_format = (enum duplex_result_format)format;
  const struct duplex_job planned = {.stack = stack,
                                     .work = tokens_plan(stack, m, groups_of_pass(w->layout.k_tiles),
                                                         w->layout.k_tiles, &w->layout, result_format),
                                     .kind = MESSAGE_GEMM,
                                     .bytes = sizeof(struct gemm_message),
                                     .matrices = {w},
                                     .count = 1,
                                     .format = result_format};
  const int error = begin(stack, &planned, x, job);
  if (error) return error;
  const struct token_work *work = &(*job)->work;
  (*job)->message.gemm = (struct gemm_message){message_matrix(w), message_region(work->x),
                                               message_region(work->results), result_format, work->groups};
  return submit(job);
}

int duplex_stack_start_gemm(struct duplex_stack *stack, const struct duplex_weights *w, const duplex_f16 *x,
                            size_t m, enum duplex_format format, struct duplex_job **job) {
  *job = NULL;
  const int error = check_job(stack, w, m, format);
  if (error) return error;
  if (w->layout.gated)
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT, "the weights are gate and up: expected a matrix alone");
  return start_gemm(stack, w, x, m, format, job);
}

// Up and down belong together.
static int check_expert(struct duplex_stack *stack, const struct duplex_weights *up,
                        const struct duplex_weights *down) {
  if (down->layout.two_streams != up->layout.two_streams)
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT,
                      "one of up and down is a pair, the other is not: expected both or none");
  if (down->k != up->n || down->layout.gated || up->n > DUPLEX_K_TILES_MAX * DUPLEX_WIDTH)
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT,
                      "up has %zu rows and down %zu columns: expected the same number, up to %u", up->n,
                      down->k, DUPLEX_K_TILES_MAX * DUPLEX_WIDTH);
  return DUPLEX_OK;
}

// The same for an expert: two matrices, and the activation table, which is sent if the firmware has it not.
static int start_expert(struct duplex_stack *stack, const struct duplex_weights *up,
                        const struct duplex_weights *down, const duplex_f16 *x, size_t m,
                        enum duplex_format format, struct duplex_job **job) {
  const enum duplex_result_format result_format = (enum duplex_result_format)format;
  const uint32_t groups_of_pass = expert_groups_of_pass(&up->layout, &down->layout);
  const struct duplex_job planned = {
      .stack = stack,
      .work = tokens_plan(stack, m, groups_of_pass, up->layout.k_tiles, &down->layout, result_format),
      .kind = MESSAGE_EXPERT,
      .bytes = sizeof(struct expert_message),
      .matrices = {up, down},
      .count = 2,
      .format = result_format};
  const int error = begin(stack, &planned, x, job);
  if (error) return error;
  const struct token_work *work = &(*job)->work;
  struct expert_message *message = &(*job)->message.expert;
  *message = activation_table_message(stack);
  message->up = message_matrix(up), message->down = message_matrix(down);
  message->x = message_region(work->x), message->results = message_region(work->results);
  message->format = result_format, message->groups = work->groups;
  return submit(job);
}

int duplex_stack_start_expert(struct duplex_stack *stack, const struct duplex_weights *up,
                              const struct duplex_weights *down, const struct duplex_activation_table *table,
                              const duplex_f16 *x, size_t m, enum duplex_format format,
                              struct duplex_job **job) {
  *job = NULL;
  int error = check_job(stack, up, m, format);
  if (!error) error = check_job(stack, down, m, format);
  if (!error) error = check_expert(stack, up, down);
  if (!error && stack->shared->in_mid_job)
    error = stack_fail(stack, DUPLEX_ERROR_BUSY, "a job is being executed: wait for it first");
  if (!error) error = activation_table_load(stack, table);
  return error ? error : start_expert(stack, up, down, x, m, format, job);
}

// The job again, for the clocks of a firmware that takes no time; an expert with its table loaded before.
static int run_natively(struct duplex_stack *stack, void *context, uint64_t *cycles) {
  const struct duplex_job *job = context;
  struct duplex_backend *b = stack->backend;
  struct expert_message table = activation_table_message(stack);
  int error = bundle_owner_set(stack, stack->bundles);
  if (!error && job->kind == MESSAGE_EXPERT) error = message_run(stack, MESSAGE_EXPERT, &table, sizeof table);
  const uint64_t clock = b->ops->clocks(b);
  if (!error) error = message_run(stack, job->kind, &job->message, job->bytes);
  *cycles = b->ops->clocks(b) - clock;
  return error;
}

// A job that was answered: its statistics, and its results into y.
static int finish(struct duplex_job *job, uint32_t descriptors, void *y) {
  struct duplex_stack *stack = job->stack;
  const struct weight_layout *layout = &job->matrices[job->count - 1]->layout;
  int error = note_stats(job, descriptors);
  if (!error && stack->measure_overhead) error = measure_native(stack, run_natively, job);
  return error ? error : tokens_read_results(stack, &job->work, layout, job->format, y);
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

int duplex_stack_wait(struct duplex_job *job, uint64_t clocks, void *y) {
  struct duplex_stack *stack = job->stack;
  struct completion completion;
  if (!queue_is_next(stack, job->number))
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT, "jobs are waited for in order: another one comes first");
  int error = job->begun ? DUPLEX_OK : start_measuring(stack, &job->measurement);
  job->begun = true;
  if (error) {
    withdraw(job);
  } else {
    error = queue_wait(stack, job->number, clocks, &completion);
  }
  stack->shared->in_mid_job = error == DUPLEX_ERROR_BUSY;
  if (error == DUPLEX_ERROR_BUSY) return error;
  if (!error) error = finish(job, completion.descriptors, y);
  tokens_give_back(stack, &job->work);
  stack->job[job->number % PROTOCOL_ENTRIES] = NULL;
  free(job);
  return error;
}

void duplex_stack_cancel(struct duplex_job *job) { queue_cancel(job->stack, job->number); }

int duplex_stack_gemm(struct duplex_stack *stack, const struct duplex_weights *w, const duplex_f16 *x,
                      size_t m, enum duplex_format format, void *y) {
  struct duplex_job *job;
  const int error = duplex_stack_start_gemm(stack, w, x, m, format, &job);
  return error ? error : duplex_stack_wait(job, UINT64_MAX, y);
}

int duplex_stack_expert(struct duplex_stack *stack, const struct duplex_weights *up,
                        const struct duplex_weights *down, const struct duplex_activation_table *table,
                        const duplex_f16 *x, size_t m, enum duplex_format format, void *y) {
  struct duplex_job *job;
  const int error = duplex_stack_start_expert(stack, up, down, table, x, m, format, &job);
  return error ? error : duplex_stack_wait(job, UINT64_MAX, y);
}
