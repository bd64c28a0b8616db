// SPDX-License-Identifier: Apache-2.0
// Measures tables of time on a stack of the C model.
#include "device/measure.h"

#include <stdio.h>

#include "device/measure_piece.h"
#include "device/measure_transfers.h"
#include "device/probe.h"
#include "device/xpu_works.h"
#include "duplex/arithmetic.h"
#include "duplex/error.h"
#include "duplex/hbm.h"
#include "schedule/formula.h"

enum { PASSES = PROBE_PASSES, UNIT_MOST = 1 << 20, MOST_GROUPS = 512 };  // groups: of 4,096 tokens

// What is measured, on what.
struct measuring {
  enum stage_kind kind;
  const struct duplex_stack_options *options;
  struct duplex_xpu *xpu;
  unsigned clock_khz;
  char *text;
  size_t size;
  struct measure_turn *turn;  // of passes with one group and with two; NULL: not measured
};

// What does not fit a table stays too large for one.
static uint32_t units_of(const struct schedule_times *times, uint64_t clocks) {
  const uint64_t units = (clocks + times->clocks_per_unit - 1) / times->clocks_per_unit;
  return (uint32_t)duplex_smaller(units, SCHEDULE_MOST);
}

// Logic-PIM's time of that many groups, in units.
static uint32_t pim_time(const struct schedule_times *times, const struct piece_times *piece, unsigned cut,
                         unsigned groups) {
  return units_of(times, groups / PASSES * piece->pim[PASSES][cut] + groups % PASSES * piece->pim[1][cut]);
}

// The text of an error of the xPU's estimate, if it is one.
static int tell(const struct measuring *m, int error) {
  if (error) device_xpu_text(m->xpu, "estimate", error, m->text, m->size);
  return error;
}

// The xPU's time of so many inner columns, of DOWN rows, of each stack: its reads or what it tells, whichever
// is longer.
static int xpu_time(const struct measuring *m, const struct schedule_times *times, uint64_t reads,
                    uint32_t rows, unsigned groups, uint32_t *time) {
  const struct schedule_shape *shape = &times->shape;
  const uint32_t of_all = m->kind == STAGE_DOWN ? shape->hidden : shape->inner;
  const uint32_t all = (uint32_t)duplex_smaller((uint64_t)rows * shape->stacks, of_all);
  uint64_t told;
  const int error =
      device_xpu_stage_clocks(m->xpu, m->clock_khz, m->kind, shape, groups * DUPLEX_LANES, all, &told);
  *time = units_of(times, rows ? duplex_larger(reads, told) : 0);
  return tell(m, error);
}

// The unit of the formulas, and larger where the xPU tells of longer times.
static int fit_unit(struct schedule_times *times, struct duplex_xpu *xpu, unsigned clock_khz) {
  const struct schedule_shape *shape = &times->shape;
  uint64_t most;
  const int error = device_xpu_expert_clocks(xpu, clock_khz, SCHEDULE_GROUPS * DUPLEX_LANES, shape->hidden,
                                             shape->inner, shape->gated, &most);
  while (2 * most / times->clocks_per_unit >= SCHEDULE_MOST && times->clocks_per_unit < UNIT_MOST)
    times->clocks_per_unit *= 2;
  return error;
}

// What a group adds beyond the last row, where two more took it from `low` to `high`.
static uint32_t slope_of(uint32_t low, uint32_t high) {
  if (high <= low) return high ? 1 : 0;
  return (high - low + 1) / 2;
}

// The same of the xPU's share of so many inner columns, whose reads may take longer than its sums in the last
// row and shorter far beyond it: then straight to the most groups that a layer has.
static int xpu_slope(const struct measuring *m, const struct schedule_times *times, uint64_t reads,
                     uint32_t rows, uint32_t low, uint32_t high, uint32_t *slope) {
  uint32_t most;
  const int error = xpu_time(m, times, reads, rows, MOST_GROUPS, &most);
  const uint32_t far = (uint32_t)duplex_larger(most, high) - high;
  *slope = (uint32_t)duplex_larger(slope_of(low, high), far / (MOST_GROUPS - SCHEDULE_GROUPS));
  return error;
}

// The xPU's time behind a cut, in a row or as slope: it does not rise with the cuts, whatever is told.
static void set_xpu(uint32_t *of_cuts, unsigned cut, unsigned parts, uint32_t time) {
  of_cuts[cut] = (uint32_t)duplex_larger(time, cut < parts ? of_cuts[cut + 1] : 0);
}

// The times of one cut of a piece, behind which `columns` are left; those of later cuts are there.
// `measured`: the cut as it was measured.
static int fill_cut(const struct measuring *m, struct schedule_times *times, unsigned q, unsigned cut,
                    unsigned measured, uint32_t columns, const struct piece_times *piece) {
  const unsigned parts = times->placement.parts[q];
  struct schedule_row *last = &times->rows[SCHEDULE_GROUPS];
  int error = DUPLEX_OK;
  for (unsigned groups = 1; groups <= SCHEDULE_GROUPS && !error; groups++) {
    struct schedule_row *row = &times->rows[groups];
    uint32_t time;
    row->pim[q][cut] = pim_time(times, piece, measured, groups);
    error = xpu_time(m, times, piece->reads[measured], columns, groups, &time);
    set_xpu(row->xpu[q], cut, parts, time);
  }
  times->slope.pim[q][cut] = (pim_time(times, piece, measured, PASSES) + PASSES - 1) / PASSES;
  uint32_t slope = 0;
  if (!error)
    error =
        xpu_slope(m, times, piece->reads[measured], columns, last[-2].xpu[q][cut], last->xpu[q][cut], &slope);
  set_xpu(times->slope.xpu[q], cut, parts, slope);
  return error;
}

// What such a piece, whose times are there, costs beside its experts.
static int measure_costs(const struct measuring *m, const struct duplex_layer_piece *piece,
                         const struct piece_times *measured, unsigned of, struct schedule_times *times) {
  struct schedule_costs *costs = &times->costs[of];
  for (unsigned more = 0; more < 2; more++) costs->job[more] = (uint32_t)measured->job[more];
  for (unsigned odd = 0; odd < 2; odd++) costs->pass[odd] = (uint32_t)measured->pass[odd];
  costs->reads[0] = (uint32_t)measured->first_reads[0];
  costs->reads[1] = (uint32_t)measured->first_reads[1];
  return measure_transfers(m->kind, &times->shape, m->options, piece, costs, m->text, m->size);
}

// Jobs and reads of a piece; of two copies the reads of the xPU's.
static int measure_copies(const struct measuring *m, const struct schedule_times *times, unsigned costs,
                          const struct duplex_layer_piece *piece, struct piece_times *measured) {
  struct duplex_layer_piece copy = *piece;
  const unsigned turn = m->turn ? PIECE_TURN : 0;
  if (times->placement.layout == SCHEDULE_REPLICATED) {
    copy.bundles = SCHEDULE_COPY_BUNDLE;
    copy.joined = false;
  }
  const int error =
      measure_piece_jobs(m->kind, &times->shape, m->options, piece, costs | turn, m->text, m->size, measured);
  if (error) return error;
  return measure_piece_reads(m->kind, &times->shape, m->options, &copy, costs, m->text, m->size, measured);
}

// A piece of the placement. DOWN has it as one part, which is Logic-PIM's with any cut but 0.
static int measure_cuts(const struct measuring *m, unsigned q, struct schedule_times *times) {
  const struct schedule_placement *placement = &times->placement;
  struct duplex_layer_piece whole = {.bundles = schedule_bundles(placement, 0, q),
                                     .parts = placement->parts[q],
                                     .joined = placement->layout == SCHEDULE_REPLICATED};
  struct piece_times measured = {0};
  for (unsigned part = 0; part < whole.parts; part++) whole.inner[part] = placement->width[q][part];
  const struct duplex_layer_piece piece = stage_piece(m->kind, &times->shape, &whole);
  int error = measure_copies(m, times, q ? 0 : PIECE_COSTS, &piece, &measured);
  for (unsigned groups = 0; m->turn && q == 0 && groups < PASSES; groups++)
    m->turn[groups] = measured.turn[groups];
  if (!error && q == 0) error = measure_costs(m, &piece, &measured, SCHEDULE_OF_PIECE, times);
  if (!error && placement->layout == SCHEDULE_STRIPED)  // the same piece
    times->costs[SCHEDULE_OF_STRIPES] = times->costs[SCHEDULE_OF_PIECE];
  uint32_t behind = 0;
  for (unsigned cut = placement->parts[q] + 1; cut-- > 0 && !error;) {
    const unsigned own = (unsigned)duplex_smaller(cut, piece.parts);
    error = fill_cut(m, times, q, cut, own, behind, &measured);
    if (cut && cut <= piece.parts) behind += (uint32_t)piece.inner[cut - 1];
  }
  return error;
}

// The whole slice striped over the first `bundles` bundles; costs of kind SCHEDULE_COSTS are none.
static int measure_striped(const struct measuring *m, unsigned bundles, unsigned costs,
                           struct schedule_times *times) {
  const struct schedule_shape *shape = &times->shape;
  const struct duplex_layer_piece whole = {
      .bundles = (1u << bundles) - 1, .parts = 1, .inner = {formula_slice(shape)}};
  const struct duplex_layer_piece piece = stage_piece(m->kind, shape, &whole);
  const uint32_t rows = (uint32_t)piece.inner[0];
  struct piece_times measured = {0};
  const bool all = bundles == SCHEDULE_BUNDLES;  // that the xPU reads a whole expert from
  const bool costly = costs < SCHEDULE_COSTS;
  const unsigned what = costly ? PIECE_COSTS : 0;
  int error = measure_piece_jobs(m->kind, shape, m->options, &piece, what, m->text, m->size, &measured);
  if (!error && (costly || all))
    error = measure_piece_reads(m->kind, shape, m->options, &piece, what, m->text, m->size, &measured);
  if (!error && costly) error = measure_costs(m, &piece, &measured, costs, times);
  for (unsigned groups = 1; groups <= SCHEDULE_GROUPS && !error; groups++) {
    times->rows[groups].striped[bundles - 1] = pim_time(times, &measured, 1, groups);
    if (all) error = xpu_time(m, times, measured.reads[0], rows, groups, &times->rows[groups].whole);
  }
  times->slope.striped[bundles - 1] = (pim_time(times, &measured, 1, PASSES) + PASSES - 1) / PASSES;
  if (error) return error;
  return xpu_slope(m, times, measured.reads[0], rows, times->rows[SCHEDULE_GROUPS - 2].whole,
                   times->rows[SCHEDULE_GROUPS].whole, &times->slope.whole);
}

int device_formula(const struct schedule_shape *shape, const struct schedule_placement *placement,
                   struct duplex_xpu *xpu, unsigned clock_khz, struct schedule_times *times, char *text,
                   size_t size) {
  schedule_formula(shape, placement, times);
  const int error = fit_unit(times, xpu, clock_khz);
  if (error) device_xpu_text(xpu, "estimate", error, text, size);
  schedule_seal(times);
  return error;
}

int device_measure(enum stage_kind kind, const struct duplex_stack_options *options, struct duplex_xpu *xpu,
                   unsigned what, struct schedule_times *times, struct measure_turn *turn, char *text,
                   size_t size) {
  const struct measuring m = {.kind = kind,
                              .options = options,
                              .xpu = xpu,
                              .clock_khz = duplex_dram_clock_khz(options->backend.dram_preset),
                              .text = text,
                              .size = size,
                              .turn = options->riscv && kind != STAGE_EXPERTS ? turn : NULL};
  static const unsigned of_bundles[SCHEDULE_BUNDLES] = {MEASURE_SPACES, MEASURE_SPACES, MEASURE_BOUND,
                                                        MEASURE_BOUND | MEASURE_STRIPES};
  const unsigned costs[SCHEDULE_BUNDLES] = {SCHEDULE_OF_BUNDLE, SCHEDULE_COSTS, SCHEDULE_COSTS,
                                            what & MEASURE_STRIPES ? SCHEDULE_OF_STRIPES : SCHEDULE_COSTS};
  int error = DUPLEX_OK;
  for (unsigned q = 0; what & MEASURE_PIECES && q < times->placement.pieces && !error; q++)
    error = measure_cuts(&m, q, times);
  for (unsigned i = 0; i < SCHEDULE_BUNDLES && !error; i++)
    if (what & of_bundles[i]) error = measure_striped(&m, i + 1, costs[i], times);
  if (error) return error;
  schedule_seal(times);
  if (schedule_valid(times)) return DUPLEX_OK;
  if (text && size)
    snprintf(text, size,
             "an expert takes too long for a table of time: expected less than %u times %u clocks",
             SCHEDULE_MOST, times->clocks_per_unit);
  return MEASURE_TOO_LONG;
}

int device_probe(const struct duplex_stack_options *options, uint64_t clocks[DEVICE_PROBE_CLOCKS], char *text,
                 size_t size) {
  enum { EXPERTS = 4 };
  const struct schedule_shape shape = {.hidden = 512, .channels = options->backend.channels, .gated = 1};
  const struct duplex_layer_piece piece = {.bundles = 3, .parts = 1, .inner = {256}};
  struct probe probe;
  int error = probe_open(&probe, STAGE_EXPERTS, &shape, options, &piece, text, size);
  if (!error) error = probe_run(&probe, 1, 1, DUPLEX_LANES, &clocks[0]);
  if (!error) error = probe_run(&probe, EXPERTS, 1, PASSES * DUPLEX_LANES, &clocks[1]);
  if (!error) error = probe_read(&probe, EXPERTS, 0, false, &clocks[2]);
  probe_close(&probe);
  return error;
}
