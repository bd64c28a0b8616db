// SPDX-License-Identifier: Apache-2.0
// The experts of a layer: rooflines of both processors, and the policy of schedule/ in between.
#include "serving/experts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "device/charges.h"
#include "schedule/schedule.h"
#include "serving/phases.h"

#define SCALES 26u       // tables of 1, 2, 4, ... tokens a step: the last one holds 2^31 tokens
#define UNIT 1e-9        // seconds of a table's unit, times the step
#define CHANNELS 32u     // of a stack
#define FORK_SHARE 0.75  // AUTHORS: what their splitter takes the bandwidth for

// One product of an expert with n tokens: max(n flops, weights + n tokens) seconds; `group`: tokens that take
// as long as one.
struct product {
  double flops, weights, tokens;
  unsigned group;
};

struct experts {
  const struct machine *machine;
  const struct serving_model *model;
  struct expert_layout layout;
  double matrices, slice;  // products of an expert; inner columns of a device
  struct product xpu, pim;
  enum schedule_policy policy;
  struct schedule_shape shape;            // FULL: for its transfers,
  struct schedule_costs costs;            // and what else a layer takes,
  struct schedule_costs controlled;       // and with firmware on its controller
  struct schedule_times *tables[SCALES];  // for the decision alone; [i] has 2^i tokens a step
  struct schedule_work work;
  struct schedule_decision decision;
};

// A matrix of the slice: gate, up and down have as many weights, and as many values go in and out.
static struct product product_of(const struct experts *x, const struct processor *p, unsigned group) {
  const double hidden = x->model->hidden;
  if (p->flops == 0) return (struct product){0};
  return (struct product){2 * hidden * x->slice / p->flops,
                          hidden * x->slice * model_weight_bytes(x->model) / p->bytes,
                          2 * (hidden + x->slice) / p->bytes, group};
}

static double time_of(const struct experts *x, const struct product *p, double n) {
  const double sums = ceil(n / p->group) * p->group * p->flops;
  const double reads = p->weights + n * p->tokens;
  return n > 0 ? x->matrices * (sums > reads ? sums : reads) : 0;
}

// What the splitter of the authors' simulator takes an expert for, in reads of its weights by the xPU.
static double fork_time(const struct experts *x, const struct processor *p, double n) {
  const double ridge = p->flops / p->bytes / 2 * model_weight_bytes(x->model);
  const double passes = n * FORK_SHARE / ridge;
  const double reads = x->matrices * x->xpu.weights * x->machine->xpu.bytes / p->bytes;
  return n > 0 ? reads * (passes > 1 ? passes : 1) : 0;
}

// FULL: the units of Logic-PIM take 8 tokens at once, wherever they are; a unit of a bank takes one.
static unsigned group_of(const struct machine *m) {
  return m->mode == SERVING_FULL && m->beside != BESIDE_BANK_PIM ? 8 : 1;
}

static uint32_t units(double seconds, double step) {
  const double value = seconds / (UNIT * step) + 0.5;
  return value < 1 ? 1 : value >= SCHEDULE_MOST ? SCHEDULE_MOST - 1 : (uint32_t)value;
}

static void fill_row(const struct experts *x, double tokens, double step, struct schedule_row *row) {
  const bool fork = x->machine->mode == SERVING_AUTHORS && x->machine->co_processing;
  const double on_pim = fork ? fork_time(x, &x->machine->pim, tokens) : time_of(x, &x->pim, tokens);
  const double on_xpu = fork ? fork_time(x, &x->machine->xpu, tokens) : time_of(x, &x->xpu, tokens);
  for (unsigned b = 0; b < SCHEDULE_BUNDLES; b++) row->striped[b] = units(on_pim, step);
  row->whole = units(on_xpu, step);
}

// A table whose groups are steps of `step` tokens.
static void fill_table(const struct experts *x, double step, struct schedule_times *times) {
  *times = (struct schedule_times){.clocks_per_unit = 1, .shape = {.experts = x->layout.of_group}};
  for (unsigned g = 1; g <= SCHEDULE_GROUPS; g++) fill_row(x, g * step, step, &times->rows[g]);
}

struct expert_layout experts_layout(const struct machine *machine, const struct serving_model *model) {
  const unsigned e = model->experts;
  const unsigned devices = machine->nodes * machine->pims;
  unsigned groups = e < devices ? e : devices;
  if (machine->expert_tensor) groups = machine->nodes;
  return (struct expert_layout){groups, e / groups, devices / groups};
}

bool experts_have_tables(const struct machine *machine, const struct serving_model *model) {
  return machine->beside <= BESIDE_LOGIC_PIM && model->weight_bits == 16;
}

static enum schedule_policy policy_of(const struct machine *m, enum serving_policy policy) {
  if (m->beside == BESIDE_NONE) return SCHEDULE_XPU;
  if (m->layout == LAYOUT_HETERO || policy == SERVING_POLICY_PIM) return SCHEDULE_PIM;
  if (policy == SERVING_POLICY_XPU) return SCHEDULE_XPU;
  return m->co_processing ? SCHEDULE_SPACES : SCHEDULE_TURNS;
}

struct experts *experts_open(const struct machine *machine, const struct serving_model *model,
                             enum serving_policy policy) {
  struct experts *x = calloc(1, sizeof *x);
  if (!x) return NULL;
  x->machine = machine;
  x->model = model;
  x->layout = experts_layout(machine, model);
  x->slice = (double)model->inner / x->layout.devices;
  x->matrices = model->matrices;
  x->xpu = product_of(x, &machine->xpu, 1);
  x->pim = product_of(x, &machine->pim, group_of(machine));
  x->policy = policy_of(machine, policy);
  x->shape = (struct schedule_shape){.hidden = model->hidden,
                                     .experts = x->layout.of_group,
                                     .channels = CHANNELS,
                                     .rounded = machine->rounded_sums};
  x->costs = phases_costs(machine, &x->shape);
  x->controlled = phases_controlled_costs(&x->costs);
  double step = 1;
  for (unsigned i = 0; i < SCALES; i++, step *= 2) {
    x->tables[i] = malloc(sizeof *x->tables[i]);
    if (!x->tables[i]) {
      experts_close(x);
      return NULL;
    }
    fill_table(x, step, x->tables[i]);
  }
  return x;
}

void experts_close(struct experts *x) {
  if (!x) return;
  for (unsigned i = 0; i < SCALES; i++) free(x->tables[i]);
  free(x);
}

// Steps of 2^scale tokens; the schedule takes 8 of its tokens for one.
static unsigned steps_of(unsigned tokens, unsigned scale) {
  return (unsigned)(((uint64_t)tokens + (1u << scale) - 1) >> scale);
}

// Who runs which expert of a group: the policy with the finest table that holds the counts.
static void decide(struct experts *x, const unsigned *counts) {
  uint16_t steps[SCHEDULE_EXPERTS];
  unsigned most = 0;
  unsigned scale = 0;
  for (unsigned e = 0; e < x->layout.of_group; e++) most = counts[e] > most ? counts[e] : most;
  while (scale + 1 < SCALES && steps_of(most, scale) > SCHEDULE_GROUPS) scale++;
  for (unsigned e = 0; e < x->layout.of_group; e++) steps[e] = (uint16_t)(steps_of(counts[e], scale) * 8);
  schedule_decide(x->policy, x->tables[scale], steps, &x->work, &x->decision);
}

struct sides {
  double xpu, pim;
};

// One group of devices; adds bytes and sums of all its devices to the energy.
static struct sides run_group(const struct experts *x, const unsigned *counts, struct experts_cost *cost) {
  const double hidden = x->model->hidden;
  struct sides sides = {0};
  for (unsigned e = 0; e < x->layout.of_group; e++) {
    if (counts[e] == 0) continue;
    const bool pim = x->decision.cut[0][e];
    const struct processor *p = pim ? &x->machine->pim : &x->machine->xpu;
    const double weights = x->matrices * hidden * x->model->inner;
    const double values = x->matrices * (hidden * x->layout.devices + x->model->inner) * counts[e];
    const struct work work = {weights * counts[e], weights * model_weight_bytes(x->model) + 2 * values};
    const double dram_j = work.bytes * p->dram_j;
    cost->dram_j += dram_j;
    if (pim) cost->pim_dram_j += dram_j;
    cost->comp_j += work.macs * p->mac_j;
    cost->work.macs += work.macs;
    cost->work.bytes += work.bytes;
    *(pim ? &sides.pim : &sides.xpu) += time_of(x, pim ? &x->pim : &x->xpu, counts[e]);
  }
  return sides;
}

static double seconds_of(const struct experts *x, const struct sides *sides) {
  const double longer = sides->xpu > sides->pim ? sides->xpu : sides->pim;
  return x->machine->co_processing ? longer : sides->xpu + sides->pim;
}

static uint64_t clocks_of(const struct experts *x, double seconds) {
  return (uint64_t)(seconds * x->machine->clock + 0.5);
}

// FULL: one phase with both sides, or each in a phase of its own.
static void fill_phases(const struct experts *x, const unsigned *counts, const struct sides *sides,
                        const struct schedule_costs *costs, struct schedule_phase phase[2]) {
  phase[0].pim = clocks_of(x, sides->pim);
  phase[x->policy == SCHEDULE_TURNS].xpu = clocks_of(x, sides->xpu);
  uint32_t before = 0;  // groups of the job so far
  for (unsigned e = 0; e < x->layout.of_group; e++) {
    if (!counts[e] || !x->decision.cut[0][e]) continue;
    schedule_add_expert(costs, e, before, schedule_groups(counts[e]), &phase[0]);
    before += schedule_groups(counts[e]);
    schedule_add_transfers(&x->shape, costs, counts[e], &phase[0]);
  }
}

// Of the decision, whose counts end where 16 bits do.
static uint64_t decision_clocks(const struct experts *x, const unsigned *counts) {
  static const struct schedule_placement striped = {SCHEDULE_STRIPED, 1, {1}, {{0}}};
  uint16_t most[SCHEDULE_EXPERTS];
  if (!schedule_is_decided(x->policy)) return 0;
  for (unsigned e = 0; e < x->layout.of_group; e++)
    most[e] = (uint16_t)(counts[e] < UINT16_MAX ? counts[e] : UINT16_MAX);
  return charges_decision(most, x->layout.of_group, &striped);
}

// Adds what is charged beside both sides, and returns the seconds of these.
static double charge_group(const struct experts *x, const unsigned *counts, const struct sides *sides,
                           double *charge, struct experts_cost *cost) {
  struct schedule_phase phase[2] = {{0}};
  struct schedule_phase controlled[2] = {{0}};
  struct layer_phases layer = {
      .phase = phase, .costs = &x->costs, .decision = decision_clocks(x, counts), .shape = x->shape};
  fill_phases(x, counts, sides, &x->costs, phase);
  if (x->machine->controller) {
    fill_phases(x, counts, sides, &x->controlled, controlled);
    controlled[0].job_clocks += (uint32_t)charges_search(controlled[0].skipped, false);
    layer.controlled = controlled;
    layer.controlled_costs = &x->controlled;
  }
  cost->beside += x->layout.devices * phases_bytes(&layer);
  return phases_charge(x->machine, &layer, charge);
}

struct experts_cost experts_run(struct experts *x, const unsigned *counts, double *charge) {
  struct experts_cost cost = {0};
  double slowest[SERVING_CHARGES] = {0};
  double longest = 0;
  for (unsigned g = 0; g < x->layout.groups; g++, counts += x->layout.of_group) {
    double of_group[SERVING_CHARGES] = {0};
    decide(x, counts);
    const struct sides sides = run_group(x, counts, &cost);
    const double of_sides = x->machine->mode == SERVING_FULL
                                ? charge_group(x, counts, &sides, of_group, &cost)
                                : seconds_of(x, &sides);
    double seconds = of_sides;
    for (unsigned i = 0; i < SERVING_CHARGES; i++) seconds += of_group[i];
    cost.xpu_busy += sides.xpu / x->layout.groups;
    cost.pim_busy += sides.pim / x->layout.groups;
    if (seconds <= longest) continue;
    longest = seconds;
    cost.seconds = of_sides;
    memcpy(slowest, of_group, sizeof slowest);
  }
  for (unsigned i = 0; i < SERVING_CHARGES; i++) charge[i] += slowest[i];
  return cost;
}
