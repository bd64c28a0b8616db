// SPDX-License-Identifier: Apache-2.0
// The next descriptor and the jobs under way, clock by clock, as rtl/control/operation_controller.v.
#ifndef DUPLEX_CMODEL_OPERATION_CONTROLLER_H
#define DUPLEX_CMODEL_OPERATION_CONTROLLER_H

#include "cmodel/control/registers.h"

struct operation_controller {
  enum { NEXT_IDLE, NEXT_FETCH, NEXT_CHECK, NEXT_SHARE, NEXT_READY } next;
  unsigned wait;                                 // clocks left in this state
  uint32_t descriptor[DUPLEX_DESCRIPTOR_WORDS];  // the next one
  uint32_t code, address;
  bool fetched, error;
  unsigned flight, start;  // jobs under way; the clocks of a start
  bool parity, interrupt[2];
  bool attention;                // segments may be at work
  unsigned quiet, older, front;  // what was seen, one bit a clock
  bool completed, completed_interrupt, complete[2];
  uint32_t job[DUPLEX_DESCRIPTOR_WORDS];  // the last one started
};

// What the controller sees in a clock; the busy signals as they stood in the registers of rtl/stack/stack.v.
struct controller_in {
  unsigned channels;
  const struct stack_registers *registers;
  bool job_is_load;  // the last job that the channels were given
  bool front_busy, older_busy, work_busy;
  bool segment_room;  // in every channel's queue
};

// Something is under way, or was until this clock.
bool operation_controller_busy(const struct operation_controller *c);
// One clock, and what the registers are told in it.
void operation_controller_clock(struct operation_controller *c, const struct controller_in *in,
                                struct registers_in *registers);

#endif
