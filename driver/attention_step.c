// SPDX-License-Identifier: Apache-2.0
// A decode step: the xPU appends a position to each sequence and hands the KV spaces over, Logic-PIM attends.
#include "driver/arguments.h"
#include "driver/attention.h"
#include "driver/bundle_owner.h"
#include "driver/kv_sequence.h"
#include "driver/stack_error.h"
#include "duplex/error.h"

// The batch, and the position that each sequence gets: k and v[batch][heads][head_size].
struct step {
  struct attention attention;
  const duplex_f16 *k, *v;
};

// Space for all of them before anything is written.
static int reserve(const struct attention *a) {
  int error = DUPLEX_OK;
  for (size_t i = 0; i < a->batch && !error; i++) error = kv_reserve(a->sequences[i], a->layer, 1);
  for (size_t i = 0; i < a->batch && error; i++) kv_trim(a->sequences[i], a->layer);
  return error;
}

// Until all of the xPU's writes have gone out.
static int write(const struct step *s) {
  const struct attention *a = &s->attention;
  struct duplex_stack *stack = a->cache->stack;
  const size_t elements = (size_t)a->cache->heads * a->cache->head_size;
  int error = DUPLEX_OK;
  stack->timed_writes = true;
  for (size_t i = 0; i < a->batch && !error; i++)
    error = duplex_kv_append(a->sequences[i], a->layer, s->k + i * elements, s->v + i * elements, 1, 0);
  stack->timed_writes = false;
  if (error) return error;
  error = stack->backend->ops->xpu_wait(stack->backend);
  return error ? stack_fail(stack, error, "the xPU's writes: %s", stack_cause(stack, error)) : DUPLEX_OK;
}

// The xPU has had its spaces for long when k and v are there: what it does to take them is not the step's.
static int take_spaces(struct duplex_stack *stack, struct measurement *begun) {
  int error = start_measuring(stack, stack->bundles, begun);
  if (!error) error = bundle_owner_set(stack, 0);
  if (!error) error = stack->backend->ops->xpu_wait(stack->backend);
  if (!error) mark_start(stack, begun);
  return error;
}

int duplex_stack_attention_step(struct duplex_kv_cache *cache, unsigned layer,
                                struct duplex_sequence *const *sequences, size_t batch, const duplex_f16 *k,
                                const duplex_f16 *v, const duplex_f16 *q, size_t q_heads, double scale,
                                duplex_f16 *o) {
  struct step s = {.attention = {.cache = cache,
                                 .layer = layer,
                                 .sequences = sequences,
                                 .batch = batch,
                                 .q_heads = q_heads,
                                 .q = q,
                                 .scale = scale,
                                 .o = o},
                   .k = k,
                   .v = v};
  struct measurement begun;
  int error = attention_check(&s.attention, 1);
  if (!error) error = need_f16(cache->stack, "k", k);
  if (!error) error = need_f16(cache->stack, "v", v);
  if (error) return error;
  struct duplex_stack *stack = cache->stack;
  stack->error_text[0] = 0;
  error = reserve(&s.attention);
  if (!error) error = take_spaces(stack, &begun);
  if (!error) error = write(&s);
  if (error) return error;
  const uint64_t append_cycles = stack->backend->ops->clocks(stack->backend) - begun.clock;
  error = attention_run(&s.attention, &begun);
  if (error) return error;
  stack->stats.append_cycles = append_cycles;
  if (stack->stats.native_cycles) stack->stats.native_cycles += append_cycles;
  return DUPLEX_OK;
}
