// SPDX-License-Identifier: Apache-2.0
// The xPU's side of a mixed stage: Q, K and V from the prefill space by its own path, causal attention.
#include <stdlib.h>

#include "device/attention.h"
#include "device/xpu_works.h"
#include "driver/kv_sequence.h"
#include "driver/space.h"
#include "driver/stack_error.h"
#include "driver/transfer.h"
#include "duplex/arithmetic.h"

// One part of a prefill on its stack.
struct part_work {
  const struct stack_run *on;
  const struct duplex_device_prefill *prefill;
  unsigned number;
  size_t q_at;  // of its Q in that of the stack, in bytes
};

// Bytes of Q, and of o, of one part.
static size_t q_bytes(const struct attention_run *run, const struct duplex_device_prefill *prefill) {
  return run->kv->part_heads * run->group * prefill->positions * run->kv->options.head_size *
         sizeof(duplex_f16);
}

// Calls `what` for each part that is prefilled on the stack.
static int each_part(const struct stack_run *on, int (*what)(const struct part_work *part)) {
  const struct attention_run *run = on->run;
  size_t at = 0;
  for (size_t i = 0; i < run->work->prefill_count; i++)
    for (unsigned number = 0; number < run->kv->parts; number++) {
      const struct duplex_device_prefill *prefill = &run->work->prefills[i];
      if (prefill->sequence->part[number].stack != on->stack) continue;
      const struct part_work part = {on, prefill, number, at};
      const int error = what(&part);
      if (error) return error;
      at += q_bytes(run, prefill);
    }
  return DUPLEX_OK;
}

static int count_q(const struct part_work *part) {
  part->on->run->share[part->on->stack].prefill_bytes += q_bytes(part->on->run, part->prefill);
  return DUPLEX_OK;
}

// Q of a stack: its row sets go to the channels in turn.
static int take_on_stack(const struct stack_run *on) {
  struct duplex_stack *stack = on->run->kv->device->stack[on->stack];
  struct attention_share *share = &on->run->share[on->stack];
  each_part(on, count_q);
  const size_t round = (size_t)DUPLEX_ROW_SET_BYTES * stack->channels;
  const size_t row_sets = (share->prefill_bytes + round - 1) / round;
  if (row_sets == 0) return DUPLEX_OK;
  if (row_sets > DUPLEX_BANK_ROWS ||
      !space_take_mailbox(stack->space, PREFILL_BUNDLES, (uint32_t)row_sets, &share->q))
    return device_fail(
        on->run->kv->device, DUPLEX_ERROR_OUT_OF_SPACE,
        "stack %u: the prefill space (bundle 3) has %u row sets in a run in each channel beside "
        "its pages: %zu were asked for, for queries",
        on->stack, space_longest(stack->space, PREFILL_BUNDLES), row_sets);
  share->q_row_sets = (uint32_t)row_sets;
  return DUPLEX_OK;
}

int prefill_take_space(struct attention_run *run) {
  int error = DUPLEX_OK;
  for (unsigned i = 0; i < run->kv->device->stacks && !error; i++) {
    const struct stack_run on = {run, i};
    error = take_on_stack(&on);
  }
  if (error) prefill_give_space(run);
  return error;
}

void prefill_give_space(const struct attention_run *run) {
  for (unsigned i = 0; i < run->kv->device->stacks; i++)
    if (run->share[i].q_row_sets)
      space_give(run->kv->device->stack[i]->space, run->share[i].q, run->share[i].q_row_sets);
}

// The stretch of a part's Q from byte `done` on that lies in one row set.
struct stretch {
  unsigned channel;
  struct region region;
  size_t offset, bytes;
};

static struct stretch stretch_of(const struct part_work *part, size_t done, size_t size) {
  const struct attention_share *share = &part->on->run->share[part->on->stack];
  const unsigned channels = part->on->run->kv->device->stack[part->on->stack]->channels;
  const size_t at = part->q_at + done;
  const size_t row_set = at / DUPLEX_ROW_SET_BYTES;
  const size_t offset = at % DUPLEX_ROW_SET_BYTES;
  return (struct stretch){(unsigned)(row_set % channels),
                          {share->q.base + (uint32_t)(row_set / channels), share->q.stripe},
                          offset,
                          duplex_smaller(size - done, DUPLEX_ROW_SET_BYTES - offset)};
}

static int store_q(const struct part_work *part) {
  struct duplex_stack *stack = part->on->run->kv->device->stack[part->on->stack];
  const size_t size = q_bytes(part->on->run, part->prefill);
  const uint8_t *q = (const uint8_t *)part->prefill->q + part->number * size;
  int error = DUPLEX_OK;
  for (size_t done = 0; done < size && !error;) {
    const struct stretch s = stretch_of(part, done, size);
    error = region_write(stack, s.channel, s.region, s.offset, q + done, s.bytes);
    done += s.bytes;
  }
  return error;
}

int prefill_store_q(const struct stack_run *on) { return each_part(on, store_q); }

static int fetch_q(const struct part_work *part, duplex_f16 *q) {
  struct duplex_stack *stack = part->on->run->kv->device->stack[part->on->stack];
  const size_t size = q_bytes(part->on->run, part->prefill);
  int error = DUPLEX_OK;
  for (size_t done = 0; done < size && !error;) {
    const struct stretch s = stretch_of(part, done, size);
    error = region_fetch(stack, s.channel, s.region, s.offset, (uint8_t *)q + done, s.bytes);
    done += s.bytes;
  }
  return error;
}

// Keys of a prefill that none of its positions sees: from behind the pinned ones on.
static size_t left_out(const struct part_work *part) {
  const size_t window = kv_window(part->on->run->kv, part->on->run->work->layer);
  const size_t first = part->prefill->first;
  const size_t pinned = part->on->run->kv->options.pinned;
  return window && first + 1 > window + pinned ? first + 1 - window - pinned : 0;
}

// The part's numbers, of what was read: K and V without the keys that are left out.
static int compute(const struct part_work *part, const duplex_f16 *q, const duplex_f16 *k,
                   const duplex_f16 *v) {
  const struct attention_run *run = part->on->run;
  const struct duplex_device_kv *kv = run->kv;
  const size_t positions = part->prefill->positions;
  const size_t head_size = kv->options.head_size;
  const size_t first = part->prefill->first - left_out(part);
  const struct duplex_xpu_work work = {
      .kind = DUPLEX_XPU_PREFILL,
      .prefill = {
          .heads = (unsigned)run->group * kv->part_heads,
          .kv_heads = kv->part_heads,
          .dimension = (unsigned)head_size,
          .first = (uint32_t)first,
          .tokens = (uint32_t)positions,
          .window = kv_window(kv, run->work->layer),
          .pinned = kv->options.pinned,
          .q = q,
          .k = k,
          .v = v,
          .kv_stride = (first + positions) * head_size,
          .scale = duplex_attention_scale(run->work->scale, (unsigned)head_size),
          .wide = kv->options.p32,
          .out = part->prefill->o + part->number * (q_bytes(run, part->prefill) / sizeof(duplex_f16))}};
  return device_xpu_run(kv->device, part->on->stack, &work);
}

// The pinned positions, and those behind the ones that are left out.
static int fetch_head(const struct duplex_sequence *own, unsigned layer, unsigned head, size_t left,
                      size_t pinned, duplex_f16 *k, duplex_f16 *v, size_t positions) {
  const size_t behind = pinned * own->cache->head_size;
  if (left == 0) return kv_fetch(own, layer, head, 0, k, v, positions);
  const int error = kv_fetch(own, layer, head, 0, k, v, pinned);
  return error ? error
               : kv_fetch(own, layer, head, pinned + left, k + behind, v + behind, positions - pinned);
}

// K and V[heads of the part][positions][head_size], without the keys that are left out.
static int fetch_kv(const struct part_work *part, duplex_f16 *k, duplex_f16 *v, size_t positions) {
  const struct attention_run *run = part->on->run;
  const struct duplex_sequence *own = part->prefill->sequence->part[part->number].sequence;
  const size_t of_head = positions * run->kv->options.head_size;
  int error = DUPLEX_OK;
  for (unsigned head = 0; head < run->kv->part_heads && !error; head++)
    error = fetch_head(own, run->work->layer, head, left_out(part), run->kv->options.pinned,
                       k + head * of_head, v + head * of_head, positions);
  return error;
}

// Computes the heads of one stack for one prefill: q, K and V come from its DRAM, o goes to the host.
static int attend_part(const struct part_work *part) {
  struct attention_run *run = part->on->run;
  struct duplex_stack *stack = run->kv->device->stack[part->on->stack];
  struct attention_share *share = &run->share[part->on->stack];
  const size_t positions = part->prefill->first - left_out(part) + part->prefill->positions;
  const size_t of_q = q_bytes(run, part->prefill);
  const size_t of_k = run->kv->part_heads * positions * run->kv->options.head_size * sizeof(duplex_f16);
  duplex_f16 *q = malloc(of_q);
  duplex_f16 *k = malloc(of_k);
  duplex_f16 *v = malloc(of_k);
  int error = q && k && v ? DUPLEX_OK : stack_no_memory(stack);
  if (!error) error = fetch_q(part, q);
  if (!error) error = fetch_kv(part, k, v, positions);
  share->fetched_bytes += of_q + 2 * of_k;
  if (!error) error = compute(part, q, k, v);
  free(q);
  free(k);
  free(v);
  return error;
}

int prefill_begin(const struct stack_run *on) { return each_part(on, attend_part); }
