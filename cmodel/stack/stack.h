// SPDX-License-Identifier: Apache-2.0
// The C model of a stack: what computes (cmodel/execute) and what keeps time (the units of the RTL) joined.
// The public face is duplex/backend.h.
#ifndef DUPLEX_CMODEL_STACK_H
#define DUPLEX_CMODEL_STACK_H

#include <stdbool.h>

#include "cmodel/channel/channel.h"
#include "cmodel/control/broadcast.h"
#include "cmodel/control/operation_controller.h"
#include "cmodel/control/result_bus.h"
#include "cmodel/control/result_pending.h"
#include "cmodel/execute/worker.h"
#include "cmodel/stack/twins.h"
#include "duplex/backend.h"
#include "duplex/xpu_traffic.h"

struct stack_model {
  struct duplex_backend backend;
  unsigned channels;
  struct duplex_dram_timing timing;
  bool xpu_streams;
  struct duplex_hbm *hbm;
  struct execution execution;
  struct worker worker;  // computes beside the clock
  uint64_t clocks;
  struct duplex_dram_commands commands;
  // the clocks of the units
  struct stack_registers registers;
  struct operation_controller controller;
  struct job_timing job;
  struct channel_timing channel[DUPLEX_CHANNELS];  // of a twin: its leader's counts
  struct twins twins;
  struct broadcast broadcast;
  struct result_bus bus;
  struct result_pending pending[2];
  bool front_busy, older_busy, work_busy;
  bool segment_room;               // in every channel's queue
  bool interrupt;                  // the line in the last clock
  unsigned settled;                // clocks since the last work, up to those in which all comes to rest
  uint64_t rose_at, fell_at;       // counts of clocks with which it changed last, 0: never
  unsigned open;                   // bundles with open rows
  unsigned owner;                  // as the DRAM and the xPU know it
  struct duplex_xpu_traffic *xpu;  // one for each channel
};

// The reset line, low for the clocks of a reset: everything but the cells of the DRAM is as after open, and
// the clock goes on. An error of a job that was under way.
int stack_reset(struct stack_model *stack);

#endif
