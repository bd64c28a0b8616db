// SPDX-License-Identifier: Apache-2.0
// One run of an MoE layer on a device: what its steps share.
#ifndef DEVICE_RUN_H
#define DEVICE_RUN_H

#include <pthread.h>

#include "device/dispatch.h"
#include "device/layer.h"
#include "device/share.h"

#define RUN_TOKENS_MOST 4096u  // of a layer

struct moe_run {
  struct duplex_device *device;
  const struct duplex_moe *moe;
  const struct moe_stage *stage;  // of the layer, that is done now
  const duplex_f16 *x;            // [tokens][hidden]
  size_t tokens;
  struct dispatch dispatch;
  uint32_t counts[DUPLEX_EXPERTS_MOST];  // tokens of each expert
  struct schedule_decision decision;
  unsigned groups[MOE_STAGES];  // of the expert that is divided by its tokens, Logic-PIM's in each stage
  uint64_t estimate[DUPLEX_EXPERTS_MOST];  // what the xPU tells of each expert in the phase that is run
  // The firmware of a stack decides for itself, and has to come to the same: if the schedule's pieces are the
  // layer's. `decided`: it has, in this run.
  bool firmware_decides;
  bool decided[DUPLEX_STACKS_MOST];
  struct run_job {
    struct duplex_job *job;  // NULL: there is none, or its results were read
    bool brought, finished;
    bool decides;                                  // on an RV32 controller
  } job[DUPLEX_STACKS_MOST][DUPLEX_LAYER_PIECES];  // Logic-PIM's share of each piece
  // Exact sums [pairs][hidden] in the order of the dispatch, 16 bytes each: of the xPU, and of Logic-PIM
  // unless partial sums are rounded.
  uint8_t *sums;
  pthread_mutex_t lock;  // of the sums
  // Rounded partial sums, [pairs][hidden] of each stack and piece; NULL: none.
  duplex_f32 *rounded[DUPLEX_STACKS_MOST][DUPLEX_LAYER_PIECES];
  // Where h is gathered, in the order of the dispatch: h [pairs][inner], and y_e [pairs][hidden].
  duplex_f16 *h;
  duplex_f32 *y;
};

// The bundles that Logic-PIM owns in a phase: those of the decision, as the layer has them.
unsigned run_owned(const struct moe_run *run, unsigned phase);

// The cut of an expert's piece on a stack, of the run's stage: parts that Logic-PIM does. 0 for a piece that
// the expert has not.
unsigned run_cut(const struct moe_run *run, unsigned stack, unsigned piece, unsigned expert);

// Tokens of an expert that its cut is of, the first ones: all, or those that Logic-PIM has of an expert that
// is divided by its tokens.
unsigned run_cut_tokens(const struct moe_run *run, unsigned expert);

// Phases in which any side has work: a mask.
unsigned run_phases(const struct moe_run *run);

// The xPU's share of it: the parts behind the cut of all tokens; or all parts of the others, if the expert is
// divided by its tokens.
struct share run_share(const struct moe_run *run, unsigned stack, unsigned piece, unsigned expert);

// Whether there is anything in it.
bool run_is_shared(const struct moe_run *run, unsigned stack, unsigned piece, unsigned expert);

// x of the tokens of a share, row by row.
void run_gather(const struct moe_run *run, const struct share *share, duplex_f16 *rows);

#endif
