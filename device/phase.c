// SPDX-License-Identifier: Apache-2.0
// Runs a phase: jobs of Logic-PIM, reads and arithmetic of the xPU, at once on every stack.
#include "device/phase.h"

#include <stdlib.h>
#include <string.h>

#include "device/share.h"
#include "driver/stack.h"
#include "xpu/partials.h"

struct phase {
  struct moe_run *run;
  unsigned owned;
  struct phase_times *times;
};

// Whether the bundles of a piece are all Logic-PIM's; whether they are all the xPU's.
static bool is_logic_pims(const struct phase *phase, unsigned stack, unsigned piece) {
  return !(phase->run->moe->piece[stack][piece].bundles & ~phase->owned);
}
static bool is_xpus(const struct phase *phase, unsigned stack, unsigned piece) {
  return !(phase->run->moe->piece[stack][piece].bundles & phase->owned);
}

// Cuts of all experts of a piece; false if Logic-PIM has nothing to do.
static bool cuts_of(const struct moe_run *run, unsigned stack, unsigned piece, uint8_t *cuts) {
  bool any = false;
  for (unsigned e = 0; e < run->moe->shape.experts; e++) {
    cuts[e] = (uint8_t)run_cut(run, stack, piece, e);
    any = any || (cuts[e] && run->counts[e]);
  }
  return any;
}

// Exact sums of a job to those of the run: only of the experts that it had.
static void add_sums(struct moe_run *run, const uint8_t *cuts, const uint8_t *y) {
  const size_t hidden = run->moe->shape.hidden;
  pthread_mutex_lock(&run->lock);
  for (unsigned e = 0; e < run->moe->shape.experts; e++) {
    const size_t at = run->dispatch.first[e] * hidden * 16;
    if (cuts[e]) xpu_add_sums(run->sums + at, y + at, run->counts[e] * hidden);
  }
  pthread_mutex_unlock(&run->lock);
}

// Who decides the cuts of the next job on a stack.
static enum duplex_layer_policy policy_of(struct moe_run *run, unsigned stack) {
  static const enum duplex_layer_policy policies[] = {[SCHEDULE_XPU] = DUPLEX_LAYER_XPU,
                                                      [SCHEDULE_PIM] = DUPLEX_LAYER_PIM,
                                                      [SCHEDULE_BEST] = DUPLEX_LAYER_BEST};
  if (!run->firmware_decides) return DUPLEX_LAYER_CUTS;
  if (run->decided[stack]) return DUPLEX_LAYER_DECIDED;
  run->decided[stack] = true;
  return policies[run->decision.policy];
}

// Logic-PIM's share of one piece: starts the job.
static int start_job(const struct phase *phase, unsigned stack, unsigned piece, const uint8_t *cuts,
                     struct duplex_job **job) {
  struct moe_run *run = phase->run;
  const struct duplex_layer_work work = {
      .piece = piece,
      .policy = policy_of(run, stack),
      .bundles = phase->owned,
      .cuts = cuts,
      .counts = run->counts,
      .tokens = run->dispatch.token,
      .x = run->x,
      .table = run->moe->table,
      .format = run->device->options.partials == DUPLEX_PARTIALS_F32 ? DUPLEX_F32 : DUPLEX_ACC};
  return duplex_layer_start(run->moe->slice[stack], &work, job);
}

// Waits for the job and takes its results.
static int finish_job(const struct phase *phase, unsigned stack, unsigned piece, const uint8_t *cuts,
                      struct duplex_job *job) {
  struct moe_run *run = phase->run;
  struct duplex_moe_stats *stats = &run->device->stats;
  struct duplex_stack_stats own;
  uint8_t *y = (uint8_t *)run->rounded[stack][piece];
  if (!y) y = malloc(run->dispatch.pairs * run->moe->shape.hidden * 16);
  const int error = y ? duplex_stack_wait(job, UINT64_MAX, y) : DUPLEX_ERROR_NO_MEMORY;
  if (!error && !run->rounded[stack][piece]) add_sums(run, cuts, y);
  if (!run->rounded[stack][piece]) free(y);
  duplex_stack_last_stats(run->device->stack[stack], &own);
  phase->times[stack].logic_pim += own.cycles;
  pthread_mutex_lock(&run->lock);
  stats->logic_pim_macs += own.macs;
  stats->logic_pim_bytes += own.useful_bytes;
  stats->firmware_instructions += own.firmware_instructions;
  pthread_mutex_unlock(&run->lock);
  return error;
}

// The tokens of an expert, row by row.
static void gather(const struct moe_run *run, unsigned expert, duplex_f16 *rows) {
  const size_t hidden = run->moe->shape.hidden;
  const uint32_t *token = run->dispatch.token + run->dispatch.first[expert];
  for (uint32_t i = 0; i < run->counts[expert]; i++)
    memcpy(rows + i * hidden, run->x + token[i] * hidden, hidden * sizeof *rows);
}

// The xPU's numbers of one share, added to those of the run.
static int compute_share(struct moe_run *run, const struct share *share) {
  const size_t hidden = run->moe->shape.hidden;
  const uint32_t tokens = run->counts[share->expert];
  const size_t inner = moe_inner_behind(&run->moe->piece[share->stack][share->piece], share->cut);
  struct duplex_moe_stats *stats = &run->device->stats;
  duplex_f16 *x = malloc(tokens * hidden * sizeof *x);
  uint8_t *sums = calloc(tokens * hidden, 16);
  int error = x && sums ? DUPLEX_OK : DUPLEX_ERROR_NO_MEMORY;
  if (!error) {
    gather(run, share->expert, x);
    error = share_compute(share, x, tokens, sums);
  }
  if (!error) {
    pthread_mutex_lock(&run->lock);
    xpu_add_sums(run->sums + run->dispatch.first[share->expert] * hidden * 16, sums, tokens * hidden);
    stats->xpu_macs += (uint64_t)tokens * hidden * inner * (run->moe->gated ? 3 : 2);
    stats->xpu_bytes += (uint64_t)hidden * inner * sizeof *x * (run->moe->gated ? 3 : 2);
    pthread_mutex_unlock(&run->lock);
  }
  free(x);
  free(sums);
  return error;
}

// Calls `what` for every share of the xPU on a stack in this phase.
static int each_share(const struct phase *phase, unsigned stack,
                      int (*what)(struct moe_run *run, const struct share *share)) {
  struct moe_run *run = phase->run;
  int error = DUPLEX_OK;
  for (unsigned piece = 0; piece < run->moe->pieces; piece++) {
    if (!is_xpus(phase, stack, piece)) continue;
    for (unsigned e = 0; e < run->moe->shape.experts && !error; e++) {
      if (!run_is_shared(run, stack, piece, e)) continue;
      const struct share share = {run->moe, stack, e, piece, run_cut(run, stack, piece, e)};
      error = what(run, &share);
    }
  }
  return error;
}

static int read_share(struct moe_run *run, const struct share *share) {
  (void)run;
  return share_read(share);
}

// The xPU's work on a stack: reads are queued, and its numbers are computed before the clock runs on. *begin
// is the clock at which the reads may begin.
static int start_xpu(const struct phase *phase, unsigned stack, uint64_t *begin) {
  struct duplex_backend *backend = phase->run->device->stack[stack]->backend;
  *begin = backend->ops->clocks(backend);
  const int error = each_share(phase, stack, read_share);
  return error ? error : each_share(phase, stack, compute_share);
}

// All jobs of the phase on a stack, one after another; the xPU starts with the first one.
static int run_jobs(const struct phase *phase, unsigned stack, uint64_t *begin) {
  uint8_t cuts[DUPLEX_EXPERTS_MOST];
  const struct moe_run *run = phase->run;
  bool xpu_started = false;
  for (unsigned piece = 0; piece < run->moe->pieces; piece++) {
    struct duplex_job *job;
    if (!is_logic_pims(phase, stack, piece) || !cuts_of(run, stack, piece, cuts)) continue;
    int error = start_job(phase, stack, piece, cuts, &job);
    if (error) return error;
    const int of_xpu = xpu_started ? DUPLEX_OK : start_xpu(phase, stack, begin);
    xpu_started = true;
    error = finish_job(phase, stack, piece, cuts, job);
    if (error || of_xpu) return error ? error : of_xpu;
  }
  return xpu_started ? DUPLEX_OK : start_xpu(phase, stack, begin);
}

static int run_stack(void *context, unsigned stack) {
  const struct phase *phase = context;
  if (!phase->run->moe->slice[stack]) return DUPLEX_OK;
  struct duplex_backend *backend = phase->run->device->stack[stack]->backend;
  struct phase_times *times = &phase->times[stack];
  struct duplex_xpu_state state;
  uint64_t begin = backend->ops->clocks(backend);
  int error = duplex_stack_hand_over(phase->run->device->stack[stack], phase->owned);
  times->hand_over = backend->ops->clocks(backend) - begin;
  if (!error) error = run_jobs(phase, stack, &begin);
  if (!error) error = backend->ops->xpu_wait(backend);
  backend->ops->xpu_state(backend, &state);
  times->xpu_reads = state.read_at > begin ? state.read_at - begin : 0;
  return error;
}

int phase_run(struct moe_run *run, unsigned owned, struct phase_times *times) {
  struct phase phase = {run, owned, times};
  memset(times, 0, run->device->stacks * sizeof *times);
  return device_each_stack(run->device, run_stack, &phase);
}
