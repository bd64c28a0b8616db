// SPDX-License-Identifier: Apache-2.0
// One attention of a mixed stage on a device: what its steps share.
#ifndef DEVICE_ATTENTION_H
#define DEVICE_ATTENTION_H

#include "device/kv.h"
#include "driver/stack.h"

// What one stack does, and what it took, in clocks.
struct attention_share {
  size_t decode_parts;
  size_t prefill_bytes;  // of Q of the parts that are prefilled here
  struct region q;       // where Q lies, in the prefill space
  uint32_t q_row_sets;   // of it in each channel

  uint64_t append, hand_over, logic_pim, xpu_reads;
  uint64_t begin;          // the clock at which both sides begin
  uint64_t fetched_bytes;  // Q, K and V that the xPU read
  uint64_t logic_pim_macs, logic_pim_bytes, instructions;
};

struct attention_run {
  struct duplex_device_kv *kv;
  const struct duplex_device_attention *work;
  size_t group;              // query heads of a KV head
  uint64_t xpu_picoseconds;  // what the xPU tells of all prefills
  struct attention_share share[DUPLEX_STACKS_MOST];
};

// A run on one stack.
struct stack_run {
  struct attention_run *run;
  unsigned stack;
};

// Whether everything is there and where it has to be. ARGUMENT, OWNER.
int attention_check_work(const struct duplex_device_kv *kv, const struct duplex_device_attention *work);

// The xPU's side. Room for Q of all prefills in the prefill space: OUT_OF_SPACE, with nothing taken; and
// back.
int prefill_take_space(struct attention_run *run);
void prefill_give_space(const struct attention_run *run);
// Q of the stack's parts to DRAM: no time, it belongs to the work that made it.
int prefill_store_q(const struct stack_run *on);
// Queues the reads of the stack's parts and computes their numbers; the clock does not run.
int prefill_begin(const struct stack_run *on);

// Logic-PIM's side. The positions that the stack's parts get, in the xPU's time.
int decode_append(const struct stack_run *on);
// Attends; begin(on) is called when Logic-PIM has its bundles.
int decode_attend(const struct stack_run *on, int (*begin)(void *on));

#endif
