// SPDX-License-Identifier: Apache-2.0
// The experts of a layer by tables of the cycle model (docs/serving.md, "Mode full").
#include "serving/measured.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/charges.h"
#include "duplex/error.h"
#include "serving/config_file.h"
#include "serving/decided.h"
#include "serving/phases.h"
#include "serving/time_table.h"

#define CALL_TOKENS 65528u  // of an expert in a call: whole groups in 16 bits
// Of groups beyond SCHEDULE_GROUPS of a device in a call, so that sums fit 32 bits.
#define CALL_UNITS (UINT32_MAX / 8)

// Experts of a device whose costs are kept by their tokens, and of how many layers: devices with one or two
// have the same tokens over and over.
#define FEW 2u
#define KEPT 4096u

// What the experts of a device cost.
struct group_cost {
  double seconds, sides, checked, xpu, pim;  // seconds with charges; of both phases; of the tables; busy
  double beside;                             // bytes of all stacks of a device
  double charge[SERVING_CHARGES];
  struct work work;
  double dram_j, comp_j, pim_dram_j;
};

struct kept {
  bool known;
  uint16_t counts[FEW];
  struct group_cost cost;
};

struct measured {
  const struct machine *machine;
  const struct serving_model *model;
  struct expert_layout layout;
  enum schedule_policy policy;
  // As measured: with firmware that takes no time, and on the RV32 controller if the machine has one.
  struct schedule_times times, controlled;
  struct schedule_times charged;  // as decisions go by
  struct decided *decided;
  unsigned classes;  // experts of the same number modulo this are alike: any order of them costs the same
  // Logic-PIM's share of an expert by the cuts of its pieces, by which `best` divides it.
  double share[SCHEDULE_CUTS][SCHEDULE_CUTS];
  uint64_t slope;  // units of a group beyond SCHEDULE_GROUPS at most
  struct kept kept[KEPT];
};

// The half of the paper's policy whose placement the experts of a device have.
static enum schedule_policy paper_half(const struct machine *machine, const struct serving_model *model) {
  return experts_layout(machine, model).of_group < SCHEDULE_BUNDLES ? SCHEDULE_TURNS : SCHEDULE_SPACES;
}

// Who decides about the experts, as the options say.
static enum schedule_policy policy_of(const struct machine *machine, const struct serving_model *model,
                                      enum serving_policy policy) {
  const enum schedule_policy given[] = {SCHEDULE_BEST, paper_half(machine, model), SCHEDULE_PIM,
                                        SCHEDULE_XPU};
  if (machine->beside == BESIDE_NONE) return SCHEDULE_XPU;
  if (machine->layout == LAYOUT_HETERO) return SCHEDULE_PIM;
  if (policy != SERVING_POLICY_DEFAULT) return given[policy - 1];
  return machine->co_processing ? SCHEDULE_BEST : SCHEDULE_TURNS;
}

static uint32_t whole_clocks(const struct measured *m, unsigned groups) {
  const struct schedule_shape shape = time_table_shape(m->machine, m->model);
  kernels_ask(m->machine->kernels, XPU_KERNEL_GEMM,
              (uint64_t[]){shape.gated ? 2 * shape.inner : shape.inner, shape.hidden}, groups * 8);
  kernels_ask(m->machine->kernels, XPU_KERNEL_GEMM, (uint64_t[]){shape.hidden, shape.inner}, groups * 8);
  return (uint32_t)xpu_time_clocks(
      xpu_time_expert(&m->machine->xpu_time, groups * 8, shape.hidden, shape.inner, shape.gated, 2),
      m->machine->clock_khz);
}

// The xPU alone: what it tells of whole experts, as in the measured tables.
static void tell_xpu(struct measured *m) {
  m->times = (struct schedule_times){.clocks_per_unit = 1, .shape = time_table_shape(m->machine, m->model)};
  for (unsigned groups = 1; groups <= SCHEDULE_GROUPS; groups++)
    m->times.rows[groups].whole = whole_clocks(m, groups);
  const uint32_t rise = whole_clocks(m, 2 * SCHEDULE_GROUPS) - whole_clocks(m, SCHEDULE_GROUPS);
  m->times.slope.whole = (rise + SCHEDULE_GROUPS - 1) / SCHEDULE_GROUPS;
}

// The longest of the times of a row: there is nothing else in it.
static uint64_t longest_of(const struct schedule_row *row) {
  const uint32_t *time = (const uint32_t *)row;
  uint64_t longest = 0;
  for (size_t i = 0; i < sizeof *row / sizeof *time; i++) longest = time[i] > longest ? time[i] : longest;
  return longest;
}

bool measured_has_copies(const struct measured *m) {
  return m->times.placement.layout == SCHEDULE_REPLICATED;
}

bool measured_is_striped(const struct measured *m) {
  if (m->machine->beside == BESIDE_NONE || m->policy == SCHEDULE_SPACES) return false;
  return m->policy != SCHEDULE_BEST || m->times.placement.layout == SCHEDULE_STRIPED;
}

static unsigned classes_of(const struct measured *m) {
  const uint32_t layout = m->times.placement.layout;
  if (m->policy == SCHEDULE_SPACES) return SCHEDULE_BUNDLES;
  return m->policy == SCHEDULE_BEST && layout != SCHEDULE_STRIPED && layout != SCHEDULE_REPLICATED ? 2 : 1;
}

// Whether firmware takes time: where the xPU has all experts, Logic-PIM has no job.
static bool is_controlled(const struct measured *m) {
  return m->machine->controller && m->machine->beside != BESIDE_NONE && m->policy != SCHEDULE_XPU;
}

// With the firmware that the machine runs.
static const struct schedule_times *own_times(const struct measured *m) {
  return is_controlled(m) ? &m->controlled : &m->times;
}

// The columns of an expert that are Logic-PIM's, of all.
static double share_of_cuts(const struct schedule_placement *p, const unsigned cuts[SCHEDULE_PIECES]) {
  double cut = 0;
  double all = 0;
  for (unsigned q = 0; q < p->pieces; q++)
    for (unsigned part = 0; part < p->parts[q]; part++) {
      cut += part < cuts[q] ? p->width[q][part] : 0;
      all += p->width[q][part];
    }
  return cut / all;
}

static void fill_shares(struct measured *m) {
  for (unsigned first = 0; first < SCHEDULE_CUTS; first++)
    for (unsigned second = 0; second < SCHEDULE_CUTS; second++)
      m->share[first][second] = share_of_cuts(&m->times.placement, (unsigned[]){first, second});
}

static struct decided *open_decided(const struct measured *m) {
  const double launch = m->machine->launch * m->machine->clock;
  return decided_open(&(struct decided_tables){.times = &m->times,
                                               .controlled = is_controlled(m) ? &m->controlled : NULL,
                                               .charged = &m->charged,
                                               .policy = m->policy,
                                               .launch = (uint32_t)(launch + 0.5)});
}

// What goes by the tables: decisions, and whether they pay. Returns 0 or a code, with a line in `error`.
static int prepare(struct measured *m, const struct serving_options *options, char *error, size_t size) {
  m->charged = m->times;
  if (m->machine->beside != BESIDE_NONE && !schedule_charge(own_times(m), &m->charged)) {
    char place[512];
    config_where("models", options->model, MODEL_HIDDEN, place, sizeof place);
    snprintf(error, size,
             "%s on %s: tokens and sums of %u columns take longer than a table of time holds, expected fewer",
             place, options->system, m->model->hidden);
    return DUPLEX_ERROR_ARGUMENT;
  }
  m->classes = classes_of(m);
  fill_shares(m);
  m->slope = longest_of(&own_times(m)->slope);
  m->decided = open_decided(m);
  return m->decided ? DUPLEX_OK : DUPLEX_ERROR_NO_MEMORY;
}

// The tables of the cycle model, or what an xPU alone tells. Under policy pim no expert is the xPU's: any
// xPU's table tells the same.
static int load_tables(struct measured *m, const struct serving_options *options, char *error, size_t size) {
  if (m->machine->beside == BESIDE_NONE) {
    tell_xpu(m);
    return DUPLEX_OK;
  }
  const bool own_xpu = m->policy != SCHEDULE_PIM;
  const int status = time_table_load(m->machine, m->model, options, false, own_xpu, &m->times, error, size);
  if (status || !is_controlled(m)) return status;
  return time_table_load(m->machine, m->model, options, true, own_xpu, &m->controlled, error, size);
}

static int check_slices(const struct measured *m, const struct serving_options *options, char *error,
                        size_t size) {
  char place[512];
  if (m->model->inner % m->layout.devices == 0) return DUPLEX_OK;
  config_where("models", options->model, MODEL_INNER, place, sizeof place);
  snprintf(error, size, "%s on %s: mode full expected an inner size that the %u devices of an expert divide",
           place, options->system, m->layout.devices);
  return DUPLEX_ERROR_ARGUMENT;
}

int measured_open(struct measured **measured, const struct machine *machine,
                  const struct serving_model *model, const struct serving_options *options, char *error,
                  size_t size) {
  struct measured *m = calloc(1, sizeof *m);
  *measured = m;
  if (!m) return DUPLEX_ERROR_NO_MEMORY;
  m->machine = machine;
  m->model = model;
  m->layout = experts_layout(machine, model);
  m->policy = policy_of(machine, model, options->policy);
  int status = check_slices(m, options, error, size);
  if (!status) status = load_tables(m, options, error, size);
  return status ? status : prepare(m, options, error, size);
}

int measured_stripe(const struct measured *measured, struct measured **striped,
                    const struct serving_options *options, char *error, size_t size) {
  *striped = NULL;
  if (measured->policy != SCHEDULE_BEST || measured_is_striped(measured)) return DUPLEX_OK;
  struct measured *m = malloc(sizeof *m);
  *striped = m;
  if (!m) return DUPLEX_ERROR_NO_MEMORY;
  *m = *measured;
  m->decided = NULL;  // which prepare gives it
  memset(m->kept, 0, sizeof m->kept);
  schedule_stripe(&m->times);
  if (is_controlled(m)) schedule_stripe(&m->controlled);
  const int status = prepare(m, options, error, size);
  if (status != DUPLEX_ERROR_ARGUMENT) return status;
  measured_close(m);
  *striped = NULL;
  return DUPLEX_OK;
}

void measured_close(struct measured *m) {
  if (!m) return;
  decided_close(m->decided);
  free(m);
}

// The counts in falling order within each class. Those that a decision does not tell apart stay in the order
// of the experts, in which a device has them: which of these Logic-PIM gets changes the sums.
static void sort_counts(const struct measured *m, const uint16_t *counts, uint16_t *sorted) {
  unsigned tokens[SCHEDULE_EXPERTS];  // that a decision knows of
  for (unsigned e = 0; e < m->layout.of_group; e++) {
    const unsigned own = decided_tokens(m->policy, counts[e]);
    unsigned at = e;
    for (; at >= m->classes && tokens[at - m->classes] < own; at -= m->classes) {
      sorted[at] = sorted[at - m->classes];
      tokens[at] = tokens[at - m->classes];
    }
    sorted[at] = counts[e];
    tokens[at] = own;
  }
}

// The share of an expert that is Logic-PIM's.
static double pim_share(const struct measured *m, const struct schedule_decision *decision, unsigned expert) {
  if (decision->policy != SCHEDULE_BEST || m->times.placement.layout == SCHEDULE_STRIPED)
    return decision->cut[0][expert] > 0;
  return m->share[decision->cut[0][expert]][decision->cut[1][expert]];
}

// Bytes and products of an expert, and what of them is Logic-PIM's. One that is divided by its tokens is read
// by both sides.
struct expert_work {
  double bytes, pim_bytes, macs, pim_macs;
};

static struct expert_work work_of(const struct measured *m, const struct schedule_decision *decision,
                                  unsigned expert, unsigned tokens) {
  const double weights = (double)m->model->matrices * m->model->hidden * m->model->inner;
  const unsigned cut_tokens = schedule_cut_tokens(decision, expert, tokens);
  const double share = pim_share(m, decision, expert);
  return (struct expert_work){.bytes = 2 * weights * (cut_tokens < tokens ? 1 + share : 1),
                              .pim_bytes = 2 * weights * share,
                              .macs = weights * tokens,
                              .pim_macs = weights * cut_tokens * share};
}

// A controller decides within its job where all experts have the same pieces.
static bool decides_in_job(const struct measured *m, const struct layer_phases *layer) {
  const uint32_t layout = m->times.placement.layout;
  return layer->decision && m->policy == SCHEDULE_BEST && layout != SCHEDULE_ALTERNATE &&
         layout != SCHEDULE_SPLIT && (layer->phase[0].jobs || layer->phase[1].jobs);
}

// A controller looks for the first expert of each job: about the first one with tokens, in a device's order.
static void add_search(const struct measured *m, const uint16_t *given, bool decided,
                       struct schedule_phase phases[2]) {
  unsigned first = 0;
  while (first + 1 < m->layout.of_group && given[first] == 0) first++;
  for (unsigned i = 0; i < 2; i++)
    phases[i].job_clocks += (uint32_t)charges_search((size_t)first * phases[i].jobs, decided);
}

// What a layer is charged for; it has the phases of what was decided.
static struct layer_phases phases_of(const struct measured *m, const uint16_t *given,
                                     struct decided_layer *decided) {
  struct layer_phases layer = {.phase = decided->phase,
                               .costs = schedule_costs_of(&m->times, decided->decision),
                               .decision = decided->decision_clocks,
                               .shape = m->times.shape};
  if (!is_controlled(m)) return layer;
  const bool in_job = decides_in_job(m, &layer);
  add_search(m, given, in_job, decided->controlled);
  layer.controlled = decided->controlled;
  layer.controlled_costs = schedule_costs_of(&m->controlled, decided->decision);
  if (in_job) layer.counts = charges_counts(m->layout.of_group);
  return layer;
}

// Of both phases, those in which Logic-PIM works longer.
static double checked_clocks(const struct schedule_phase phase[2]) {
  uint64_t sum = 0;
  for (unsigned i = 0; i < 2; i++) sum += phase[i].pim >= phase[i].xpu ? phase[i].pim : 0;
  return (double)sum;
}

// Adds energy and work of the experts of a device.
static void add_work(const struct measured *m, const struct schedule_decision *decision,
                     const uint16_t *counts, struct group_cost *g) {
  const struct processor *pim = &m->machine->pim;
  const struct processor *xpu = &m->machine->xpu;
  for (unsigned e = 0; e < m->layout.of_group; e++) {
    if (!counts[e]) continue;
    const struct expert_work work = work_of(m, decision, e, counts[e]);
    g->pim_dram_j += work.pim_bytes * pim->dram_j;
    g->dram_j += work.pim_bytes * pim->dram_j + (work.bytes - work.pim_bytes) * xpu->dram_j;
    g->work.macs += work.macs;
    g->work.bytes += work.bytes;
    g->comp_j += work.pim_macs * pim->mac_j + (work.macs - work.pim_macs) * xpu->mac_j;
  }
}

// Decides one group's experts and charges them.
static struct group_cost run_group(struct measured *m, const uint16_t *given) {
  uint16_t counts[SCHEDULE_EXPERTS];
  struct decided_layer decided;
  struct group_cost g = {0};
  sort_counts(m, given, counts);
  decided_divide(m->decided, counts, &decided);
  const struct layer_phases layer = phases_of(m, given, &decided);
  const struct schedule_phase *phase = layer.phase;
  g.pim = (double)(phase[0].pim + phase[1].pim) / m->machine->clock;
  g.xpu = (double)(phase[0].xpu + phase[1].xpu) / m->machine->clock;
  g.checked = checked_clocks(phase) / m->machine->clock;
  add_work(m, decided.decision, counts, &g);
  g.beside = phases_bytes(&layer);
  g.sides = phases_charge(m->machine, &layer, g.charge);
  g.seconds = g.sides;
  for (unsigned i = 0; i < SERVING_CHARGES; i++) g.seconds += g.charge[i];
  return g;
}

// The same, of few experts as it was before.
static const struct group_cost *cost_of(struct measured *m, const uint16_t *given, struct group_cost *own) {
  const unsigned experts = m->layout.of_group;
  if (experts > FEW) {
    *own = run_group(m, given);
    return own;
  }
  const unsigned second = experts > 1 ? given[1] : 0;
  struct kept *kept = &m->kept[(given[0] + 61 * second) % KEPT];
  if (kept->known && kept->counts[0] == given[0] && kept->counts[1] == second) return &kept->cost;
  *kept = (struct kept){true, {given[0], (uint16_t)second}, run_group(m, given)};
  return &kept->cost;
}

// The share of a number that a call of several has.
static unsigned share_of(unsigned number, unsigned call, unsigned calls) {
  if (calls == 1) return number;
  return (unsigned)((uint64_t)number * (call + 1) / calls - (uint64_t)number * call / calls);
}

// How many calls a layer takes: experts of a device have no more tokens in one, nor take longer in all, than
// the schedule can count.
static unsigned calls_of(const struct measured *m, const unsigned *counts) {
  uint64_t calls = 1;
  for (unsigned i = 0; i < m->layout.groups; i++) {
    uint64_t units = 0;
    for (unsigned e = 0; e < m->layout.of_group; e++) {
      const unsigned count = *counts++;
      const uint64_t groups = schedule_groups(count);
      units += groups > SCHEDULE_GROUPS ? (groups - SCHEDULE_GROUPS) * m->slope : 0;
      const uint64_t of_expert = ((uint64_t)count + CALL_TOKENS - 1) / CALL_TOKENS;
      calls = calls > of_expert ? calls : of_expert;
    }
    const uint64_t of_device = (units + CALL_UNITS - 1) / CALL_UNITS;
    calls = calls > of_device ? calls : of_device;
  }
  return (unsigned)calls;
}

static void add_group(const struct expert_layout *layout, const struct group_cost *g,
                      struct experts_cost *cost) {
  cost->xpu_busy += g->xpu / layout->groups;
  cost->pim_busy += g->pim / layout->groups;
  cost->beside += g->beside * layout->devices;
  cost->work.macs += g->work.macs;
  cost->work.bytes += g->work.bytes;
  cost->dram_j += g->dram_j;
  cost->comp_j += g->comp_j;
  cost->pim_dram_j += g->pim_dram_j;
}

// Adds a call of all devices, of which the slowest counts.
static void run_call(struct measured *m, const unsigned *counts, unsigned call, unsigned calls,
                     struct experts_cost *cost, double *charge) {
  struct group_cost slowest = {0};
  for (unsigned i = 0; i < m->layout.groups; i++) {
    uint16_t of_call[SCHEDULE_EXPERTS];
    struct group_cost own;
    for (unsigned e = 0; e < m->layout.of_group; e++) of_call[e] = (uint16_t)share_of(*counts++, call, calls);
    const struct group_cost *g = cost_of(m, of_call, &own);
    if (g->seconds > slowest.seconds) slowest = *g;
    add_group(&m->layout, g, cost);
  }
  for (unsigned i = 0; i < SERVING_CHARGES; i++) charge[i] += slowest.charge[i];
  cost->seconds += slowest.sides;
  cost->checked += slowest.checked;
}

struct experts_cost measured_run(struct measured *m, const unsigned *counts, double *charge) {
  struct experts_cost cost = {0};
  const unsigned calls = calls_of(m, counts);
  for (unsigned call = 0; call < calls; call++) run_call(m, counts, call, calls, &cost, charge);
  return cost;
}

double measured_seconds(struct measured *m, const unsigned *counts) {
  double charge[SERVING_CHARGES] = {0};
  double seconds = measured_run(m, counts, charge).seconds;
  for (unsigned i = 0; i < SERVING_CHARGES; i++) seconds += charge[i];
  return seconds;
}
