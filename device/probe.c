// SPDX-License-Identifier: Apache-2.0
// Jobs and transfers of a layer of zeros on a stack of the C model.
#include "device/probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver/idle.h"
#include "driver/job.h"
#include "driver/layer.h"
#include "duplex/arithmetic.h"
#include "duplex/error.h"

#define TOKENS_MOST (PROBE_PASSES * DUPLEX_LANES)  // of an expert

static int tell(const struct probe *probe, int error) {
  if (error && probe->text && probe->size)
    snprintf(probe->text, probe->size, "measuring: %s",
             probe->stack ? duplex_stack_last_error(probe->stack) : duplex_error_text(error));
  return error;
}

void probe_close(struct probe *probe) {
  duplex_stack_close(probe->stack);
  free(probe->x);
  free(probe->y);
}

// `cuts` and `counts`[PROBE_EXPERTS] are the work's own.
static struct duplex_layer_work work_of(const struct probe *probe, unsigned experts, unsigned cut,
                                        uint32_t tokens, uint8_t *cuts, uint32_t *counts) {
  for (unsigned e = 0; e < probe->experts; e++) {
    cuts[e] = (uint8_t)(e < experts ? cut : 0);
    counts[e] = e < experts ? tokens : 0;
  }
  return (struct duplex_layer_work){.bundles = probe->piece.bundles,
                                    .cuts = cuts,
                                    .counts = counts,
                                    .x = probe->x,
                                    .format = probe->format};
}

// The layer with so many experts, which have room for their largest job and one of one expert beside it.
static int open_layer(struct probe *probe, struct duplex_layer_options *options, unsigned experts,
                      struct duplex_layer **layer) {
  uint8_t cuts[PROBE_EXPERTS];
  uint32_t counts[PROBE_EXPERTS];
  struct duplex_job *all = NULL;
  struct duplex_job *one = NULL;
  options->experts = probe->experts = experts;
  struct duplex_layer_work work = work_of(probe, experts, probe->piece.parts, TOKENS_MOST, cuts, counts);
  int error = duplex_stack_open_layer(probe->stack, options, layer);
  for (unsigned e = 0; e < experts && !error; e++) error = duplex_layer_reserve(*layer, e, 0);
  if (!error) error = layer_job_plan(*layer, &work, &all);
  work = work_of(probe, 1, probe->piece.parts, TOKENS_MOST, cuts, counts);
  if (!error) error = layer_job_plan(*layer, &work, &one);
  if (one) job_drop(&one);
  if (all) job_drop(&all);
  return error;
}

// The layer of a few, and the same with as many more experts as there is room for beside it.
static int fit_layers(struct probe *probe, struct duplex_layer_options *options) {
  unsigned experts = PROBE_EXPERTS;
  int error = open_layer(probe, options, PROBE_FEW, &probe->few);
  if (error) return error;
  error = open_layer(probe, options, experts, &probe->layer);
  while (error == DUPLEX_ERROR_OUT_OF_SPACE && experts > PROBE_FEW) {
    duplex_layer_close(probe->layer);
    experts /= 2;
    error = open_layer(probe, options, experts, &probe->layer);
  }
  if (error == DUPLEX_ERROR_OUT_OF_SPACE) {
    duplex_layer_close(probe->layer);
    probe->layer = probe->few;
    error = DUPLEX_OK;
  }
  return error;
}

// That a job or reads of so many experts are of.
static struct duplex_layer *layer_of(const struct probe *probe, unsigned experts) {
  return experts <= PROBE_FEW ? probe->few : probe->layer;
}

// Most bytes of a token's results.
static size_t result_bytes(const struct duplex_layer_options *layer) {
  size_t products = 0;
  for (unsigned part = 0; part < layer->piece[0].parts; part++)
    products += (layer->gated ? 2 : 1) * layer->piece[0].inner[part];
  return layer->products ? products * sizeof(duplex_f32) : layer->hidden * 16;
}

// The controller without what is for its user's eyes.
static struct duplex_riscv_options without_observers(const struct duplex_riscv_options *riscv) {
  return (struct duplex_riscv_options){.elf = riscv->elf,
                                       .instructions_per_clock = riscv->instructions_per_clock,
                                       .quiet_instructions = riscv->quiet_instructions};
}

int probe_open(struct probe *probe, enum stage_kind kind, const struct schedule_shape *shape,
               const struct duplex_stack_options *options, const struct duplex_layer_piece *piece, char *text,
               size_t size) {
  struct duplex_stack_options own = {.backend = options->backend, .strict = options->strict};
  const struct duplex_riscv_options riscv =
      options->riscv ? without_observers(options->riscv) : (struct duplex_riscv_options){0};
  if (options->riscv) own.riscv = &riscv;
  own.backend.channels = shape->channels;
  own.backend.threads = 1;
  own.backend.command_file = own.backend.trace_file = NULL;
  own.backend.xpu_traffic = false;
  struct duplex_layer_options layer = stage_layer(kind, shape, PROBE_EXPERTS);
  const size_t rows = (size_t)PROBE_EXPERTS * TOKENS_MOST;
  layer.piece[0] = *piece;
  *probe = (struct probe){.shape = *shape,
                          .piece = *piece,
                          .kind = kind,
                          .format = stage_format(shape),
                          .text = text,
                          .size = size};
  probe->x = calloc(rows * layer.hidden, sizeof *probe->x);
  probe->y = malloc(rows * result_bytes(&layer));
  if (!probe->x || !probe->y) return tell(probe, DUPLEX_ERROR_NO_MEMORY);
  char why[256] = "";
  int error = duplex_stack_open("cmodel", &own, &probe->stack, why, sizeof why);
  if (error && *why && text && size) return snprintf(text, size, "measuring: %s", why), error;
  if (!error) error = fit_layers(probe, &layer);
  return tell(probe, error);
}

// The work's clocks on that layer.
static int run_work(const struct probe *probe, struct duplex_layer *layer,
                    const struct duplex_layer_work *work, uint64_t *clocks) {
  struct duplex_stack_stats stats;
  struct duplex_job *job;
  int error = duplex_layer_start(layer, work, &job);
  if (!error) error = duplex_stack_wait(job, UINT64_MAX, probe->y);
  duplex_stack_last_stats(probe->stack, &stats);
  *clocks = stats.cycles;
  return tell(probe, error);
}

int probe_run(const struct probe *probe, unsigned experts, unsigned cut, uint32_t tokens, uint64_t *clocks) {
  uint8_t cuts[PROBE_EXPERTS];
  uint32_t counts[PROBE_EXPERTS];
  const struct duplex_layer_work work = work_of(probe, experts, cut, tokens, cuts, counts);
  return run_work(probe, layer_of(probe, experts), &work, clocks);
}

int probe_run_behind(const struct probe *probe, uint32_t first, unsigned experts, uint32_t tokens,
                     uint64_t *clocks) {
  uint8_t cuts[PROBE_EXPERTS];
  uint32_t counts[PROBE_EXPERTS];
  const struct duplex_layer_work work = work_of(probe, experts, probe->piece.parts, tokens, cuts, counts);
  counts[0] = first;
  return run_work(probe, layer_of(probe, experts), &work, clocks);
}

int probe_idle(const struct probe *probe, unsigned place, unsigned places) {
  return tell(probe, stack_idle(probe->stack, place, places));
}

// Runs until the xPU is ready; *clocks: from now to the last data that is read or written.
static int wait_for_xpu(struct duplex_backend *backend, uint64_t *clocks) {
  const uint64_t begin = backend->ops->clocks(backend);
  struct duplex_xpu_state state;
  const int error = backend->ops->xpu_wait(backend);
  backend->ops->xpu_state(backend, &state);
  const uint64_t end = duplex_larger(state.read_at, state.written_at);
  *clocks = end > begin ? end - begin : 0;
  return error;
}

static int queue_read(void *context, unsigned channel, uint64_t address, size_t bytes) {
  struct duplex_backend *backend = context;
  return backend->ops->xpu_read(backend, channel, address, NULL, bytes);
}

int probe_read(const struct probe *probe, unsigned experts, unsigned cut, bool taken, uint64_t *clocks) {
  struct duplex_backend *backend = probe->stack->backend;
  int error = duplex_stack_hand_over(probe->stack, probe->piece.bundles);
  if (!error) error = duplex_stack_hand_over(probe->stack, 0);
  if (!error && !taken) error = backend->ops->xpu_wait(backend);
  for (unsigned e = 0; e < experts && !error; e++)
    error = duplex_layer_ranges(layer_of(probe, experts), e, 0, cut, queue_read, backend);
  const int waited = wait_for_xpu(backend, clocks);
  return tell(probe, error ? error : waited);
}

// The bundles change hands; *clocks: what that takes.
static int hand_over(const struct probe *probe, unsigned owned, uint64_t *clocks) {
  struct duplex_backend *backend = probe->stack->backend;
  const uint64_t begin = backend->ops->clocks(backend);
  const int error = duplex_stack_hand_over(probe->stack, owned);
  *clocks = backend->ops->clocks(backend) - begin;
  return error;
}

// The planned job's transfers. Between them Logic-PIM does a job of one expert instead, which takes a host
// less time and leaves the same behind: rows that are open, refreshes that are owed. It is there with an
// error too, unless it could not be submitted.
static int transfer(const struct probe *probe, const struct duplex_layer_work *work, struct duplex_job *job,
                    struct duplex_job **between, struct probe_transfers *transfers) {
  struct duplex_stack *stack = probe->stack;
  int error = duplex_stack_hand_over(stack, 0);
  if (!error) error = stack->backend->ops->xpu_wait(stack->backend);
  stack->timed_writes = stack->timed_reads = true;
  if (!error) error = layer_job_bring(job, work);
  if (!error) error = wait_for_xpu(stack->backend, &transfers->tokens);
  if (!error) error = hand_over(probe, work->bundles, &transfers->given);
  if (!error) error = layer_job_submit(between);
  if (!error) error = job_finish(*between);
  if (!error) error = hand_over(probe, 0, &transfers->taken);
  if (!error) error = layer_job_fetch(job, probe->y);
  if (!error) error = wait_for_xpu(stack->backend, &transfers->sums);
  stack->timed_writes = stack->timed_reads = false;
  return error;
}

int probe_transfer(const struct probe *probe, unsigned experts, uint32_t tokens, unsigned done,
                   struct probe_transfers *transfers) {
  uint8_t cuts[2][PROBE_EXPERTS];
  uint32_t counts[2][PROBE_EXPERTS];
  const unsigned cut = probe->piece.parts;
  struct duplex_layer *layer = layer_of(probe, experts);
  const struct duplex_layer_work work = work_of(probe, experts, cut, tokens, cuts[0], counts[0]);
  const struct duplex_layer_work part = work_of(probe, done, cut, tokens, cuts[1], counts[1]);
  struct duplex_job *job = NULL;
  struct duplex_job *between = NULL;
  int error = layer_job_plan(layer, &work, &job);
  if (!error) error = layer_job_plan(layer, &part, &between);
  if (!error) error = transfer(probe, &work, job, &between, transfers);
  if (between) job_retire(between);
  if (job) job_retire(job);
  return tell(probe, error);
}
