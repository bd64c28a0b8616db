// A decode step: the xPU appends a position to each sequence and hands the KV spaces over, Logic-PIM attends.
#include "driver/counters.h"
#include "driver/kv_cache.h"
#include "duplex/error.h"

struct step {
  struct duplex_kv_cache *cache;
  unsigned layer;
  struct duplex_sequence *const *sequences;
  size_t batch;
  const duplex_f16 *k, *v;
};

// Space for all of them before anything is written.
static int reserve(const struct step *s) {
  int error = DUPLEX_OK;
  for (size_t i = 0; i < s->batch && !error; i++) error = kv_reserve(s->sequences[i], s->layer, 1);
  for (size_t i = 0; i < s->batch && error; i++) kv_trim(s->sequences[i], s->layer);
  return error;
}

static int write(const struct step *s) {
  struct duplex_stack *stack = s->cache->stack;
  const size_t elements = (size_t)s->cache->heads * s->cache->head_size;
  int error = DUPLEX_OK;
  stack->timed_writes = true;
  for (size_t i = 0; i < s->batch && !error; i++)
    error = duplex_kv_append(s->sequences[i], s->layer, s->k + i * elements, s->v + i * elements, 1, 0);
  stack->timed_writes = false;
  if (error) return error;
  error = stack->backend->ops->xpu_wait(stack->backend);
  return error ? stack_fail(stack, error, "the xPU's writes: %s", stack_cause(stack, error)) : DUPLEX_OK;
}

// The xPU has had its spaces for long when k and v are there: what it does to take them is not the step's.
static int take_spaces(struct duplex_stack *stack, struct measurement *begun) {
  int error = start_measuring(stack, begun);
  if (!error) error = stack_own(stack, 0);
  if (!error) error = stack->backend->ops->xpu_wait(stack->backend);
  if (!error) mark_start(stack, begun);
  return error;
}

int duplex_stack_attention_step(struct duplex_kv_cache *cache, unsigned layer,
                                struct duplex_sequence *const *sequences, size_t batch, const duplex_f16 *k,
                                const duplex_f16 *v, const duplex_f16 *q, size_t q_heads, double scale,
                                duplex_f16 *o) {
  const struct step s = {cache, layer, sequences, batch, k, v};
  struct duplex_stack *stack = cache->stack;
  struct measurement begun;
  stack->error_text[0] = 0;
  int error = attention_check(cache, layer, sequences, batch, q_heads, scale, 1);
  if (!error) error = reserve(&s);
  if (!error) error = take_spaces(stack, &begun);
  if (!error) error = write(&s);
  if (error) return error;
  const uint64_t append_cycles = stack->backend->ops->clocks(stack->backend) - begun.clock;
  error = attention_since(&begun, cache, layer, sequences, batch, q, q_heads, scale, o);
  if (error) return error;
  stack->stats.append_cycles = append_cycles;
  if (stack->stats.native_cycles) stack->stats.native_cycles += append_cycles;
  return DUPLEX_OK;
}
