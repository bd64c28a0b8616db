// SPDX-License-Identifier: Apache-2.0
// The experts of a layer on all devices: where they are, who runs which, what that takes.
#ifndef SERVING_EXPERTS_H
#define SERVING_EXPERTS_H

#include "serving/machine.h"

struct experts;

// Groups of devices, experts and devices of each.
struct expert_layout {
  unsigned groups, of_group, devices;
};
struct expert_layout experts_layout(const struct machine *machine, const struct serving_model *model);

// Of all devices; seconds of the slowest, busy ones in the mean of the devices. checked: of the seconds, see
// struct serving_cost. beside: bytes of DRAM that tokens and partial sums take.
struct experts_cost {
  double seconds, checked, xpu_busy, pim_busy;
  struct work work;
  double beside;
  double dram_j, comp_j, pim_dram_j;
};

// NULL: too little memory. Machine and model stay the caller's.
struct experts *experts_open(const struct machine *machine, const struct serving_model *model,
                             enum serving_policy policy);
void experts_close(struct experts *experts);

// Whether there is a cycle model of all that runs the experts: of Logic-PIM with weights of 16 bits.
bool experts_have_tables(const struct machine *machine, const struct serving_model *model);

// counts[e]: tokens of each expert of the layer. FULL: adds what is charged beside the sides to
// charge[SERVING_CHARGES].
struct experts_cost experts_run(struct experts *experts, const unsigned *counts, double *charge);

#endif
