// SPDX-License-Identifier: Apache-2.0
// The jobs of one matrix and of one expert: activations in, the firmware's kernel, results out, statistics.
#include "driver/activation_table.h"
#include "driver/arguments.h"
#include "driver/job.h"
#include "driver/messages.h"
#include "driver/stack_error.h"
#include "duplex/error.h"

#define TOKENS_MOST 4096u

// Of the matrices that its passes streamed.
static int note_work(struct duplex_job *job, const struct completion *completion) {
  (void)completion;
  struct duplex_stack *stack = job->stack;
  struct duplex_stack_stats *stats = &stack->stats;
  const struct token_job *own_job = &job->tokens;
  const struct token_work *work = &own_job->work;
  const unsigned of_pair = work->pair ? 2 : 1;
  for (unsigned channel = 0; channel < stack->channels; channel++) {
    struct duplex_channel_stats *own = &stats->channel[channel];
    own->rows = own->rows * of_pair / work->groups;
    for (unsigned i = 0; i < own_job->count; i++) {
      const struct duplex_weights *matrix = own_job->matrices[i];
      own->macs += (uint64_t)layout_channel_rows(&matrix->layout, channel) * matrix->k * work->m * of_pair;
    }
    stats->macs += own->macs;
  }
  for (unsigned i = 0; i < own_job->count; i++)
    stats->useful_bytes +=
        (uint64_t)own_job->matrices[i]->layout.rows * own_job->matrices[i]->k * sizeof(duplex_f16) * of_pair;
  return DUPLEX_OK;
}

static int read_results(struct duplex_job *job, void *y) {
  const struct token_job *own = &job->tokens;
  const struct weight_layout *layout = &own->matrices[own->count - 1]->layout;
  return tokens_read_results(job->stack, &own->work, layout, job->format, layout->rows, y);
}

// An expert needs its table.
static int prepare(struct duplex_job *job) {
  const struct expert_message table = activation_table_message(job->stack);
  return job->kind == MESSAGE_EXPERT ? message_run_beside(job->stack, MESSAGE_EXPERT, &table, sizeof table)
                                     : DUPLEX_OK;
}

static void give_back(struct duplex_job *job) { tokens_give_back(job->stack, &job->tokens.work); }

static const struct job_ops token_ops = {note_work, read_results, prepare, give_back};

// What every job has: activations, tokens, weights that are resident on this stack, a format.
static int check_job(struct duplex_stack *stack, const char *name, const struct duplex_weights *weights,
                     const duplex_f16 *x, size_t m, enum duplex_format format) {
  int error = need_weights(stack, name, weights);
  if (!error) error = need_f16(stack, "x", x);
  if (error) return error;
  if (m < 1 || m > TOKENS_MOST)
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT, "%zu tokens: expected 1 to %u", m, TOKENS_MOST);
  if ((unsigned)format > DUPLEX_ACC)
    return stack_fail(stack, DUPLEX_ERROR_ARGUMENT, "format %d: expected f16, f32 or acc", (int)format);
  return DUPLEX_OK;
}

// A job with its place in DRAM and its activations there.
static int begin(struct duplex_stack *stack, const struct duplex_job *plan, const duplex_f16 *x,
                 struct duplex_job **made) {
  stack->error_text[0] = 0;
  int error = job_new(stack, plan, made);
  if (error) return error;
  struct token_job *own = &(*made)->tokens;
  error = tokens_take_space(stack, stack->bundles, &own->work);
  if (!error) error = tokens_upload(stack, &own->work, x, own->matrices[0]->k);
  if (error) job_drop(made);
  return error;
}

// Row sets, the activations in them, and the message of one matrix; *job is NULL with an error.
static int start_gemm(struct duplex_stack *stack, const struct duplex_weights *w, const duplex_f16 *x,
                      size_t m, enum duplex_format format, struct duplex_job **job) {
  const enum duplex_result_format result_format = (enum duplex_result_format)format;
  const struct duplex_job planned = {
      .ops = &token_ops,
      .bundles = stack->bundles,
      .kind = MESSAGE_GEMM,
      .bytes = sizeof(struct gemm_message),
      .format = result_format,
      .tokens = {.work = tokens_plan(stack, m, groups_of_pass(w->layout.k_tiles), w->layout.k_tiles,
                                     &w->layout, result_format),
                 .matrices = {w},
                 .count = 1}};
  const int error = begin(stack, &planned, x, job);
  if (error) return error;
  const struct token_work *work = &(*job)->tokens.work;
  (*job)->message.gemm = (struct gemm_message){message_matrix(w), message_region(work->x),
                                               message_region(work->results), result_format, work->groups};
  return job_submit(job);
}

int duplex_stack_start_gemm(struct duplex_stack *stack, const struct duplex_weights *w, const duplex_f16 *x,
                            size_t m, enum duplex_format format, struct duplex_job **job) {
  if (job) *job = NULL;
  int error = need(stack, "job", job);
  if (!error) error = check_job(stack, "w", w, x, m, format);
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
      .ops = &token_ops,
      .bundles = stack->bundles,
      .kind = MESSAGE_EXPERT,
      .bytes = sizeof(struct expert_message),
      .format = result_format,
      .tokens = {
          .work = tokens_plan(stack, m, groups_of_pass, up->layout.k_tiles, &down->layout, result_format),
          .matrices = {up, down},
          .count = 2}};
  const int error = begin(stack, &planned, x, job);
  if (error) return error;
  const struct token_work *work = &(*job)->tokens.work;
  struct expert_message *message = &(*job)->message.expert;
  *message = activation_table_message(stack);
  message->up = message_matrix(up), message->down = message_matrix(down);
  message->x = message_region(work->x), message->results = message_region(work->results);
  message->format = result_format, message->groups = work->groups;
  return job_submit(job);
}

int duplex_stack_start_expert(struct duplex_stack *stack, const struct duplex_weights *up,
                              const struct duplex_weights *down, const struct duplex_activation_table *table,
                              const duplex_f16 *x, size_t m, enum duplex_format format,
                              struct duplex_job **job) {
  if (job) *job = NULL;
  int error = need(stack, "job", job);
  if (!error) error = check_job(stack, "up", up, x, m, format);
  if (!error) error = check_job(stack, "down", down, x, m, format);
  if (!error) error = need(stack, "table", table);
  if (!error) error = check_expert(stack, up, down);
  if (!error && stack->shared->in_mid_job)
    error = stack_fail(stack, DUPLEX_ERROR_BUSY, "a job is being executed: wait for it first");
  if (!error) error = activation_table_load(stack, table);
  return error ? error : start_expert(stack, up, down, x, m, format, job);
}

int duplex_stack_gemm(struct duplex_stack *stack, const struct duplex_weights *w, const duplex_f16 *x,
                      size_t m, enum duplex_format format, void *y) {
  struct duplex_job *job;
  int error = need(stack, "y", y);
  if (!error) error = duplex_stack_start_gemm(stack, w, x, m, format, &job);
  return error ? error : duplex_stack_wait(job, UINT64_MAX, y);
}

int duplex_stack_expert(struct duplex_stack *stack, const struct duplex_weights *up,
                        const struct duplex_weights *down, const struct duplex_activation_table *table,
                        const duplex_f16 *x, size_t m, enum duplex_format format, void *y) {
  struct duplex_job *job;
  int error = need(stack, "y", y);
  if (!error) error = duplex_stack_start_expert(stack, up, down, table, x, m, format, &job);
  return error ? error : duplex_stack_wait(job, UINT64_MAX, y);
}
