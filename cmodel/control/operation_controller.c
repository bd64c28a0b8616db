// SPDX-License-Identifier: Apache-2.0
// The next descriptor and the jobs under way, clock by clock, as rtl/control/operation_controller.v with
// descriptor_ring.v and the clocks of descriptor_check.v.
#include "cmodel/control/operation_controller.h"

#include <string.h>

#include "cmodel/control/descriptor_check.h"
#include "duplex/descriptor.h"

enum { FETCH_CLOCKS = 18, CHECK_CLOCKS = 61, SEEN = 4 };

bool operation_controller_busy(const struct operation_controller *c) {
  return c->next != NEXT_IDLE || c->flight || c->attention || c->completed;
}

// Takes a descriptor out of the ring, and its error code.
static void fetch(struct operation_controller *c, const struct controller_in *in) {
  const struct stack_registers *r = in->registers;
  const unsigned slot = r->index % DUPLEX_RING_ENTRIES;
  memcpy(c->descriptor, &r->ring[slot * DUPLEX_DESCRIPTOR_WORDS], sizeof c->descriptor);
  c->code = descriptor_check(c->descriptor, in->channels, r->bundle_owner, &c->address);
}

// The next descriptor goes into state `next` and stays there for `wait` clocks more than one.
static void enter(struct operation_controller *c, unsigned next, unsigned wait) {
  c->next = next;
  c->wait = wait;
}

// The next descriptor: fetched, checked, shared out, ready.
static void next_clock(struct operation_controller *c, const struct controller_in *in, bool run, bool launch,
                       bool refuse) {
  const bool over = c->wait == 0;
  c->wait -= !over;
  c->fetched = c->next == NEXT_FETCH && over;
  if (c->next == NEXT_IDLE && run) {
    enter(c, NEXT_FETCH, FETCH_CLOCKS - 1);
  } else if (c->fetched) {
    fetch(c, in);
    enter(c, NEXT_CHECK, CHECK_CLOCKS - 1);
  } else if (c->next == NEXT_CHECK && over) {
    enter(c, c->code ? NEXT_READY : NEXT_SHARE, c->code ? 0 : in->channels - 1);
  } else if (c->next == NEXT_SHARE && over) {
    enter(c, NEXT_READY, 0);
  } else if (launch || refuse) {
    enter(c, NEXT_IDLE, 0);
  }
  c->error = refuse;
}

// A busy signal that was low, one bit a clock.
static unsigned seen(unsigned history, bool busy) { return busy ? 0 : (history << 1 | 1) & 7; }

// How long each busy signal has been low since the last start.
static void watch(struct operation_controller *c, const struct controller_in *in, bool settled, bool launch,
                  bool completed) {
  if (!settled || launch) {
    c->quiet = c->older = c->front = 0;
    return;
  }
  c->quiet = seen(c->quiet, in->work_busy);
  c->older = seen(c->older, in->older_busy || completed);
  c->front = seen(c->front, in->front_busy);
}

// What the registers see of the controller in this clock; `run`: they let a descriptor be fetched.
static struct registers_in report(const struct operation_controller *c, bool run) {
  return (struct registers_in){.busy = operation_controller_busy(c),
                               .fetch = c->next == NEXT_IDLE && run,
                               .fetched = c->fetched,
                               .completed = c->completed,
                               .completed_interrupt = c->completed_interrupt,
                               .error = c->error,
                               .error_code = c->code,
                               .error_address = c->address,
                               .error_tag = DUPLEX_DESCRIPTOR_GET(c->descriptor, TAG)};
}

void operation_controller_clock(struct operation_controller *c, const struct controller_in *in,
                                struct registers_in *registers) {
  const uint32_t *d = c->descriptor;
  const bool settled = c->start == 0;
  const bool ready = c->next == NEXT_READY;
  const bool load = DUPLEX_DESCRIPTOR_GET(d, OPCODE) == DUPLEX_OPCODE_LOAD;
  const bool attention = DUPLEX_DESCRIPTOR_GET(d, OPCODE) == DUPLEX_OPCODE_ATTENTION;
  const bool chain = DUPLEX_DESCRIPTOR_GET(d, CHAIN) && !(load && in->job_is_load) && !c->attention;
  const bool quiet = settled && c->quiet >= SEEN;
  const bool completed = c->flight && (c->flight == 2 ? settled && c->older >= SEEN : quiet);
  const bool empty = c->flight == 0 && !c->attention;
  const bool beside = chain && c->flight == 1 && c->front >= SEEN;
  const bool free = attention ? c->flight == 0 && in->segment_room : empty || beside;
  const bool launch = ready && !c->code && settled && !completed && free;
  const bool refuse = ready && c->code && settled && c->flight == 0 && !c->attention;
  const bool accepted = launch && attention && !DUPLEX_DESCRIPTOR_GET(d, FENCE);
  const bool run = registers_run(in->registers) && !c->fetched && !c->error;
  const bool oldest = c->flight == 2 ? !c->parity : c->parity;
  *registers = report(c, run);
  watch(c, in, settled, launch, completed);
  c->completed = completed || accepted;
  c->completed_interrupt = accepted ? DUPLEX_DESCRIPTOR_GET(d, INTERRUPT) : c->interrupt[oldest];
  c->complete[0] = completed && !oldest;
  c->complete[1] = completed && oldest;
  c->start = (c->start << 1 | launch) & 3;
  c->flight += (unsigned)(launch && !accepted) - (unsigned)completed;
  c->attention = (launch && attention) || (c->attention && !quiet);
  if (launch) {
    if (!attention) c->parity = !c->parity;  // as the channels count their jobs
    c->interrupt[c->parity] = DUPLEX_DESCRIPTOR_GET(d, INTERRUPT);
    memcpy(c->job, d, sizeof c->job);
  }
  next_clock(c, in, run, launch, refuse);
}
