// SPDX-License-Identifier: Apache-2.0
// The experts of a layer by tables of the cycle model (docs/serving.md, "Mode full").
#include "serving/measured.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device/charges.h"
#include "device/measure.h"
#include "duplex/error.h"
#include "duplex/hbm.h"
#include "duplex/params.h"
#include "schedule/tables_file.h"
#include "serving/builtin_configs.h"

#define STACKS 5u
#define CHANNELS 32u
#define STACK_BYTES (32 * CHANNELS * 0.993)  // of the xPU's path to a stack, in a clock
#define EXACT_BYTES 16.0                     // of a partial sum
#define FIRMWARE_SHARE 0.018                 // of Logic-PIM's time (docs/results.md)
#define HAND_OVER 6.0                        // clocks of a phase: bundles that change sides
#define JOB 300.0  // of a job of Logic-PIM beside its stream, doorbell to completion

#define KEPT 4096u        // decisions that are kept
#define KEPT_EXPERTS 64u  // of so many experts at most

// A decision and the tokens that it is of.
struct kept {
  uint64_t hash;  // 0: none
  uint16_t tokens[KEPT_EXPERTS];
  struct schedule_decision decision;
};

struct measured {
  const struct machine *machine;
  const struct serving_model *model;
  struct expert_layout layout;
  enum schedule_policy policy;
  double clock;  // of Logic-PIM, per second: two tCK of the DRAM a clock
  struct schedule_times times;
  struct schedule_work work;
  struct schedule_decision decision;
  unsigned classes;  // experts of the same number modulo this are alike: any order of them costs the same
  struct kept *kept;
};

static struct schedule_shape shape_of(const struct measured *m) {
  return (struct schedule_shape){.hidden = m->model->hidden,
                                 .inner = m->model->inner / m->layout.devices,
                                 .experts = m->layout.of_group,
                                 .stacks = STACKS,
                                 .channels = CHANNELS,
                                 .gated = m->model->matrices == 3};
}

static const char *builtin_table(const char *name) {
  char path[160];
  snprintf(path, sizeof path, "tables/%s", name);
  for (const struct builtin_config *c = builtin_configs; c->path; c++)
    if (strcmp(c->path, path) == 0) return c->text;
  return NULL;
}

// What the clocks come from, as one number: FNV-1a over those of the probe.
static int origin_of(const struct duplex_stack_options *options, uint32_t *origin, char *error, size_t size) {
  uint64_t clocks[DEVICE_PROBE_CLOCKS];
  const int status = device_probe(options, clocks, error, size);
  *origin = 2166136261u;
  for (unsigned i = 0; i < DEVICE_PROBE_CLOCKS && !status; i++)
    *origin = (*origin ^ (uint32_t)clocks[i]) * 16777619u;
  return status;
}

static int measure_on(struct measured *m, const struct duplex_stack_options *options, struct duplex_xpu *xpu,
                      const char *path, char *error, size_t size) {
  const struct schedule_shape shape = shape_of(m);
  struct schedule_placement placement;
  uint32_t origin;
  if (!schedule_place(&shape, &placement)) {
    snprintf(error, size, "%u columns and %u rows of experts: expected what a stack can hold", shape.hidden,
             shape.inner);
    return DUPLEX_ERROR_ARGUMENT;
  }
  int status = origin_of(options, &origin, error, size);
  if (!status) status = device_measure(&shape, &placement, options, xpu, &m->times, error, size);
  return status || !path ? status : schedule_save(path, &m->times, origin, error, size);
}

static int measure(struct measured *m, const struct serving_options *given, const char *path, char *error,
                   size_t size) {
  const struct duplex_stack_options options = {
      .backend = {.channels = CHANNELS, .dram_preset = given->dram_preset}, .strict = given->strict};
  const struct duplex_xpu_options xpu_options = {.channels = STACKS * CHANNELS};
  struct duplex_xpu *xpu;
  int status = duplex_xpu_open(&xpu_options, &xpu, error, size);
  if (status) return status;
  status = measure_on(m, &options, xpu, path, error, size);
  xpu->ops->close(xpu);
  return status;
}

// A folder that takes a new table, before minutes go into measuring it.
static int check_folder(const char *folder, char *error, size_t size) {
  const int opened = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (opened >= 0) close(opened);
  if (opened >= 0 && access(folder, W_OK) == 0) return DUPLEX_OK;
  snprintf(error, size, "%s: %s, expected a folder that can be written", folder, strerror(errno));
  return DUPLEX_ERROR_IO;
}

static int load_tables(struct measured *m, const struct serving_options *options, char *error, size_t size) {
  uint32_t origin;
  const struct schedule_shape shape = shape_of(m);
  char name[128], path[1024];
  snprintf(name, sizeof name, "%u_%u_%u_%u%s%s%s", shape.hidden, shape.inner, shape.experts, shape.gated,
           options->strict ? "_strict" : "", options->dram_preset ? "_" : "",
           options->dram_preset ? options->dram_preset : "");
  snprintf(path, sizeof path, "%s/%s.times", options->tables ? options->tables : "", name);
  const char *text = options->measure ? NULL : builtin_table(name);
  if (text) return schedule_load_text(text, name, &m->times, &origin, error, size);
  if (!options->tables) return measure(m, options, NULL, error, size);
  if (!options->measure && access(path, F_OK) == 0)
    return schedule_load(path, &m->times, &origin, error, size);
  const int status = check_folder(options->tables, error, size);
  return status ? status : measure(m, options, path, error, size);
}

static double clock_of(const struct serving_options *options) {
  const struct duplex_dram_timing *timing =
      options->dram_preset ? duplex_dram_preset(options->dram_preset) : NULL;
  return timing ? 1e12 / (2.0 * timing->tCK_ps) : DUPLEX_CLOCK_KHZ * 1e3;
}

// The half of the paper's policy whose placement the experts of a device have.
static enum schedule_policy paper_half(const struct measured *m) {
  return m->layout.of_group < SCHEDULE_BUNDLES ? SCHEDULE_TURNS : SCHEDULE_SPACES;
}

static uint32_t whole_clocks(const struct measured *m, unsigned groups) {
  const struct schedule_shape shape = shape_of(m);
  return (uint32_t)xpu_time_clocks(
      xpu_time_expert(&m->machine->xpu_time, groups * 8, shape.hidden, shape.inner, shape.gated, 2));
}

// The xPU alone: what it tells of whole experts, as in the measured tables.
static void tell_xpu(struct measured *m) {
  m->times = (struct schedule_times){.clocks_per_unit = 1, .shape = shape_of(m)};
  for (unsigned groups = 1; groups <= SCHEDULE_GROUPS; groups++)
    m->times.rows[groups].whole = whole_clocks(m, groups);
  m->times.slope.whole =
      (whole_clocks(m, 2 * SCHEDULE_GROUPS) - whole_clocks(m, SCHEDULE_GROUPS)) / SCHEDULE_GROUPS;
}

static enum schedule_policy policy_of(const struct measured *m, unsigned policy) {
  const struct machine *machine = m->machine;
  const enum schedule_policy given[] = {SCHEDULE_BEST, paper_half(m), SCHEDULE_PIM, SCHEDULE_XPU};
  if (machine->beside == BESIDE_NONE) return SCHEDULE_XPU;
  if (machine->layout == LAYOUT_HETERO) return SCHEDULE_PIM;
  if (policy != SERVING_POLICY_DEFAULT) return given[policy - 1];
  return machine->co_processing ? SCHEDULE_BEST : SCHEDULE_TURNS;
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
  m->clock = clock_of(options);
  m->policy = policy_of(m, options->policy);
  if (model->inner % m->layout.devices || model->weight_bits != 16) {
    snprintf(error, size,
             "%s on %s: mode full expected weights of 16 bits, and an inner size that the %u devices of an "
             "expert divide",
             options->model, options->system, m->layout.devices);
    return DUPLEX_ERROR_ARGUMENT;
  }
  if (m->policy == SCHEDULE_XPU) {
    tell_xpu(m);
  } else {
    const int status = load_tables(m, options, error, size);
    if (status) return status;
  }
  m->classes = m->policy == SCHEDULE_BEST ? 2 : m->policy == SCHEDULE_SPACES ? SCHEDULE_BUNDLES : 1;
  m->kept = calloc(KEPT, sizeof *m->kept);
  if (!m->kept) return DUPLEX_ERROR_NO_MEMORY;
  return DUPLEX_OK;
}

void measured_close(struct measured *m) {
  if (m) free(m->kept);
  free(m);
}

// The counts in falling order within each class.
static void sort_counts(const struct measured *m, const unsigned *counts, unsigned *sorted) {
  for (unsigned e = 0; e < m->layout.of_group; e++) {
    unsigned at = e;
    for (; at >= m->classes && sorted[at - m->classes] < counts[e]; at -= m->classes)
      sorted[at] = sorted[at - m->classes];
    sorted[at] = counts[e];
  }
}

// The policy's decision about sorted counts; kept ones are taken again. The spaces of the paper's policy are
// in order of their tokens, for all others only groups matter.
static void decide(struct measured *m, const unsigned *counts) {
  uint16_t tokens[SCHEDULE_EXPERTS];
  uint64_t hash = 14695981039346656037u;  // FNV-1a
  const unsigned experts = m->layout.of_group;
  for (unsigned e = 0; e < experts; e++) {
    const unsigned count = m->policy == SCHEDULE_SPACES ? counts[e] : schedule_groups(counts[e]) * 8;
    tokens[e] = (uint16_t)(count < UINT16_MAX ? count : UINT16_MAX);
    hash = (hash ^ tokens[e]) * 1099511628211u;
  }
  struct kept *kept = &m->kept[(hash ^ hash >> 32) % KEPT];
  const size_t size = experts * sizeof *tokens;
  if (experts <= KEPT_EXPERTS && kept->hash == hash && memcmp(kept->tokens, tokens, size) == 0) {
    m->decision = kept->decision;
    return;
  }
  schedule_decide(m->policy, &m->times, tokens, &m->work, &m->decision);
  if (experts > KEPT_EXPERTS) return;
  kept->hash = hash;
  memcpy(kept->tokens, tokens, size);
  kept->decision = m->decision;
}

// The share of an expert that is Logic-PIM's.
static double pim_share(const struct measured *m, unsigned expert) {
  const struct schedule_placement *p = &m->times.placement;
  double cut = 0, all = 0;
  if (m->policy != SCHEDULE_BEST || p->layout == SCHEDULE_STRIPED) return m->decision.cut[0][expert] > 0;
  for (unsigned q = 0; q < p->pieces; q++)
    for (unsigned part = 0; part < p->parts[q]; part++) {
      all += p->width[q][part];
      cut += part < m->decision.cut[q][expert] ? p->width[q][part] : 0;
    }
  return cut / all;
}

// Whether Logic-PIM has a share of the expert in bundles that it owns in the phase.
static bool works_in(const struct measured *m, unsigned expert, unsigned phase) {
  const struct schedule_placement *p = &m->times.placement;
  const uint32_t owned = m->decision.owned[phase];
  if (m->policy != SCHEDULE_BEST || p->layout == SCHEDULE_STRIPED)
    return phase == 0 && m->decision.cut[0][expert];
  for (unsigned q = 0; q < p->pieces; q++)
    if (!(schedule_bundles(p, expert, q) & ~owned) && m->decision.cut[q][expert]) return true;
  return false;
}

// Clocks of the tokens that go to each stack before a phase, and of the exact sums that come back behind it.
static void traffic_of(const struct measured *m, const unsigned *counts, unsigned phase, double *x,
                       double *sums) {
  double groups = 0, tokens = 0;
  for (unsigned e = 0; e < m->layout.of_group; e++) {
    if (!counts[e] || !works_in(m, e, phase)) continue;
    groups += schedule_groups(counts[e]);
    tokens += counts[e];
  }
  *x = groups * 8 * m->model->hidden * 2 / STACK_BYTES;
  *sums = tokens * m->model->hidden * EXACT_BYTES / STACK_BYTES;
}

// What goes on beside the other phase, as far as it does not hide behind Logic-PIM's longer side.
static double exposed(double pim, double xpu, double beside) {
  const double sides = pim > xpu ? pim : xpu;
  return xpu + beside > sides ? xpu + beside - sides : 0;
}

struct group_cost {
  double seconds, sides, xpu, pim;  // seconds with charges; of both phases; busy
  double charge[SERVING_CHARGES];
};

static double seconds_of(const struct measured *m, double units) {
  return units * m->times.clocks_per_unit / m->clock;
}

// Charges of a group's layer, as device/ has them (docs/device.md, "What the times are").
static void charge_group(const struct measured *m, const unsigned *counts, unsigned tokens,
                         struct group_cost *g) {
  const struct schedule_decision *d = &m->decision;
  const double unit = m->times.clocks_per_unit;
  double x[2] = {0}, sums[2] = {0};
  unsigned phases = 0;
  unsigned jobs = 0;
  for (unsigned f = 0; f < 2; f++) {
    traffic_of(m, counts, f, &x[f], &sums[f]);
    phases += d->pim[f] || d->xpu[1 - f];
    jobs += d->pim[f] > 0;
  }
  const bool second = d->pim[1] || d->xpu[0];
  const bool turns = m->policy == SCHEDULE_TURNS;
  g->charge[SERVING_LAUNCHES] += phases * m->machine->launch;
  g->charge[SERVING_HAND_OVER] += (jobs * JOB + (jobs ? phases * HAND_OVER : 0)) / m->clock;
  g->charge[SERVING_FIRMWARE] += g->pim * FIRMWARE_SHARE;
  g->charge[SERVING_TOKENS] += (x[0] + exposed(d->pim[0] * unit, d->xpu[1] * unit, x[1])) / m->clock;
  g->charge[SERVING_SUMS] +=
      (second && !turns ? exposed(d->pim[1] * unit, d->xpu[0] * unit, sums[0]) + sums[1] : sums[0]) /
      m->clock;
  if (m->policy != SCHEDULE_XPU && m->policy != SCHEDULE_PIM)
    g->charge[SERVING_DECISION] +=
        (double)charges_decision(tokens, m->layout.of_group, m->times.placement.layout == SCHEDULE_HALVED) /
        m->clock;
}

static struct group_cost run_group(struct measured *m, const unsigned *given, unsigned tokens,
                                   struct experts_cost *cost) {
  unsigned counts[SCHEDULE_EXPERTS];
  struct group_cost g = {0};
  const struct schedule_decision *d = &m->decision;
  const double weights = (double)m->model->matrices * m->model->hidden * m->model->inner;
  sort_counts(m, given, counts);
  decide(m, counts);
  g.pim = seconds_of(m, (double)d->pim[0] + d->pim[1]);
  g.xpu = seconds_of(m, (double)d->xpu[0] + d->xpu[1]);
  g.sides = seconds_of(m, d->total);
  for (unsigned e = 0; e < m->layout.of_group; e++) {
    const double share = counts[e] ? pim_share(m, e) : 0;
    const double macs = weights * counts[e];
    const double bytes = counts[e] ? 2 * weights : 0;
    cost->pim_dram_j += share * bytes * m->machine->pim.dram_j;
    cost->dram_j += bytes * (share * m->machine->pim.dram_j + (1 - share) * m->machine->xpu.dram_j);
    cost->comp_j += macs * (share * m->machine->pim.mac_j + (1 - share) * m->machine->xpu.mac_j);
  }
  charge_group(m, counts, tokens, &g);
  g.seconds = g.sides;
  for (unsigned i = 0; i < SERVING_CHARGES; i++) g.seconds += g.charge[i];
  return g;
}

struct experts_cost measured_run(struct measured *m, const unsigned *counts, unsigned tokens,
                                 double *charge) {
  struct experts_cost cost = {0};
  struct group_cost slowest = {0};
  for (unsigned i = 0; i < m->layout.groups; i++, counts += m->layout.of_group) {
    const struct group_cost g = run_group(m, counts, tokens, &cost);
    if (g.seconds > slowest.seconds) slowest = g;
    cost.xpu_busy += g.xpu / m->layout.groups;
    cost.pim_busy += g.pim / m->layout.groups;
  }
  for (unsigned i = 0; i < SERVING_CHARGES; i++) charge[i] += slowest.charge[i];
  cost.seconds = slowest.sides;
  return cost;
}
