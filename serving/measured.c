// SPDX-License-Identifier: Apache-2.0
// The experts of a layer by tables of the cycle model (docs/serving.md, "Mode full").
#include "serving/measured.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device/measure.h"
#include "duplex/error.h"
#include "schedule/tables_file.h"
#include "serving/builtin_configs.h"
#include "serving/phases.h"

#define STACKS 5u
#define CHANNELS 32u

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
  struct schedule_times times, charged;  // as measured, and as decisions go by
  struct schedule_work work;
  struct schedule_decision one;              // of experts too many to be kept
  const struct schedule_decision *decision;  // the last one
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
  device_formula(&shape, &placement, xpu, &m->times);
  if (!status) status = device_measure(options, xpu, MEASURE_ALL, &m->times, error, size);
  return status || !path ? status : schedule_save(path, &m->times, origin, error, size);
}

static const struct xpu_kernel_table *gemm_table_of(const struct measured *m) {
  return m->machine->xpu_time.gemm_table;
}

static int measure(struct measured *m, const struct serving_options *given, const char *path, char *error,
                   size_t size) {
  const struct duplex_stack_options options = {
      .backend = {.channels = CHANNELS, .dram_preset = given->dram_preset}, .strict = given->strict};
  char gemm[4096];
  struct duplex_xpu_options xpu_options = {.channels = STACKS * CHANNELS};
  if (gemm_table_of(m)) {
    snprintf(gemm, sizeof gemm, "%s/gemm.csv", given->kernels);
    xpu_options.gemm_table = gemm;
  }
  struct duplex_xpu *xpu;
  int status = duplex_xpu_open(&xpu_options, &xpu, error, size);
  if (status) return status;
  status = measure_on(m, &options, xpu, path, error, size);
  xpu->ops->close(xpu);
  return status;
}

// FNV-1a over a table of measured products, whose times are in the tables of time.
static uint32_t hash_of(const struct xpu_kernel_table *table) {
  uint32_t hash = 2166136261u;
  for (size_t i = 0; i < table->count; i++) {
    const struct xpu_kernel *k = &table->kernels[i];
    const uint64_t numbers[] = {k->shape[0], k->shape[1], k->length, k->picoseconds};
    for (unsigned n = 0; n < sizeof numbers / sizeof *numbers; n++)
      for (unsigned byte = 0; byte < 8; byte++)
        hash = (hash ^ (uint32_t)(numbers[n] >> 8 * byte & 255)) * 16777619u;
  }
  return hash;
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
  if (gemm_table_of(m))
    snprintf(name + strlen(name), sizeof name - strlen(name), "_%08x", hash_of(gemm_table_of(m)));
  snprintf(path, sizeof path, "%s/%s.times", options->tables ? options->tables : "", name);
  const char *text = options->measure ? NULL : builtin_table(name);
  if (text) return schedule_load_text(text, name, &m->times, &origin, error, size);
  if (!options->tables) return measure(m, options, NULL, error, size);
  if (!options->measure && access(path, F_OK) == 0)
    return schedule_load(path, &m->times, &origin, error, size);
  const int status = check_folder(options->tables, error, size);
  return status ? status : measure(m, options, path, error, size);
}

// The half of the paper's policy whose placement the experts of a device have.
static enum schedule_policy paper_half(const struct measured *m) {
  return m->layout.of_group < SCHEDULE_BUNDLES ? SCHEDULE_TURNS : SCHEDULE_SPACES;
}

static uint32_t whole_clocks(const struct measured *m, unsigned groups) {
  const struct schedule_shape shape = shape_of(m);
  kernels_ask(m->machine->kernels, XPU_KERNEL_GEMM,
              (uint64_t[]){shape.gated ? 2 * shape.inner : shape.inner, shape.hidden}, groups * 8);
  kernels_ask(m->machine->kernels, XPU_KERNEL_GEMM, (uint64_t[]){shape.hidden, shape.inner}, groups * 8);
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
  m->policy = policy_of(m, options->policy);
  if (model->inner % m->layout.devices) {
    snprintf(error, size,
             "%s on %s: mode full expected an inner size that the %u devices of an expert divide",
             options->model, options->system, m->layout.devices);
    return DUPLEX_ERROR_ARGUMENT;
  }
  if (m->policy == SCHEDULE_XPU) {
    tell_xpu(m);
    m->charged = m->times;
  } else {
    const int status = load_tables(m, options, error, size);
    if (status) return status;
    if (!schedule_charge(&m->times, machine->sum_bytes == 4 ? SCHEDULE_ROUNDED : SCHEDULE_EXACT,
                         &m->charged)) {
      snprintf(error, size, "tokens and sums take too long for a table of time");
      return DUPLEX_ERROR_ARGUMENT;
    }
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
    m->decision = &kept->decision;
    return;
  }
  struct schedule_decision *decision = experts <= KEPT_EXPERTS ? &kept->decision : &m->one;
  schedule_decide(m->policy, &m->charged, tokens, &m->work, decision);
  if (m->policy != SCHEDULE_SPACES) schedule_recount(&m->times, tokens, decision);
  m->decision = decision;
  if (experts > KEPT_EXPERTS) return;
  kept->hash = hash;
  memcpy(kept->tokens, tokens, size);
}

// The share of an expert that is Logic-PIM's.
static double pim_share(const struct measured *m, unsigned expert) {
  const struct schedule_placement *p = &m->times.placement;
  double cut = 0, all = 0;
  if (m->policy != SCHEDULE_BEST || p->layout == SCHEDULE_STRIPED) return m->decision->cut[0][expert] > 0;
  for (unsigned q = 0; q < p->pieces; q++)
    for (unsigned part = 0; part < p->parts[q]; part++) {
      all += p->width[q][part];
      cut += part < m->decision->cut[q][expert] ? p->width[q][part] : 0;
    }
  return cut / all;
}

// Whether Logic-PIM has a share of the expert in bundles that it owns in the phase.
static bool works_in(const struct measured *m, unsigned expert, unsigned phase) {
  const struct schedule_placement *p = &m->times.placement;
  const uint32_t owned = m->decision->owned[phase];
  if (m->policy != SCHEDULE_BEST || p->layout == SCHEDULE_STRIPED)
    return phase == 0 && m->decision->cut[0][expert];
  for (unsigned q = 0; q < p->pieces; q++)
    if (!(schedule_bundles(p, expert, q) & ~owned) && m->decision->cut[q][expert]) return true;
  return false;
}

static struct traffic traffic_of(const struct measured *m, const unsigned *counts, unsigned phase) {
  struct traffic traffic = {0};
  for (unsigned e = 0; e < m->layout.of_group; e++)
    if (counts[e] && works_in(m, e, phase))
      phases_add_expert(m->machine, m->model->hidden, counts[e], &traffic);
  return traffic;
}

struct group_cost {
  double seconds, sides, checked, xpu, pim;  // seconds with charges; of both phases; of the tables; busy
  double beside;                             // bytes of all stacks of a device
  double charge[SERVING_CHARGES];
};

static double seconds_of(const struct measured *m, double units) {
  return units * m->times.clocks_per_unit / m->machine->clock;
}

static struct phases phases_of(const struct measured *m, const unsigned *counts, unsigned tokens) {
  const struct schedule_decision *d = m->decision;
  struct phases p = {.turns = m->policy == SCHEDULE_TURNS,
                     .decided = m->policy != SCHEDULE_XPU && m->policy != SCHEDULE_PIM,
                     .halved = m->times.placement.layout == SCHEDULE_HALVED,
                     .tokens = tokens,
                     .experts = m->layout.of_group};
  for (unsigned f = 0; f < 2; f++) {
    p.pim[f] = seconds_of(m, d->pim[f]);
    p.xpu[f] = seconds_of(m, d->xpu[f]);
    p.traffic[f] = traffic_of(m, counts, f);
  }
  return p;
}

// Of both phases, those in which Logic-PIM works longer.
static double checked_units(const struct schedule_decision *d) {
  return (d->pim[0] >= d->xpu[1] ? d->pim[0] : 0) + (d->pim[1] >= d->xpu[0] ? d->pim[1] : 0);
}

static struct group_cost run_group(struct measured *m, const unsigned *given, unsigned tokens,
                                   struct experts_cost *cost) {
  unsigned counts[SCHEDULE_EXPERTS];
  struct group_cost g = {0};
  const double weights = (double)m->model->matrices * m->model->hidden * m->model->inner;
  sort_counts(m, given, counts);
  decide(m, counts);
  const struct schedule_decision *d = m->decision;
  g.pim = seconds_of(m, (double)d->pim[0] + d->pim[1]);
  g.xpu = seconds_of(m, (double)d->xpu[0] + d->xpu[1]);
  g.sides = seconds_of(m, d->total);
  g.checked = seconds_of(m, checked_units(d));
  for (unsigned e = 0; e < m->layout.of_group; e++) {
    const double share = counts[e] ? pim_share(m, e) : 0;
    const double macs = weights * counts[e];
    const double bytes = counts[e] ? 2 * weights : 0;
    cost->pim_dram_j += share * bytes * m->machine->pim.dram_j;
    cost->dram_j += bytes * (share * m->machine->pim.dram_j + (1 - share) * m->machine->xpu.dram_j);
    cost->work.macs += macs;
    cost->work.bytes += bytes;
    cost->comp_j += macs * (share * m->machine->pim.mac_j + (1 - share) * m->machine->xpu.mac_j);
  }
  const struct phases phases = phases_of(m, counts, tokens);
  g.beside = phases_charge(m->machine, &phases, g.charge);
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
    cost.beside += g.beside * m->layout.devices;
  }
  for (unsigned i = 0; i < SERVING_CHARGES; i++) charge[i] += slowest.charge[i];
  cost.seconds = slowest.sides;
  cost.checked = slowest.checked;
  return cost;
}
