// SPDX-License-Identifier: Apache-2.0
// Mode full: what a layer of experts costs beside the work of both sides, as device/ has it (docs/device.md,
// "What the times are").
#ifndef SERVING_PHASES_H
#define SERVING_PHASES_H

#include "schedule/schedule.h"
#include "serving/machine.h"

// A layer of experts on a device.
struct layer_phases {
  const struct schedule_phase *phase;  // both
  const struct schedule_costs *costs;
  // The same with firmware that takes its time on the RV32 controller. costs NULL: it takes none.
  const struct schedule_phase *controlled;
  const struct schedule_costs *controlled_costs;
  uint64_t counts;              // clocks in which it takes the counts of a decision that is part of its job
  uint64_t decision;            // clocks on the controller; 0: nothing is decided
  struct schedule_shape shape;  // hidden size
};

// Costs by the formulas of docs/serving.md, of units that no table has costs of; none without units. And
// those with firmware on the RV32 controller.
struct schedule_costs phases_costs(const struct machine *machine, const struct schedule_shape *shape);
struct schedule_costs phases_controlled_costs(const struct schedule_costs *costs);
// Adds seconds to charge[SERVING_CHARGES]. Returns those of the experts: of the longer side of each phase.
double phases_charge(const struct machine *machine, const struct layer_phases *layer, double *charge);
// Bytes of x and of partial sums that all stacks of a device get and give.
double phases_bytes(const struct layer_phases *layer);

#endif
