// The next descriptor and the jobs under way, clock by clock, as rtl/control/operation_controller.v with
// descriptor_ring.v and the clocks of descriptor_check.v.
#include <string.h>

#include "cmodel/stack/stack.h"

#define GET(field) DUPLEX_DESCRIPTOR_GET(d, field)

enum { FETCH_CLOCKS = 18, CHECK_CLOCKS = 61, SEEN = 4 };

uint32_t stack_channel_share(const struct stack_model *stack, const uint32_t *d, unsigned channel,
                             uint32_t *address) {
  if (GET(OPCODE) == 1) {
    *address = GET(DST_ADDRESS) + channel * 4 * DUPLEX_TILE_WORDS;
    return GET(TILES) / stack->channels + (channel < GET(TILES) % stack->channels);
  }
  const uint64_t first = (uint64_t)channel * GET(CHANNEL_ROWS);
  const uint32_t left = first < GET(ROWS) ? (uint32_t)(GET(ROWS) - first) : 0;
  *address = GET(DST_ADDRESS) + (uint32_t)(GET(GATED) ? first / 2 : first);
  return left < GET(CHANNEL_ROWS) ? left : GET(CHANNEL_ROWS);
}

static void fetch(struct stack_model *stack) {
  struct operation_controller *c = &stack->controller;
  const unsigned slot = stack->registers.index % DUPLEX_RING_ENTRIES;
  memcpy(c->descriptor, &stack->ring[slot * DUPLEX_DESCRIPTOR_WORDS], sizeof c->descriptor);
  c->code =
      stack_descriptor_check(c->descriptor, stack->channels, stack->registers.bundle_owner, &c->address);
}

static void enter(struct operation_controller *c, unsigned next, unsigned wait) {
  c->next = next;
  c->wait = wait;
}

static void next_clock(struct stack_model *stack, bool run, bool launch, bool refuse) {
  struct operation_controller *c = &stack->controller;
  const bool over = c->wait == 0;
  c->wait -= !over;
  c->fetched = c->next == NEXT_FETCH && over;
  if (c->next == NEXT_IDLE && run) {
    enter(c, NEXT_FETCH, FETCH_CLOCKS - 1);
  } else if (c->fetched) {
    fetch(stack);
    enter(c, NEXT_CHECK, CHECK_CLOCKS - 1);
  } else if (c->next == NEXT_CHECK && over) {
    enter(c, c->code ? NEXT_READY : NEXT_SHARE, c->code ? 0 : stack->channels - 1);
  } else if (c->next == NEXT_SHARE && over) {
    enter(c, NEXT_READY, 0);
  } else if (launch || refuse) {
    enter(c, NEXT_IDLE, 0);
  }
  c->error = refuse;
}

static unsigned seen(unsigned history, bool busy) { return busy ? 0 : (history << 1 | 1) & 7; }

// Busy signals as they stood in the registers of rtl/stack/stack.v.
static void watch(struct stack_model *stack, bool settled, bool launch, bool completed) {
  struct operation_controller *c = &stack->controller;
  if (!settled || launch) {
    c->quiet = c->older = c->front = 0;
    return;
  }
  c->quiet = seen(c->quiet, stack->work_busy);
  c->older = seen(c->older, stack->older_busy || completed);
  c->front = seen(c->front, stack->front_busy);
}

void operation_controller_clock(struct stack_model *stack, struct registers_in *registers) {
  struct operation_controller *c = &stack->controller;
  const uint32_t *d = c->descriptor;
  const bool settled = c->start == 0, ready = c->next == NEXT_READY, load = GET(OPCODE) == 1,
             attention = GET(OPCODE) == 3;
  const bool chain = GET(CHAIN) && !(load && stack->job.load) && !c->attention;
  const bool quiet = settled && c->quiet >= SEEN;
  const bool completed = c->flight && (c->flight == 2 ? settled && c->older >= SEEN : quiet);
  const bool free = attention
                        ? c->flight == 0 && stack->segment_room
                        : (c->flight == 0 && !c->attention) || (chain && c->flight == 1 && c->front >= SEEN);
  const bool launch = ready && !c->code && settled && !completed && free;
  const bool refuse = ready && c->code && settled && c->flight == 0 && !c->attention;
  const bool accepted = launch && attention && !GET(FENCE);
  const bool run = registers_run(stack) && !c->error, oldest = c->flight == 2 ? !c->parity : c->parity;
  *registers =
      (struct registers_in){.busy = c->next != NEXT_IDLE || c->flight || c->attention || c->completed,
                            .fetch = c->next == NEXT_IDLE && run,
                            .fetched = c->fetched,
                            .completed = c->completed,
                            .completed_interrupt = c->completed_interrupt,
                            .error = c->error,
                            .error_code = c->code,
                            .error_address = c->address,
                            .error_tag = GET(TAG)};
  watch(stack, settled, launch, completed);
  c->completed = completed || accepted;
  c->completed_interrupt = accepted ? GET(INTERRUPT) : c->interrupt[oldest];
  c->complete[0] = completed && !oldest;
  c->complete[1] = completed && oldest;
  c->start = (c->start << 1 | launch) & 3;
  c->flight += (unsigned)(launch && !accepted) - (unsigned)completed;
  c->attention = (launch && attention) || (c->attention && !quiet);
  if (launch) {
    if (!attention) c->parity = !c->parity;  // as the channels count their jobs
    c->interrupt[c->parity] = GET(INTERRUPT);
    memcpy(c->job, d, sizeof c->job);
  }
  next_clock(stack, run, launch, refuse);
}
