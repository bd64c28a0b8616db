// SPDX-License-Identifier: Apache-2.0
// Costs of a layer of experts beside its sides: launches, transfers, jobs, firmware, decision.
#include "serving/phases.h"

#define STACKS 5.0
#define CLOCK_BYTES (32 * 0.993)  // of the xPU's path to a channel, in a clock
#define PIECE_BYTES 32u           // of the sums of an expert and a column, read at once
#define LANES 8u                  // tokens of a group
#define F16 2u
// What a job takes longer on the controller, by the groups of its first expert: the tables of Mixtral's slice
// in configs/tables, 4096_14336_4_1.times and 4096_14336_4_1_riscv.times.
#define CONTROLLED_JOB ((const uint32_t[]){1171, 1100})

// So many bytes of each hidden column, over the channels of a stack.
static uint32_t clocks_of(const struct schedule_shape *shape, unsigned bytes) {
  return (uint32_t)((double)bytes * shape->hidden / shape->channels / CLOCK_BYTES + 0.5);
}

// Transfers at the rate of the xPU's path, with no waits for banks, which a formula does not know; the others
// are those of a piece of Mixtral's, as measured (configs/tables/4096_14336_4_1.times).
struct schedule_costs phases_costs(const struct machine *m, const struct schedule_shape *shape) {
  struct schedule_costs costs = {.job = {359, 250},
                                 .reads = {48, 167},
                                 .given = 6,
                                 .taken = 13,
                                 .first_tokens = 15,
                                 .first_sums = 140,
                                 .tokens = clocks_of(shape, LANES * F16)};
  if (m->beside == BESIDE_NONE) return (struct schedule_costs){0};
  for (unsigned count = 1; count <= LANES; count++)
    costs.sums[count] = clocks_of(shape, schedule_sum_pieces(shape, count) * PIECE_BYTES);
  return costs;
}

struct schedule_costs phases_controlled_costs(const struct schedule_costs *costs) {
  struct schedule_costs controlled = *costs;
  for (unsigned more = 0; costs->job[0] && more < 2; more++) controlled.job[more] += CONTROLLED_JOB[more];
  return controlled;
}

// The kernel of the first phase is launched while the controller decides.
static void charge_launches(const struct machine *m, const struct layer_phases *l, double *charge) {
  const double decision = (double)l->decision / m->clock;
  const unsigned phases = schedule_phase_works(&l->phase[0]) + schedule_phase_works(&l->phase[1]);
  const double hidden = decision < m->launch ? decision : m->launch;
  charge[SERVING_DECISION] += decision;
  if (phases) charge[SERVING_LAUNCHES] += phases * m->launch - hidden;
}

// What the layer takes longer with the firmware's time than without. Nothing, where the table of the
// controller has less: both were measured, at other places between two refreshes.
static double firmware_clocks(const struct layer_phases *l, uint64_t without) {
  struct schedule_prediction with;
  if (!l->controlled_costs) return 0;
  schedule_predict(l->controlled_costs, l->controlled, &with);
  return (double)(with.total > without ? with.total - without : 0) + (double)l->counts;
}

double phases_charge(const struct machine *m, const struct layer_phases *l, double *charge) {
  struct schedule_prediction p;
  schedule_predict(l->costs, l->phase, &p);
  charge_launches(m, l, charge);
  charge[SERVING_HAND_OVER] += (double)p.starts / m->clock;
  charge[SERVING_TOKENS] += (double)p.tokens / m->clock;
  charge[SERVING_SUMS] += (double)p.sums / m->clock;
  charge[SERVING_FIRMWARE] += firmware_clocks(l, p.total) / m->clock;
  return (double)p.experts / m->clock;
}

double phases_bytes(const struct layer_phases *l) {
  double bytes = 0;
  for (unsigned i = 0; i < 2; i++)
    bytes += (double)l->phase[i].groups * LANES * F16 * l->shape.hidden +
             (double)l->phase[i].sum_commands * PIECE_BYTES * l->shape.channels;
  return STACKS * bytes;
}
