// SPDX-License-Identifier: Apache-2.0
// Costs of a layer of experts beside its sides: launches, transfers, jobs, firmware, decision.
#include "serving/phases.h"

#include "device/charges.h"

#define STACKS 5.0
#define CHANNELS 32.0
#define STACK_BYTES (32 * CHANNELS * 0.993)  // of the xPU's path to a stack, in a clock
#define LANES 8u                             // tokens of a group
#define F16 2.0
#define PIECE_BYTES 32u       // of the sums of an expert and a column, read at once
#define FIRMWARE_SHARE 0.018  // of Logic-PIM's time (docs/results.md)
#define HAND_OVER 6.0         // clocks of a phase: bundles that change sides
#define JOB 300.0             // of a job of Logic-PIM beside its stream, doorbell to completion
// Clocks of the first write of tokens and the first read of sums that nothing else goes on beside, measured
// with `duplex moe`.
#define FIRST_TOKENS 135.0
#define FIRST_SUMS 150.0

void phases_add_expert(const struct machine *m, unsigned hidden, unsigned count, struct traffic *traffic) {
  const uint64_t groups = ((uint64_t)count + LANES - 1) / LANES;
  const uint64_t pieces = ((uint64_t)count * m->sum_bytes + PIECE_BYTES - 1) / PIECE_BYTES;
  traffic->x += F16 * (double)groups * LANES * hidden;
  traffic->sums += (double)pieces * PIECE_BYTES * hidden;
}

// What goes on beside the other phase, as far as it does not hide behind Logic-PIM's longer side.
static double exposed(double pim, double xpu, double beside) {
  const double sides = pim > xpu ? pim : xpu;
  return xpu + beside > sides ? xpu + beside - sides : 0;
}

// Seconds of a transfer with its start; none of nothing.
static double started(const struct machine *m, double seconds, double first) {
  return seconds > 0 ? first / m->clock + seconds : 0;
}

// Tokens of phase 0 are written before it, those of phase 1 beside it; sums likewise, the other way round.
static void charge_transfers(const struct machine *m, const struct phases *p, double *charge) {
  const double second = STACK_BYTES * m->clock;  // bytes of one
  const bool both = (p->pim[1] > 0 || p->xpu[0] > 0) && !p->turns;
  charge[SERVING_TOKENS] += started(m, p->traffic[0].x / second, FIRST_TOKENS) +
                            exposed(p->pim[0], p->xpu[1], p->traffic[1].x / second);
  charge[SERVING_SUMS] += started(m, p->traffic[both].sums / second, FIRST_SUMS);
  if (both) charge[SERVING_SUMS] += exposed(p->pim[1], p->xpu[0], p->traffic[0].sums / second);
}

double phases_charge(const struct machine *m, const struct phases *p, double *charge) {
  unsigned phases = 0;
  unsigned jobs = 0;
  double bytes = 0;
  for (unsigned f = 0; f < 2; f++) {
    phases += p->pim[f] > 0 || p->xpu[1 - f] > 0;
    jobs += p->pim[f] > 0;
    bytes += p->traffic[f].x + p->traffic[f].sums;
  }
  charge[SERVING_LAUNCHES] += phases * m->launch;
  charge[SERVING_HAND_OVER] += (jobs * JOB + (jobs ? phases * HAND_OVER : 0)) / m->clock;
  charge[SERVING_FIRMWARE] += (p->pim[0] + p->pim[1]) * FIRMWARE_SHARE;
  if (p->decided)
    charge[SERVING_DECISION] += (double)charges_decision(p->tokens, p->experts, p->halved) / m->clock;
  charge_transfers(m, p, charge);
  return STACKS * bytes;
}
