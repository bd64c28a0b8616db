// SPDX-License-Identifier: Apache-2.0
// Measures tables of time on a stack of the C model.
#include "device/measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/xpu_works.h"
#include "driver/stack.h"
#include "duplex/arithmetic.h"
#include "duplex/error.h"
#include "duplex/layer.h"
#include "schedule/formula.h"

enum { EXPERTS = 4, PASSES = DUPLEX_TOKEN_GROUPS, UNIT_MOST = 1 << 20 };

// A stack with one layer of a few experts, all in one piece.
struct probe {
  struct duplex_stack *stack;
  struct duplex_layer *layer;
  size_t hidden;
  unsigned owned;
  duplex_f16 *x;
  uint8_t *y;
  char *text;
  size_t size;
};

static int tell(const struct probe *probe, int error) {
  if (error && probe->text && probe->size)
    snprintf(probe->text, probe->size, "measuring: %s",
             probe->stack ? duplex_stack_last_error(probe->stack) : duplex_error_text(error));
  return error;
}

static void close_probe(struct probe *probe) {
  duplex_stack_close(probe->stack);
  free(probe->x);
  free(probe->y);
}

// `piece`: the parts, and the bundles that Logic-PIM owns meanwhile.
static int open_probe(struct probe *probe, const struct schedule_shape *shape,
                      const struct duplex_stack_options *options, const struct duplex_layer_piece *piece) {
  struct duplex_stack_options own = {.backend = options->backend, .strict = options->strict};
  own.backend.channels = shape->channels;
  own.backend.threads = 1;
  own.backend.command_file = own.backend.trace_file = NULL;
  own.backend.xpu_traffic = false;
  const struct duplex_layer_options layer = {
      .experts = EXPERTS,
      .hidden = shape->hidden,
      .gated = shape->gated,
      .up_exponents = (shape->exponents & SCHEDULE_UP_EXPONENTS) != 0,
      .down_exponents = (shape->exponents & SCHEDULE_DOWN_EXPONENTS) != 0,
      .piece = {*piece}};
  const size_t tokens = (size_t)EXPERTS * PASSES * DUPLEX_LANES;
  probe->hidden = shape->hidden;
  probe->owned = piece->bundles;
  probe->x = calloc(tokens * shape->hidden, sizeof *probe->x);
  probe->y = malloc(tokens * shape->hidden * 16);
  if (!probe->x || !probe->y) return tell(probe, DUPLEX_ERROR_NO_MEMORY);
  int error = duplex_stack_open("cmodel", &own, &probe->stack, NULL, 0);
  if (!error) error = duplex_stack_open_layer(probe->stack, &layer, &probe->layer);
  for (unsigned e = 0; e < EXPERTS && !error; e++) error = duplex_layer_reserve(probe->layer, e, 0);
  return tell(probe, error);
}

// Clocks of a job in which so many experts have so many groups and this cut.
static int run_probe(const struct probe *probe, unsigned experts, unsigned cut, unsigned groups,
                     uint64_t *clocks) {
  uint8_t cuts[EXPERTS] = {0};
  uint32_t counts[EXPERTS] = {0};
  for (unsigned e = 0; e < experts; e++) {
    cuts[e] = (uint8_t)cut;
    counts[e] = groups * DUPLEX_LANES;
  }
  const struct duplex_layer_work work = {
      .bundles = probe->owned, .cuts = cuts, .counts = counts, .x = probe->x, .format = DUPLEX_ACC};
  struct duplex_stack_stats stats;
  struct duplex_job *job;
  int error = duplex_layer_start(probe->layer, &work, &job);
  if (!error) error = duplex_stack_wait(job, UINT64_MAX, probe->y);
  duplex_stack_last_stats(probe->stack, &stats);
  *clocks = stats.cycles;
  return tell(probe, error);
}

static int queue_read(void *context, unsigned channel, uint64_t address, size_t bytes) {
  struct duplex_backend *backend = context;
  return backend->ops->xpu_read(backend, channel, address, NULL, bytes);
}

// Clocks of the xPU's reads of what so many experts have behind this cut.
static int run_reads(const struct probe *probe, unsigned experts, unsigned cut, uint64_t *clocks) {
  struct duplex_backend *backend = probe->stack->backend;
  struct duplex_xpu_state state;
  int error = duplex_stack_hand_over(probe->stack, 0);
  const uint64_t begin = backend->ops->clocks(backend);
  for (unsigned e = 0; e < experts && !error; e++)
    error = duplex_layer_ranges(probe->layer, e, 0, cut, queue_read, backend);
  if (!error) error = backend->ops->xpu_wait(backend);
  backend->ops->xpu_state(backend, &state);
  *clocks = state.read_at > begin ? state.read_at - begin : 0;
  return tell(probe, error);
}

// What one more expert adds, in the mean of those behind the first one; at least 1.
static uint64_t added(uint64_t one, uint64_t all) {
  const uint64_t mean = all > one ? (all - one + (EXPERTS - 1) / 2) / (EXPERTS - 1) : 0;
  return mean ? mean : 1;
}

// What one more expert adds for each cut: to Logic-PIM, of a pass with one group and with two; to the xPU's
// reads, of the parts behind the cut.
struct adds {
  uint64_t pim[PASSES + 1][SCHEDULE_CUTS];
  uint64_t reads[SCHEDULE_CUTS];
};

static int measure_pim(const struct probe *probe, unsigned cut, unsigned groups, struct adds *adds) {
  uint64_t one = 0;
  uint64_t all = 0;
  int error = run_probe(probe, 1, cut, groups, &one);
  if (!error) error = run_probe(probe, EXPERTS, cut, groups, &all);
  // A longer piece may end a few clocks earlier where its rows fall luckier: times do not fall with cuts.
  adds->pim[groups][cut] = duplex_larger(added(one, all), adds->pim[groups][cut - 1]);
  return error;
}

static int measure_reads(const struct probe *probe, unsigned cut, unsigned parts, struct adds *adds) {
  uint64_t one = 0;
  uint64_t all = 0;
  int error = run_reads(probe, 1, cut, &one);
  if (!error) error = run_reads(probe, EXPERTS, cut, &all);
  adds->reads[cut] = duplex_larger(added(one, all), cut + 1 < parts ? adds->reads[cut + 1] : 0);
  return error;
}

static int measure_piece(const struct schedule_shape *shape, const struct duplex_stack_options *options,
                         const struct duplex_layer_piece *piece, char *text, size_t size, struct adds *adds) {
  struct probe probe = {.text = text, .size = size};
  int error = open_probe(&probe, shape, options, piece);
  *adds = (struct adds){0};
  for (unsigned cut = 1; cut <= piece->parts && !error; cut++)
    for (unsigned groups = 1; groups <= PASSES && !error; groups++)
      error = measure_pim(&probe, cut, groups, adds);
  for (unsigned cut = piece->parts; cut-- > 0 && !error;)
    error = measure_reads(&probe, cut, piece->parts, adds);
  close_probe(&probe);
  return error;
}

// What does not fit a table stays too large for one.
static uint32_t units_of(const struct schedule_times *times, uint64_t clocks) {
  const uint64_t units = (clocks + times->clocks_per_unit - 1) / times->clocks_per_unit;
  return (uint32_t)duplex_smaller(units, SCHEDULE_MOST);
}

// Logic-PIM's time of that many groups, in units.
static uint32_t pim_time(const struct schedule_times *times, const struct adds *adds, unsigned cut,
                         unsigned groups) {
  return units_of(times, groups / PASSES * adds->pim[PASSES][cut] + groups % PASSES * adds->pim[1][cut]);
}

// The xPU's time of so many inner columns of each stack: its reads or what it tells, whichever is longer.
static uint32_t xpu_time(const struct schedule_times *times, struct duplex_xpu *xpu, uint64_t reads,
                         uint32_t columns, unsigned groups) {
  const struct schedule_shape *shape = &times->shape;
  const uint32_t inner = (uint32_t)duplex_smaller((uint64_t)columns * shape->stacks, shape->inner);
  const uint64_t told =
      device_xpu_expert_clocks(xpu, groups * DUPLEX_LANES, shape->hidden, inner, shape->gated);
  return units_of(times, columns ? duplex_larger(reads, told) : 0);
}

// The unit of the formulas, and larger where the xPU tells of longer times.
static void fit_unit(struct schedule_times *times, struct duplex_xpu *xpu) {
  const struct schedule_shape *shape = &times->shape;
  const uint64_t most = device_xpu_expert_clocks(xpu, SCHEDULE_GROUPS * DUPLEX_LANES, shape->hidden,
                                                 shape->inner, shape->gated);
  while (2 * most / times->clocks_per_unit >= SCHEDULE_MOST && times->clocks_per_unit < UNIT_MOST)
    times->clocks_per_unit *= 2;
}

// What a group adds beyond the last row, where two more took it from `low` to `high`.
static uint32_t slope_of(uint32_t low, uint32_t high) {
  if (high <= low) return high ? 1 : 0;
  return (high - low + 1) / 2;
}

// The xPU's time behind a cut, in a row or as slope: it does not rise with the cuts, whatever is told.
static void set_xpu(uint32_t *of_cuts, unsigned cut, unsigned parts, uint32_t time) {
  of_cuts[cut] = (uint32_t)duplex_larger(time, cut < parts ? of_cuts[cut + 1] : 0);
}

// The times of one cut of a piece, behind which `columns` are left; those of later cuts are there.
static void fill_cut(struct schedule_times *times, struct duplex_xpu *xpu, unsigned q, unsigned cut,
                     uint32_t columns, const struct adds *adds) {
  const unsigned parts = times->placement.parts[q];
  struct schedule_row *last = &times->rows[SCHEDULE_GROUPS];
  for (unsigned groups = 1; groups <= SCHEDULE_GROUPS; groups++) {
    struct schedule_row *row = &times->rows[groups];
    row->pim[q][cut] = pim_time(times, adds, cut, groups);
    set_xpu(row->xpu[q], cut, parts, xpu_time(times, xpu, adds->reads[cut], columns, groups));
  }
  times->slope.pim[q][cut] = (pim_time(times, adds, cut, PASSES) + PASSES - 1) / PASSES;
  set_xpu(times->slope.xpu[q], cut, parts, slope_of(last[-2].xpu[q][cut], last->xpu[q][cut]));
}

// A piece of the placement.
static int measure_cuts(const struct duplex_stack_options *options, struct duplex_xpu *xpu, unsigned q,
                        struct schedule_times *times, char *text, size_t size) {
  const struct schedule_placement *placement = &times->placement;
  struct duplex_layer_piece piece = {.bundles = schedule_bundles(placement, 0, q),
                                     .parts = placement->parts[q]};
  struct adds adds;
  for (unsigned part = 0; part < piece.parts; part++) piece.inner[part] = placement->width[q][part];
  const int error = measure_piece(&times->shape, options, &piece, text, size, &adds);
  uint32_t columns = 0;
  for (unsigned cut = piece.parts + 1; cut-- > 0 && !error;) {
    fill_cut(times, xpu, q, cut, columns, &adds);
    if (cut) columns += placement->width[q][cut - 1];
  }
  return error;
}

// The whole slice striped over the first `bundles` bundles.
static int measure_striped(const struct duplex_stack_options *options, struct duplex_xpu *xpu,
                           unsigned bundles, struct schedule_times *times, char *text, size_t size) {
  const struct schedule_shape *shape = &times->shape;
  const struct duplex_layer_piece piece = {
      .bundles = (1u << bundles) - 1, .parts = 1, .inner = {formula_slice(shape)}};
  struct adds adds;
  const int error = measure_piece(shape, options, &piece, text, size, &adds);
  for (unsigned groups = 1; groups <= SCHEDULE_GROUPS && !error; groups++) {
    times->rows[groups].striped[bundles - 1] = pim_time(times, &adds, 1, groups);
    times->rows[groups].whole = xpu_time(times, xpu, adds.reads[0], formula_slice(shape), groups);
  }
  times->slope.striped[bundles - 1] = (pim_time(times, &adds, 1, PASSES) + PASSES - 1) / PASSES;
  times->slope.whole = slope_of(times->rows[SCHEDULE_GROUPS - 2].whole, times->rows[SCHEDULE_GROUPS].whole);
  return error;
}

int device_measure(const struct schedule_shape *shape, const struct schedule_placement *placement,
                   const struct duplex_stack_options *options, struct duplex_xpu *xpu,
                   struct schedule_times *times, char *text, size_t size) {
  int error = DUPLEX_OK;
  schedule_formula(shape, placement, times);
  fit_unit(times, xpu);
  for (unsigned q = 0; q < placement->pieces && !error; q++)
    error = measure_cuts(options, xpu, q, times, text, size);
  for (unsigned bundles = 1; bundles <= SCHEDULE_BUNDLES && !error; bundles++)
    error = measure_striped(options, xpu, bundles, times, text, size);
  if (error) return error;
  schedule_seal(times);
  if (schedule_valid(times)) return DUPLEX_OK;
  if (text && size)
    snprintf(text, size,
             "an expert takes too long for a table of time: expected less than %u times %u clocks",
             SCHEDULE_MOST, times->clocks_per_unit);
  return DUPLEX_ERROR_ARGUMENT;
}

int device_probe(const struct duplex_stack_options *options, uint64_t clocks[DEVICE_PROBE_CLOCKS], char *text,
                 size_t size) {
  const struct schedule_shape shape = {
      .hidden = 512, .experts = EXPERTS, .channels = options->backend.channels, .gated = 1};
  const struct duplex_layer_piece piece = {.bundles = 3, .parts = 1, .inner = {256}};
  struct adds adds;
  const int error = measure_piece(&shape, options, &piece, text, size, &adds);
  clocks[0] = adds.pim[1][1];
  clocks[1] = adds.pim[PASSES][1];
  clocks[2] = adds.reads[0];
  return error;
}
