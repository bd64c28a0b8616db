// SPDX-License-Identifier: Apache-2.0
// Attention of a mixed stage: both sides at once on every stack, their times and events.
#include "device/attention.h"

#include <string.h>

#include "device/xpu_works.h"
#include "driver/bundle_owner.h"
#include "duplex/arithmetic.h"
#include "duplex/layer.h"
#include "xpu/prefill.h"
#include "xpu/time.h"

// How many parts of the batch each stack has.
static void count_decode_parts(struct attention_run *run) {
  for (size_t i = 0; i < run->work->decode.batch; i++)
    for (unsigned number = 0; number < run->kv->parts; number++)
      run->share[run->work->decode.sequences[i]->part[number].stack].decode_parts++;
}

static void trim_batch(const struct attention_run *run, size_t count) {
  for (size_t i = 0; i < count; i++) kv_trim_parts(run->work->decode.sequences[i], run->work->layer);
}

// Room for all that is appended, before anything is.
static int reserve(const struct attention_run *run) {
  const struct duplex_device_decode *decode = &run->work->decode;
  int error = DUPLEX_OK;
  for (size_t i = 0; decode->k && i < decode->batch && !error; i++) {
    error = kv_reserve_parts(decode->sequences[i], run->work->layer, 1);
    if (error) trim_batch(run, i);
  }
  return error;
}

// The clock at which both sides begin, and the xPU's reads.
static int begin_xpu(void *context) {
  const struct stack_run *on = context;
  struct duplex_backend *backend = on->run->kv->device->stack[on->stack]->backend;
  on->run->share[on->stack].begin = backend->ops->clocks(backend);
  return prefill_begin(on);
}

// The KV spaces become Logic-PIM's, if it has anything to do.
static int hand_over(const struct stack_run *on) {
  struct duplex_stack *stack = on->run->kv->device->stack[on->stack];
  struct attention_share *share = &on->run->share[on->stack];
  const uint64_t begin = stack->backend->ops->clocks(stack->backend);
  const int error = duplex_stack_hand_over(stack, share->decode_parts ? KV_BUNDLES : 0);
  share->hand_over = stack->backend->ops->clocks(stack->backend) - begin;
  return error;
}

// Both sides of one stack.
static int run_sides(const struct stack_run *on) {
  struct attention_share *share = &on->run->share[on->stack];
  struct stack_run context = *on;
  struct duplex_backend *backend = on->run->kv->device->stack[on->stack]->backend;
  struct duplex_xpu_state state;
  int error = hand_over(on);
  if (!error) error = share->decode_parts ? decode_attend(on, begin_xpu) : begin_xpu(&context);
  const int waited = backend->ops->xpu_wait(backend);
  backend->ops->xpu_state(backend, &state);
  share->xpu_reads = state.read_at > share->begin ? state.read_at - share->begin : 0;
  return error ? error : waited;
}

static int run_stack(void *context, unsigned stack) {
  struct attention_run *run = context;
  const struct stack_run on = {run, stack};
  const struct attention_share *share = &run->share[stack];
  if (!share->decode_parts && !share->prefill_bytes) return DUPLEX_OK;
  int error = prefill_store_q(&on);
  if (!error && run->work->decode.k && share->decode_parts) error = decode_append(&on);
  return error ? error : run_sides(&on);
}

// What the xPU tells of all prefills. Errors: its own, with a text of the device.
static int ask_xpu(struct attention_run *run) {
  const struct duplex_device_kv *kv = run->kv;
  struct duplex_xpu *xpu = kv->device->xpu;
  int error = DUPLEX_OK;
  for (size_t i = 0; i < run->work->prefill_count && !error; i++) {
    const struct duplex_device_prefill *prefill = &run->work->prefills[i];
    const struct duplex_xpu_work work = {.kind = DUPLEX_XPU_PREFILL,
                                         .prefill = {.heads = (unsigned)run->work->q_heads,
                                                     .kv_heads = kv->options.heads,
                                                     .dimension = kv->options.head_size,
                                                     .first = (uint32_t)prefill->first,
                                                     .tokens = (uint32_t)prefill->positions,
                                                     .window = kv_window(kv, run->work->layer)}};
    uint64_t picoseconds;
    error = device_xpu_picoseconds(xpu, &work, &picoseconds);
    run->xpu_picoseconds += picoseconds;
  }
  return device_xpu_note(kv->device, "estimate", error);
}

// The xPU's times, and what it multiplies.
static void time_xpu(const struct attention_run *run, struct duplex_device_attention_stats *stats) {
  const struct duplex_device_kv *kv = run->kv;
  struct duplex_xpu *xpu = kv->device->xpu;
  const unsigned clock_khz = kv->device->clock_khz;
  for (size_t i = 0; i < run->work->prefill_count; i++) {
    const struct duplex_device_prefill *prefill = &run->work->prefills[i];
    const uint32_t window = kv_window(kv, run->work->layer);
    const uint64_t seen = xpu_prefill_pairs(prefill->first, prefill->positions, window);
    stats->xpu_macs += 2 * seen * run->work->q_heads * kv->options.head_size;
  }
  stats->launch = run->work->prefill_count ? xpu_time_clocks(xpu->ops->launch(xpu), clock_khz) : 0;
  stats->xpu_arithmetic = xpu_time_clocks(run->xpu_picoseconds, clock_khz);
}

// Joins what the stacks took and did.
static void note_stacks(const struct attention_run *run, struct duplex_device_attention_stats *stats) {
  for (unsigned i = 0; i < run->kv->device->stacks; i++) {
    const struct attention_share *share = &run->share[i];
    stats->append = duplex_larger(stats->append, share->append);
    stats->hand_over = duplex_larger(stats->hand_over, share->hand_over);
    stats->logic_pim = duplex_larger(stats->logic_pim, share->logic_pim);
    stats->xpu_reads = duplex_larger(stats->xpu_reads, share->xpu_reads);
    stats->logic_pim_most = duplex_larger(stats->logic_pim_most, share->logic_pim_bytes);
    stats->logic_pim_of_stack[i] = share->logic_pim;
    stats->logic_pim_macs += share->logic_pim_macs;
    stats->logic_pim_bytes += share->logic_pim_bytes;
    stats->xpu_bytes += share->fetched_bytes;
    stats->firmware_instructions += share->instructions;
  }
}

static void note_times(const struct attention_run *run) {
  struct duplex_device_attention_stats *stats = &run->kv->stats;
  note_stacks(run, stats);
  time_xpu(run, stats);
  stats->xpu = stats->launch + duplex_larger(stats->xpu_reads, stats->xpu_arithmetic);
  stats->sides = duplex_larger(stats->logic_pim, stats->xpu);
  stats->cycles = stats->append + stats->hand_over + stats->sides;
}

static void note_events(const struct attention_run *run) {
  const struct duplex_device_attention_stats *stats = &run->kv->stats;
  struct events *events = &run->kv->device->events;
  const uint64_t sides = stats->append + stats->hand_over;
  for (unsigned i = 0; i < run->kv->device->stacks; i++) {
    const struct attention_share *share = &run->share[i];
    events_add(events, "append", i + 1, 0, share->append, -1);
    events_add(events, "hand-over", i + 1, stats->append, stats->append + share->hand_over, -1);
    events_add(events, "decode attention", i + 1, sides, sides + share->logic_pim, -1);
  }
  events_add(events, "launch", 0, sides, sides + stats->launch, -1);
  events_add(events, "prefill attention", 0, sides + stats->launch, sides + stats->xpu, -1);
  events_sort(events);
}

// With everything checked: times and room first, then both sides.
static int run_work(struct attention_run *run) {
  struct duplex_device *device = run->kv->device;
  struct duplex_dram_commands *commands = &run->kv->stats.commands;
  count_decode_parts(run);
  int error = ask_xpu(run);
  if (!error) error = prefill_take_space(run);
  if (error) return error;
  error = reserve(run);
  device_count_commands(device, commands, -1);
  if (!error) error = device_each_stack(device, run_stack, run);
  device_count_commands(device, commands, 1);
  prefill_give_space(run);
  return error;
}

int duplex_device_attention(struct duplex_device_kv *kv, const struct duplex_device_attention *attention) {
  int error = need_kv(kv);
  if (error) return error;
  struct duplex_device *device = kv->device;
  device->error_text[0] = 0;
  if (!attention) return device_fail(device, DUPLEX_ERROR_ARGUMENT, "attention is NULL: expected a pointer");
  error = attention_check_work(kv, attention);
  if (error) return error;
  struct attention_run run = {.kv = kv, .work = attention, .group = attention->q_heads / kv->options.heads};
  kv->stats = (struct duplex_device_attention_stats){0};
  events_clear(&device->events);
  error = run_work(&run);
  if (error) return error;
  note_times(&run);
  note_events(&run);
  return DUPLEX_OK;
}

void duplex_device_attention_last_stats(const struct duplex_device_kv *kv,
                                        struct duplex_device_attention_stats *stats) {
  if (!stats) return;
  *stats = kv ? kv->stats : (struct duplex_device_attention_stats){0};
}
