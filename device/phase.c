// SPDX-License-Identifier: Apache-2.0
// Runs a phase: jobs of Logic-PIM, reads, writes and arithmetic of the xPU, at once on every stack.
#include "device/phase.h"

#include <stdlib.h>
#include <string.h>

#include "device/charges.h"
#include "device/gathered.h"
#include "driver/job.h"
#include "driver/layer.h"
#include "duplex/arithmetic.h"
#include "xpu/partials.h"

struct phase {
  struct moe_run *run;
  unsigned owned;
  struct phase_times *times;
};

// Whether all bundles of a piece are among these.
static bool is_within(const struct moe_run *run, unsigned stack, unsigned piece, unsigned bundles) {
  return !(run->stage->piece[stack][piece].bundles & ~bundles);
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
    if (cuts[e]) xpu_add_sums(run->sums + at, y + at, run_cut_tokens(run, e) * hidden);
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

// Logic-PIM's share of one piece. h has a row for each pair, in their order.
static struct duplex_layer_work work_of(const struct moe_run *run, unsigned piece) {
  const bool down = run->stage->kind == STAGE_DOWN;
  return (struct duplex_layer_work){.piece = piece,
                                    .counts = run->counts,
                                    .tokens = down ? NULL : run->dispatch.token,
                                    .x = down ? run->h : run->x,
                                    .table = run->moe->table,
                                    .format = stage_result_format(run->stage)};
}

// The jobs of all pieces in Logic-PIM's bundles, each with its place in DRAM.
static int plan_stack(void *context, unsigned stack) {
  const struct phase *phase = context;
  struct moe_run *run = phase->run;
  uint8_t cuts[DUPLEX_EXPERTS_MOST];
  uint32_t cut_counts[DUPLEX_EXPERTS_MOST];
  int error = DUPLEX_OK;
  for (unsigned e = 0; e < run->moe->shape.experts; e++) cut_counts[e] = run_cut_tokens(run, e);
  for (unsigned piece = 0; run->stage->slice[stack] && piece < run->moe->pieces && !error; piece++) {
    if (!is_within(run, stack, piece, phase->owned) || !cuts_of(run, stack, piece, cuts)) continue;
    struct duplex_layer_work work = work_of(run, piece);
    work.bundles = phase->owned;
    work.cuts = cuts;
    work.cut_counts = cut_counts;
    work.policy = policy_of(run, stack);
    run->job[stack][piece].decides = charges_decides_in_job(run) && work.policy != DUPLEX_LAYER_CUTS &&
                                     work.policy != DUPLEX_LAYER_DECIDED;
    error = layer_job_plan(run->stage->slice[stack], &work, &run->job[stack][piece].job);
  }
  // Messages for a plan may be for Logic-PIM with all bundles, long before the layer begins.
  return error ? error : duplex_stack_hand_over(run->device->stack[stack], 0);
}

int phase_plan(struct moe_run *run, unsigned owned) {
  struct phase phase = {run, owned, NULL};
  return device_each_stack(run->device, plan_stack, &phase);
}

// Queues the writes of x for the jobs in these bundles, which are the xPU's.
static int bring_tokens(struct moe_run *run, unsigned stack, unsigned bundles) {
  struct duplex_stack *own = run->device->stack[stack];
  int error = DUPLEX_OK;
  own->timed_writes = true;
  for (unsigned piece = 0; piece < run->moe->pieces && !error; piece++) {
    struct run_job *job = &run->job[stack][piece];
    const struct duplex_layer_work work = work_of(run, piece);
    if (!job->job || job->brought || !is_within(run, stack, piece, bundles)) continue;
    error = layer_job_bring(job->job, &work);
    job->brought = true;
  }
  own->timed_writes = false;
  return error;
}

// Most bytes of a job's results.
static size_t result_bytes(const struct moe_run *run, unsigned stack, unsigned piece) {
  if (run->stage->kind == STAGE_EXPERTS) return run->dispatch.pairs * run->moe->shape.hidden * 16;
  return run->dispatch.pairs * gathered_columns(run, stack, piece) * sizeof(duplex_f32);
}

// Queues the reads of one job's results, and adds them to those of the run.
static int fetch_job(struct moe_run *run, unsigned stack, unsigned piece, struct run_job *job) {
  uint8_t cuts[DUPLEX_EXPERTS_MOST];
  duplex_f32 *rounded = run->rounded[stack][piece];
  void *y = rounded ? rounded : malloc(result_bytes(run, stack, piece));
  const int error = y ? layer_job_fetch(job->job, y) : DUPLEX_ERROR_NO_MEMORY;
  cuts_of(run, stack, piece, cuts);
  if (!error && run->stage->kind != STAGE_EXPERTS) {
    gathered_take_products(run, stack, piece, y);
  } else if (!error && !rounded) {
    add_sums(run, cuts, y);
  }
  if (!rounded) free(y);
  job_retire(job->job);
  job->job = NULL;
  return error;
}

// The same for all finished jobs in these bundles, which are the xPU's.
static int fetch_sums(struct moe_run *run, unsigned stack, unsigned bundles) {
  struct duplex_stack *own = run->device->stack[stack];
  int error = DUPLEX_OK;
  own->timed_reads = true;
  for (unsigned piece = 0; piece < run->moe->pieces && !error; piece++) {
    struct run_job *job = &run->job[stack][piece];
    if (job->job && job->finished && is_within(run, stack, piece, bundles))
      error = fetch_job(run, stack, piece, job);
  }
  own->timed_reads = false;
  return error;
}

// Waits for a job, whose results stay where they are.
static int finish_job(const struct phase *phase, unsigned stack, struct run_job *job) {
  struct moe_run *run = phase->run;
  struct duplex_moe_stats *stats = &run->device->stats;
  struct duplex_stack_stats own;
  const int error = job_finish(job->job);
  job->finished = true;
  duplex_stack_last_stats(run->device->stack[stack], &own);
  phase->times[stack].logic_pim += own.cycles;
  pthread_mutex_lock(&run->lock);
  stats->logic_pim_macs += own.macs;
  stats->logic_pim_bytes += own.useful_bytes;
  stats->firmware_instructions += own.firmware_instructions;
  pthread_mutex_unlock(&run->lock);
  return error;
}

// The exact sums of one share of the xPU, added to those of the run.
static int add_share(struct moe_run *run, const struct share *share) {
  const size_t hidden = run->moe->shape.hidden;
  const size_t at = (run->dispatch.first[share->expert] + share->first) * hidden * 16;
  const size_t count = share->tokens * hidden;
  duplex_f16 *x = malloc(count * sizeof *x);
  uint8_t *sums = calloc(count, 16);
  int error = x && sums ? DUPLEX_OK : DUPLEX_ERROR_NO_MEMORY;
  if (!error) {
    run_gather(run, share, x);
    error = share_compute(share, x, sums);
  }
  if (!error) {
    pthread_mutex_lock(&run->lock);
    xpu_add_sums(run->sums + at, sums, count);
    pthread_mutex_unlock(&run->lock);
  }
  free(x);
  free(sums);
  return error;
}

// The xPU's numbers of one share.
static int compute_share(struct moe_run *run, const struct share *share) {
  const struct moe_stage *stage = run->stage;
  const size_t rows = moe_inner_behind(&stage->piece[share->stack][share->piece], share->cut);
  const uint64_t weights =
      rows * stage_columns(stage->kind, &stage->times.shape) * stage_matrices(stage->kind, run->moe->gated);
  struct duplex_moe_stats *stats = &run->device->stats;
  const int error = stage->kind == STAGE_EXPERTS ? add_share(run, share) : gathered_share(run, share);
  if (error) return error;
  pthread_mutex_lock(&run->lock);
  stats->xpu_macs += share->tokens * weights;
  stats->xpu_bytes += weights * sizeof(duplex_f16);
  pthread_mutex_unlock(&run->lock);
  return DUPLEX_OK;
}

// Calls `what` for every share of the xPU on a stack in this phase.
static int each_share(const struct phase *phase, unsigned stack,
                      int (*what)(struct moe_run *run, const struct share *share)) {
  struct moe_run *run = phase->run;
  int error = DUPLEX_OK;
  for (unsigned piece = 0; piece < run->moe->pieces; piece++) {
    if (!is_within(run, stack, piece, ALL_BUNDLES & ~phase->owned)) continue;
    for (unsigned e = 0; e < run->moe->shape.experts && !error; e++) {
      if (!run_is_shared(run, stack, piece, e)) continue;
      const struct share share = run_share(run, stack, piece, e);
      error = what(run, &share);
    }
  }
  return error;
}

static int read_share(struct moe_run *run, const struct share *share) {
  (void)run;
  return share_read(share);
}

// The xPU's work on a stack is queued, and its numbers are computed before the clock runs on. Sums go first:
// they lie in few banks, behind which weights of the others fill the bus. *begin is the clock at which its
// commands may begin.
static int start_xpu(const struct phase *phase, unsigned stack, uint64_t *begin) {
  struct duplex_backend *backend = phase->run->device->stack[stack]->backend;
  *begin = backend->ops->clocks(backend);
  int error = bring_tokens(phase->run, stack, ALL_BUNDLES & ~phase->owned);
  if (!error) error = fetch_sums(phase->run, stack, ALL_BUNDLES & ~phase->owned);
  if (!error) error = each_share(phase, stack, read_share);
  return error ? error : each_share(phase, stack, compute_share);
}

// The xPU's commands wait for the decision of a job that has begun.
static void await_decision(const struct phase *phase, unsigned stack, const struct run_job *job) {
  if (!job->decides) return;
  phase->times[stack].decision = charges_decision_in_job(phase->run);
  job_advance(job->job, phase->times[stack].decision);
}

// All jobs of the phase on a stack, one after another; the xPU starts with the first one.
static int run_jobs(const struct phase *phase, unsigned stack, uint64_t *begin) {
  struct moe_run *run = phase->run;
  bool xpu_started = false;
  for (unsigned piece = 0; piece < run->moe->pieces; piece++) {
    struct run_job *job = &run->job[stack][piece];
    if (!job->job || job->finished || !is_within(run, stack, piece, phase->owned)) continue;
    int error = layer_job_submit(&job->job);
    if (error) return error;
    error = job_begin(job->job);
    if (!error) await_decision(phase, stack, job);
    const int of_xpu = xpu_started || error ? error : start_xpu(phase, stack, begin);
    xpu_started = true;
    error = finish_job(phase, stack, job);
    if (error || of_xpu) return error ? error : of_xpu;
  }
  return xpu_started ? DUPLEX_OK : start_xpu(phase, stack, begin);
}

// Clocks until the last data of what the xPU had to do from `begin` on.
static int wait_for_xpu(struct duplex_backend *backend, uint64_t begin, uint64_t *clocks) {
  struct duplex_xpu_state state;
  const int error = backend->ops->xpu_wait(backend);
  backend->ops->xpu_state(backend, &state);
  const uint64_t end = duplex_larger(state.read_at, state.written_at);
  *clocks = end > begin ? end - begin : 0;
  return error;
}

// The bundles change hands; *clocks: what that takes.
static int hand_over(struct duplex_stack *stack, unsigned owned, uint64_t *clocks) {
  struct duplex_backend *backend = stack->backend;
  const uint64_t begin = backend->ops->clocks(backend);
  const int error = duplex_stack_hand_over(stack, owned);
  *clocks += backend->ops->clocks(backend) - begin;
  return error;
}

// Whether a job in these bundles has no tokens yet.
static bool lacks_tokens(const struct moe_run *run, unsigned stack, unsigned bundles) {
  bool any = false;
  for (unsigned piece = 0; piece < run->moe->pieces; piece++) {
    const struct run_job *job = &run->job[stack][piece];
    any = any || (job->job && !job->brought && is_within(run, stack, piece, bundles));
  }
  return any;
}

// Tokens of this phase's jobs that could not come beside the phase before. The xPU has had its bundles for
// long when a layer begins: that it waits for them is not the layer's.
static int bring_own(const struct phase *phase, unsigned stack) {
  struct duplex_stack *own = phase->run->device->stack[stack];
  struct duplex_backend *backend = own->backend;
  struct phase_times *times = &phase->times[stack];
  if (!lacks_tokens(phase->run, stack, phase->owned)) return DUPLEX_OK;
  int error = hand_over(own, 0, &times->hand_over);
  if (!error) error = backend->ops->xpu_wait(backend);
  const uint64_t begin = backend->ops->clocks(backend);
  if (!error) error = bring_tokens(phase->run, stack, phase->owned);
  const int waited = wait_for_xpu(backend, begin, &times->tokens);
  return error ? error : waited;
}

static int run_stack(void *context, unsigned stack) {
  const struct phase *phase = context;
  if (!phase->run->stage->slice[stack]) return DUPLEX_OK;
  struct duplex_stack *own = phase->run->device->stack[stack];
  struct phase_times *times = &phase->times[stack];
  uint64_t begin = 0;
  int error = bring_own(phase, stack);
  if (!error) error = hand_over(own, phase->owned, &times->hand_over);
  if (!error) error = run_jobs(phase, stack, &begin);
  const int waited = wait_for_xpu(own->backend, begin, &times->xpu);
  if (times->xpu) times->xpu += times->decision;
  return error ? error : waited;
}

int phase_run(struct moe_run *run, unsigned owned, struct phase_times *times) {
  struct phase phase = {run, owned, times};
  memset(times, 0, run->device->stacks * sizeof *times);
  return device_each_stack(run->device, run_stack, &phase);
}

static int reduce_stack(void *context, unsigned stack) {
  const struct phase *phase = context;
  struct duplex_stack *own = phase->run->device->stack[stack];
  struct phase_times *times = &phase->times[stack];
  if (!phase->run->stage->slice[stack]) return DUPLEX_OK;
  int error = hand_over(own, 0, &times->hand_over);
  const uint64_t begin = own->backend->ops->clocks(own->backend);
  if (!error) error = fetch_sums(phase->run, stack, ALL_BUNDLES);
  const int waited = wait_for_xpu(own->backend, begin, &times->xpu);
  return error ? error : waited;
}

int phase_reduce(struct moe_run *run, struct phase_times *times) {
  struct phase phase = {run, 0, times};
  memset(times, 0, run->device->stacks * sizeof *times);
  return device_each_stack(run->device, reduce_stack, &phase);
}

void phase_drop(struct moe_run *run) {
  for (unsigned stack = 0; stack < run->device->stacks; stack++)
    for (unsigned piece = 0; piece < run->moe->pieces; piece++)
      if (run->job[stack][piece].job) job_drop(&run->job[stack][piece].job);
}
