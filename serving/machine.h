// SPDX-License-Identifier: Apache-2.0
// A system of nodes and devices: rates, links, energies, memory, as the costs of a stage use them.
#ifndef SERVING_MACHINE_H
#define SERVING_MACHINE_H

#include "serving/kernels.h"
#include "serving/model.h"
#include "serving/serving.h"
#include "xpu/time.h"

enum machine_beside { BESIDE_NONE, BESIDE_LOGIC_PIM, BESIDE_BANK_PIM, BESIDE_BANKGROUP_PIM };
enum machine_layout { LAYOUT_TOGETHER, LAYOUT_HETERO, LAYOUT_SPLIT };

// What a processor reaches, of one device.
struct processor {
  double flops, bytes;   // per second
  double dram_j, mac_j;  // joule for a byte of DRAM, for a multiply and accumulate
};

// Multiply-accumulates and bytes of DRAM.
struct work {
  double macs, bytes;
};

struct machine {
  enum serving_mode mode;
  unsigned beside, layout;  // enum machine_beside, machine_layout
  bool co_processing, expert_tensor;
  bool only_prefills, only_decodes;  // nodes of prompts, and those that go on with them
  unsigned nodes, per_node;          // devices of a node
  unsigned xpus, pims;               // of a node: devices whose xPU works, and whose Logic-PIM
  struct processor xpu, pim;
  double node_rate, node_latency, between_rate, between_latency;  // of a device, bytes per second, seconds
  struct xpu_time_model xpu_time;                                 // FULL
  struct kernels *kernels;                                        // FULL: measured ones; or NULL
  double launch;                                                  // of a kernel, seconds
  double memory;                                                  // bytes of a device
  unsigned copies;                                                // of each expert: 1 or 2
  unsigned clock_khz;                                             // of Logic-PIM: two tCK of its DRAM
  double clock;                                                   // the same per second
  bool strict;                                                    // activation rule of its DRAM
  bool rounded_sums;                                              // partial sums of Logic-PIM are binary32
  bool controller;                                                // its firmware runs on the RV32 controller
  double context_share;  // AUTHORS: positions of a decoding sequence, of the mean of both lengths
};

int machine_read(struct machine *machine, const struct serving_options *options,
                 const struct serving_model *model, char *error, size_t size);
// Whether some mode may have these constants. Returns 0 or a code, with a line in `error`.
int machine_check_constants(const char *name, char *error, size_t size);
// Only what the system is made of: mode, beside, layout, co_processing, expert_tensor, nodes, and the devices
// of a node.
int machine_read_parts(struct machine *machine, const struct serving_options *options,
                       const struct serving_model *model, char *error, size_t size);
// The machine of the nodes that prefill, of which there are so many, all weights on them, too; what is left
// of *machine decodes. Returns 0 or a code, with a line in `error`.
int machine_split_nodes(struct machine *machine, struct machine *prefill,
                        const struct serving_options *options, const struct serving_model *model, char *error,
                        size_t size);
// Measured kernels, which stay the caller's, in place of formulas.
void machine_use_kernels(struct machine *machine, struct kernels *kernels);

// Bytes that the experts keep from everything else, in all devices together. The second copy of a layer's
// lies in one bundle of four, and the first in the others: which, the layers take in turns. What is else
// there lies in all bundles alike, so it is the fullest one that counts.
double machine_expert_bytes(const struct machine *machine, const struct serving_model *model);
// Bytes for K and V in all devices together; below 0: the weights do not fit.
double machine_kv_capacity(const struct machine *machine, const struct serving_model *model);
// HETERO: bytes that the weights other than experts leave of the devices whose xPU works; below 0: they do
// not fit.
double machine_xpu_room(const struct machine *machine, const struct serving_model *model);

// Seconds of an all-reduce of so many bytes over d devices of a node: 2 (d - 1) steps, each with the latency
// and a slice of 1 / d. FULL: two steps, in each of which every device sends d - 1 slices through the switch.
double machine_all_reduce(const struct machine *machine, unsigned devices, double bytes);
// HETERO: from one half of a node to the other, in one step.
double machine_across(const struct machine *machine, double bytes);

#endif
