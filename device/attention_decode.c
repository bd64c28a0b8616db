// SPDX-License-Identifier: Apache-2.0
// Logic-PIM's side of a mixed stage: decode attention of the parts that lie on a stack.
#include <stdlib.h>
#include <string.h>

#include "device/attention.h"
#include "driver/attention.h"
#include "driver/bundle_owner.h"
#include "driver/stack_error.h"

// The parts of the batch on one stack, in the order of the batch.
struct batch {
  size_t count;
  size_t *vector;  // of each: its place in [batch][parts]
  struct duplex_sequence **sequences;
  duplex_f16 *q, *o;  // [count][query heads of a part][head_size]
};

static void free_batch(struct batch *batch) {
  free(batch->vector);
  free(batch->sequences);
  free(batch->q);
  free(batch->o);
}

// The elements of the query heads of one part.
static size_t queries_of_part(const struct attention_run *run) {
  return run->kv->part_heads * run->group * run->kv->options.head_size;
}

// Finds the parts and gathers their queries.
static int make_batch(const struct stack_run *on, struct batch *batch) {
  const struct attention_run *run = on->run;
  const struct duplex_device_decode *decode = &run->work->decode;
  const size_t elements = queries_of_part(run);
  const size_t parts = run->share[on->stack].decode_parts;
  *batch = (struct batch){.vector = malloc(parts * sizeof *batch->vector),
                          .sequences = malloc(parts * sizeof(struct duplex_sequence *)),
                          .q = malloc(parts * elements * sizeof *batch->q),
                          .o = malloc(parts * elements * sizeof *batch->o)};
  if (!batch->vector || !batch->sequences || !batch->q || !batch->o) {
    free_batch(batch);
    return stack_no_memory(run->kv->device->stack[on->stack]);
  }
  for (size_t i = 0; i < decode->batch; i++)
    for (unsigned number = 0; number < run->kv->parts; number++) {
      const struct kv_part *part = &decode->sequences[i]->part[number];
      if (part->stack != on->stack) continue;
      const size_t vector = i * run->kv->parts + number;
      memcpy(batch->q + batch->count * elements, decode->q + vector * elements, elements * sizeof *batch->q);
      batch->vector[batch->count] = vector;
      batch->sequences[batch->count++] = part->sequence;
    }
  return DUPLEX_OK;
}

// Results to where the caller wants them.
static void scatter(const struct stack_run *on, const struct batch *batch) {
  const size_t elements = queries_of_part(on->run);
  for (size_t i = 0; i < batch->count; i++)
    memcpy(on->run->work->decode.o + batch->vector[i] * elements, batch->o + i * elements,
           elements * sizeof *batch->o);
}

// K and V of a position, to each part of the stack.
static int write_positions(const struct stack_run *on) {
  const struct attention_run *run = on->run;
  const struct duplex_device_decode *decode = &run->work->decode;
  const size_t elements = run->kv->part_heads * run->kv->options.head_size;
  int error = DUPLEX_OK;
  for (size_t i = 0; i < decode->batch; i++)
    for (unsigned number = 0; number < run->kv->parts && !error; number++) {
      const struct kv_part *part = &decode->sequences[i]->part[number];
      const size_t at = (i * run->kv->parts + number) * elements;
      if (part->stack == on->stack)
        error = duplex_kv_append(part->sequence, run->work->layer, decode->k + at, decode->v + at, 1, 0);
    }
  return error;
}

int decode_append(const struct stack_run *on) {
  struct duplex_stack *stack = on->run->kv->device->stack[on->stack];
  struct duplex_backend *backend = stack->backend;
  int error = bundle_owner_set(stack, 0);
  if (!error) error = backend->ops->xpu_wait(backend);
  const uint64_t begin = backend->ops->clocks(backend);
  stack->timed_writes = true;
  if (!error) error = write_positions(on);
  stack->timed_writes = false;
  if (!error) error = backend->ops->xpu_wait(backend);
  on->run->share[on->stack].append = backend->ops->clocks(backend) - begin;
  return error;
}

// What the job took and did.
static void note_job(const struct stack_run *on) {
  struct attention_share *share = &on->run->share[on->stack];
  struct duplex_stack_stats stats;
  duplex_stack_last_stats(on->run->kv->device->stack[on->stack], &stats);
  share->logic_pim = stats.cycles;
  share->logic_pim_macs = stats.macs;
  share->logic_pim_bytes = stats.useful_bytes;
  share->instructions = stats.firmware_instructions;
}

int decode_attend(const struct stack_run *on, int (*begin)(void *on)) {
  const struct attention_run *run = on->run;
  struct stack_run context = *on;
  struct batch batch;
  int error = make_batch(on, &batch);
  if (error) return error;
  struct attention attention = {.cache = run->kv->cache[on->stack],
                                .layer = run->work->layer,
                                .sequences = batch.sequences,
                                .batch = batch.count,
                                .q_heads = run->kv->part_heads * run->group,
                                .q = batch.q,
                                .scale = run->work->scale,
                                .o = batch.o,
                                .bundles = KV_BUNDLES,
                                .begin = begin,
                                .context = &context};
  error = attention_run(&attention, NULL);
  if (!error) {
    note_job(on);
    scatter(on, &batch);
  }
  free_batch(&batch);
  return error;
}
