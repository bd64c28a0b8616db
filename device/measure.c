// SPDX-License-Identifier: Apache-2.0
// Measures tables of time on a stack of the C model.
#include "device/measure.h"

#include <stdio.h>

#include "device/probe.h"
#include "device/xpu_works.h"
#include "duplex/arithmetic.h"
#include "duplex/error.h"
#include "schedule/formula.h"

enum { EXPERTS_LEAST = 4, PASSES = PROBE_PASSES, UNIT_MOST = 1 << 20 };

#define CLOCKS_WANTED 40000u  // so that a job's end, a few hundred clocks earlier or later, is below 1%

// How many experts are measured together if one alone takes so long.
static unsigned experts_of(uint64_t clocks) {
  const uint64_t wanted = 2 + CLOCKS_WANTED / (clocks ? clocks : 1);
  const uint64_t most = duplex_larger(wanted, EXPERTS_LEAST);
  return (unsigned)duplex_smaller(most, PROBE_EXPERTS);
}

// What is left of a time without what so many of its parts add.
static uint64_t first_of(uint64_t clocks, uint64_t add) { return clocks > add ? clocks - add : 0; }

// What one more expert adds, in the mean of those behind the first one; at least 1.
static uint64_t added(uint64_t one, uint64_t all, unsigned experts) {
  const uint64_t mean = all > one ? (all - one + (experts - 1) / 2) / (experts - 1) : 0;
  return mean ? mean : 1;
}

// Of a job with one expert: *first, and what each other one adds.
static int measure_job(const struct probe *probe, unsigned cut, unsigned groups, uint64_t *first,
                       uint64_t *add) {
  uint64_t all = 0;
  int error = probe_run(probe, 1, cut, groups * DUPLEX_LANES, first);
  const unsigned experts = experts_of(*first);
  if (!error) error = probe_run(probe, experts, cut, groups * DUPLEX_LANES, &all);
  *add = added(*first, all, experts);
  return error;
}

// The same of the xPU's reads, from a few experts to many: where all banks are refreshed does not count then.
static int measure_reading(const struct probe *probe, unsigned cut, bool taken, uint64_t *first,
                           uint64_t *add) {
  const unsigned more = PROBE_EXPERTS / 2 - EXPERTS_LEAST;
  uint64_t few = 0;
  uint64_t many = 0;
  int error = probe_read(probe, EXPERTS_LEAST, cut, taken, &few);
  if (!error) error = probe_read(probe, EXPERTS_LEAST + more, cut, taken, &many);
  *add = added(few, many, more + 1);
  *first = first_of(few, (EXPERTS_LEAST - 1) * *add);
  return error;
}

// What one more expert adds for each cut: to Logic-PIM, of a pass with one group and with two; to the xPU's
// reads, of the parts behind the cut.
struct adds {
  uint64_t pim[PASSES + 1][SCHEDULE_CUTS];
  uint64_t reads[SCHEDULE_CUTS];
};

static int measure_pim(const struct probe *probe, unsigned cut, unsigned groups, struct adds *adds) {
  uint64_t first = 0;
  uint64_t add = 0;
  const int error = measure_job(probe, cut, groups, &first, &add);
  // A longer piece may end a few clocks earlier where its rows fall luckier: times do not fall with cuts.
  adds->pim[groups][cut] = duplex_larger(add, adds->pim[groups][cut - 1]);
  return error;
}

static int measure_reads(const struct probe *probe, unsigned cut, unsigned parts, struct adds *adds) {
  uint64_t first = 0;
  uint64_t add = 0;
  const int error = measure_reading(probe, cut, false, &first, &add);
  adds->reads[cut] = duplex_larger(add, cut + 1 < parts ? adds->reads[cut + 1] : 0);
  return error;
}

// Every cut of a piece; the xPU's reads too, if wanted.
static int measure_piece(const struct schedule_shape *shape, const struct duplex_stack_options *options,
                         const struct duplex_layer_piece *piece, bool reads, char *text, size_t size,
                         struct adds *adds) {
  struct probe probe;
  int error = probe_open(&probe, shape, options, piece, text, size);
  *adds = (struct adds){0};
  for (unsigned cut = 1; cut <= piece->parts && !error; cut++)
    for (unsigned groups = 1; groups <= PASSES && !error; groups++)
      error = measure_pim(&probe, cut, groups, adds);
  for (unsigned cut = piece->parts; cut-- > 0 && reads && !error;)
    error = measure_reads(&probe, cut, piece->parts, adds);
  probe_close(&probe);
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
  const int error = measure_piece(&times->shape, options, &piece, true, text, size, &adds);
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
  const bool all = bundles == SCHEDULE_BUNDLES;  // that the xPU reads a whole expert from
  const int error = measure_piece(shape, options, &piece, all, text, size, &adds);
  for (unsigned groups = 1; groups <= SCHEDULE_GROUPS && !error; groups++) {
    times->rows[groups].striped[bundles - 1] = pim_time(times, &adds, 1, groups);
    if (all) times->rows[groups].whole = xpu_time(times, xpu, adds.reads[0], formula_slice(shape), groups);
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
  const struct schedule_shape shape = {.hidden = 512, .channels = options->backend.channels, .gated = 1};
  const struct duplex_layer_piece piece = {.bundles = 3, .parts = 1, .inner = {256}};
  struct adds adds;
  const int error = measure_piece(&shape, options, &piece, true, text, size, &adds);
  clocks[0] = adds.pim[1][1];
  clocks[1] = adds.pim[PASSES][1];
  clocks[2] = adds.reads[0];
  return error;
}

// A group with so many tokens.
static int measure_group(const struct probe *probe, uint32_t tokens, enum duplex_format format,
                         struct device_costs *costs) {
  struct probe_transfers one = {0};
  struct probe_transfers all = {0};
  int error = probe_transfer(probe, 1, tokens, format, &one);
  if (!error) error = probe_transfer(probe, EXPERTS_LEAST, tokens, format, &all);
  costs->tokens = added(one.tokens, all.tokens, EXPERTS_LEAST);
  costs->first_tokens = first_of(one.tokens, costs->tokens);
  costs->sums[tokens] = added(one.sums, all.sums, EXPERTS_LEAST);
  costs->first_sums = first_of(one.sums, costs->sums[tokens]);
  costs->given = all.given;
  costs->taken = all.taken;
  return error;
}

// Groups whose sums are read as as many pieces of 32 bytes are alike. No transfer depends on the inner size,
// of which the least has the shortest jobs.
static int measure_groups(const struct schedule_shape *shape, const struct duplex_stack_options *options,
                          unsigned bundles, enum duplex_format format, struct device_costs *costs, char *text,
                          size_t size) {
  const unsigned step = format == DUPLEX_F32 ? DUPLEX_LANES : 2;  // lanes in a piece
  const struct duplex_layer_piece piece = {.bundles = bundles, .parts = 1, .inner = {1}};
  struct probe probe;
  int error = probe_open(&probe, shape, options, &piece, text, size);
  for (uint32_t tokens = step; tokens <= DUPLEX_LANES && !error; tokens += step) {
    error = measure_group(&probe, tokens, format, costs);
    for (uint32_t less = 1; less < step; less++) costs->sums[tokens - less] = costs->sums[tokens];
  }
  probe_close(&probe);
  return error;
}

// What jobs and reads take besides what their experts add.
static int measure_starts(const struct probe *probe, const uint64_t whole[PASSES],
                          struct device_costs *costs) {
  uint64_t first = 0;
  uint64_t add = 0;
  int error = DUPLEX_OK;
  for (unsigned i = 0; i < PASSES && !error; i++) {
    error = probe_run(probe, 1, probe->piece.parts, (i + 1) * DUPLEX_LANES, &first);
    costs->job += first_of(first, whole[i]) / PASSES;
  }
  for (unsigned taken = 0; taken < 2 && !error; taken++) {
    error = measure_reading(probe, 0, taken, &first, &add);
    costs->reads[taken] = first_of(first, add);
  }
  return error;
}

int device_measure_costs(const struct schedule_shape *shape, const struct duplex_layer_piece *piece,
                         const uint64_t whole[PROBE_PASSES], const struct duplex_stack_options *options,
                         enum duplex_format format, struct device_costs *costs, char *text, size_t size) {
  struct probe probe;
  *costs = (struct device_costs){0};
  int error = probe_open(&probe, shape, options, piece, text, size);
  if (!error) error = measure_starts(&probe, whole, costs);
  probe_close(&probe);
  return error ? error : measure_groups(shape, options, piece->bundles, format, costs, text, size);
}
