#include "cmodel/channel/attention_estimate.h"

#include "cmodel/stack/stack.h"

#define GET(field) DUPLEX_DESCRIPTOR_GET(d, field)
#define PASS_CLOCKS 100u  // from the last beat of a pass to the first of the next: pipelines, row activation

static uint64_t larger(uint64_t a, uint64_t b) { return a > b ? a : b; }

// Columns that one head's segment reads: of the last 64 positions of K only what there is, of V whole rows of 64 positions.
static uint64_t k_columns(const uint32_t *d) {
  return (uint64_t)attention_k_tiles(d) * (GET(LENGTH) / DUPLEX_WIDTH * DUPLEX_COLUMNS + (GET(LENGTH) % DUPLEX_WIDTH + 1) / 2);
}

static uint64_t v_columns(const uint32_t *d) {
  const uint32_t rows = GET(MODE) == 0 ? GET(HEAD_SIZE) : GET(MODE) == 2 ? attention_rows_of(d, GET(ROW_BLOCK)) : 0;
  return (uint64_t)(GET(LENGTH) + DUPLEX_WIDTH - 1) / DUPLEX_WIDTH * rows / 2;
}

static uint64_t o_columns(const uint32_t *d) {
  const uint32_t rows = GET(MODE) == 0 ? GET(HEAD_SIZE) : GET(MODE) == 2 ? attention_rows_of(d, GET(ROW_BLOCK)) : 0;
  return GET(LAST) ? rows * DUPLEX_LANES * 2 / DUPLEX_COLUMN_BYTES : 0;
}

static void count(struct duplex_stack *stack, unsigned channel, const uint32_t *d) {
  const uint64_t slots = attention_slots(d, channel, stack->channels), q = 4 * attention_k_tiles(d);
  struct channel_counters *counters = &stack->channel[channel].counters;
  const uint64_t streamed = slots * (k_columns(d) + v_columns(d)), read = streamed + slots * q, written = slots * o_columns(d);
  counters->columns_read += read;
  counters->columns_written += written;
  counters->beats += 2 * streamed;
  stack->commands.rd += read;
  stack->commands.wr += written;
}

void attention_estimate_start(struct duplex_stack *stack, const uint32_t *d) {
  struct attention_estimate *e = &stack->attention_clocks;
  const unsigned passes = GET(MODE) == 0 ? 1 + attention_k_tiles(d) : GET(MODE) == 1 ? 1 : 2;
  e->accepted = stack->clocks;
  e->fence = GET(FENCE);
  for (unsigned channel = 0; channel < stack->channels; channel++) {
    const uint64_t slots = attention_slots(d, channel, stack->channels);
    if (!slots) continue;
    count(stack, channel, d);
    const unsigned turn = e->turn[channel], last = (turn + DUPLEX_ATTENTION_QUEUE - 1) % DUPLEX_ATTENTION_QUEUE;
    const uint64_t clocks = slots * (2 * (k_columns(d) + v_columns(d)) + passes * PASS_CLOCKS);
    e->accepted = larger(e->accepted, e->end[channel][turn]);
    e->end[channel][turn] = larger(stack->clocks, e->end[channel][last]) + clocks;
    e->quiet = larger(e->quiet, e->end[channel][turn]);
    e->turn[channel] = (turn + 1) % DUPLEX_ATTENTION_QUEUE;
  }
}

bool attention_estimate_works(const struct duplex_stack *stack) { return stack->clocks < stack->attention_clocks.quiet; }

bool attention_estimate_busy(const struct duplex_stack *stack) {
  const struct attention_estimate *e = &stack->attention_clocks;
  return stack->clocks < (e->fence ? e->quiet : e->accepted);
}
