// SPDX-License-Identifier: Apache-2.0
// Mode full: what a layer of experts costs beside the work of both sides, as device/ has it (docs/device.md,
// "What the times are").
#ifndef SERVING_PHASES_H
#define SERVING_PHASES_H

#include "serving/machine.h"

// Tokens that go to each stack, and partial sums that come back, in bytes.
struct traffic {
  double x, sums;
};

// The two phases of a layer on a device (struct schedule_decision): in phase f Logic-PIM works pim[f] seconds
// while the xPU works xpu[1 - f].
struct phases {
  double pim[2], xpu[2];
  struct traffic traffic[2];  // of Logic-PIM's experts in each phase
  bool turns;                 // one side at a time: all of Logic-PIM's in phase 0
  bool decided, halved;       // by a policy; of experts in two halves
  unsigned tokens, experts;   // of the stage; of the device
};

// Adds an expert of `count` tokens that Logic-PIM has a share of.
void phases_add_expert(const struct machine *machine, unsigned hidden, unsigned count,
                       struct traffic *traffic);
// Adds seconds to charge[SERVING_CHARGES]. Returns the bytes that all stacks of a device get and give.
double phases_charge(const struct machine *machine, const struct phases *phases, double *charge);

#endif
