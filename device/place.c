// SPDX-License-Identifier: Apache-2.0
// Where the pieces of an MoE layer lie on the stacks, by the tables of time.
#include <string.h>

#include "device/layer.h"
#include "device/measure.h"
#include "device/tables.h"
#include "driver/stack.h"
#include "duplex/arithmetic.h"
#include "duplex/error.h"

#define XPU_BEAT 32u  // bytes of a channel's pins in a clock

// The whole slice of each stack as one part of one piece.
static void place_whole(struct duplex_moe *moe) {
  const size_t inner = moe->shape.inner;
  const unsigned stacks = moe->device->stacks;
  for (unsigned stack = 0; stack < stacks; stack++) {
    const size_t first = inner * stack / stacks;
    const size_t count = inner * (stack + 1) / stacks - first;
    for (unsigned q = 0; q < moe->pieces; q++)
      moe->stage->piece[stack][q] =
          (struct moe_piece){.bundles = moe->pieces == 1 ? SCHEDULE_ALL_BUNDLES : 1u << q,
                             .parts = count > 0,
                             .first = first,
                             .inner = {count}};
  }
}

// The parts of one piece on one stack, but for empty ones. Those of Logic-PIM's copy are joined; the xPU has
// its own alone.
static void place_piece(struct duplex_moe *moe, unsigned stack, unsigned q) {
  const struct schedule_placement *placement = &moe->times.placement;
  struct moe_piece *piece = &moe->stage->piece[stack][q];
  const unsigned of_schedule = moe_piece_of_schedule(moe, q);
  piece->joined = placement->layout == SCHEDULE_REPLICATED && q < moe->turns;
  piece->read_only = placement->layout == SCHEDULE_REPLICATED && q >= moe->turns;
  for (unsigned part = 0; part < placement->parts[of_schedule]; part++) {
    const struct schedule_range range = schedule_part(&moe->times.shape, placement, stack, of_schedule, part);
    if (range.count == 0) continue;
    if (piece->parts == 0) piece->first = range.first;
    piece->inner[piece->parts++] = range.count;
  }
}

static unsigned emptiest_bundle(const struct duplex_device *device) {
  struct space *space[DUPLEX_STACKS_MOST];
  for (unsigned stack = 0; stack < device->stacks; stack++) space[stack] = device->stack[stack]->space;
  return moe_emptiest_bundle(space, device->stacks);
}

// As the policy `best` wants them. If the pieces of odd experts lie in other bundles than those of even ones,
// or there are two copies, a piece of the schedule is two here. Layers of two copies load the bundles evenly.
static void place_best(struct duplex_moe *moe) {
  const struct schedule_placement *placement = &moe->times.placement;
  moe->turns = schedule_bundles(placement, 0, 0) == schedule_bundles(placement, 1, 0) ? 1 : 2;
  moe->pieces = placement->pieces * moe->turns * moe->way.copies;
  if (moe->way.copies > 1) moe->xpu_bundle = emptiest_bundle(moe->device);
  for (unsigned stack = 0; stack < moe->device->stacks; stack++)
    for (unsigned q = 0; q < moe->pieces; q++) {
      moe->stage->piece[stack][q].bundles = moe_bundles(moe, q, moe->xpu_bundle);
      place_piece(moe, stack, q);
    }
}

// DOWN has the rows that belong to the inner columns of each piece of UP.
static void place_down(struct duplex_moe *moe) {
  struct moe_stage *stage = &moe->stage[1];
  for (unsigned stack = 0; stack < moe->device->stacks; stack++)
    for (unsigned q = 0; q < moe->pieces; q++) {
      const struct moe_piece *up = &moe->stage[0].piece[stack][q];
      const struct schedule_range rows =
          stage_down_rows(&stage->times.shape, up->first, moe_inner_behind(up, 0));
      stage->piece[stack][q] = (struct moe_piece){.bundles = up->bundles,
                                                  .parts = rows.count > 0,
                                                  .first = rows.first,
                                                  .inner = {rows.count},
                                                  .read_only = up->read_only};
    }
}

// The costs of pieces as this layer has them.
static const struct schedule_costs *costs_of(const struct duplex_moe *moe, const struct moe_stage *stage) {
  if (moe->device->options.policy == DUPLEX_POLICY_BEST) return &stage->times.costs[SCHEDULE_OF_PIECE];
  return &stage->times.costs[moe->pieces > 1 ? SCHEDULE_OF_BUNDLE : SCHEDULE_OF_STRIPES];
}

// The tables that a stage needs.
static struct tables_wanted tables_of_stage(const struct duplex_moe *moe, const struct moe_stage *stage) {
  return (struct tables_wanted){stage->kind, moe->way.partials != DUPLEX_PARTIALS_ACC, moe->way.copies > 1,
                                moe->way.striped};
}

// Adds the times of another stage, of a table with the same unit and placement.
static void add_times(struct schedule_times *sum, const struct schedule_times *other) {
  uint32_t *to = &sum->rows[0].pim[0][0];
  const uint32_t *from = &other->rows[0].pim[0][0];
  const size_t rows = sizeof sum->rows / sizeof *sum->rows + 1;  // the slope lies behind them
  for (size_t i = 0; i < rows * sizeof *sum->rows / sizeof *to; i++) to[i] += from[i];
  memset(sum->costs, 0, sizeof sum->costs);  // they stay with the stages
  schedule_seal(sum);
}

// A stage has this table; those of the layer are the sums of all stages so far.
static int use_table(struct duplex_moe *moe, struct moe_stage *stage, const struct schedule_times *times) {
  stage->times = *times;
  bool fits = schedule_charge(times, &stage->charged);
  if (stage == moe->stage) {
    moe->times = *times;
    moe->charged = stage->charged;
  } else {
    add_times(&moe->times, times);
    add_times(&moe->charged, &stage->charged);
    fits = fits && times->clocks_per_unit == moe->times.clocks_per_unit && schedule_valid(&moe->charged);
  }
  if (fits) return DUPLEX_OK;
  return device_fail(moe->device, MEASURE_TOO_LONG, "tokens and sums take too long for a table of time");
}

// The measured table of a stage.
static int take_table(struct duplex_moe *moe, const struct duplex_moe_form *form, struct moe_stage *stage) {
  const struct tables_wanted wanted = tables_of_stage(moe, stage);
  const struct schedule_times *times;
  const struct measure_turn *turn;
  const int error = tables_take(moe->device, form, &wanted, &times, &turn);
  if (error) return error;
  memcpy(stage->turn, turn, sizeof stage->turn);
  return use_table(moe, stage, times);
}

// What the stages are, with shape and placement but without times.
static int set_stages(struct duplex_moe *moe, const struct duplex_moe_form *form) {
  static const enum stage_kind kinds[][MOE_STAGES] = {{STAGE_EXPERTS}, {STAGE_UP, STAGE_DOWN}};
  const bool gathered = moe->way.partials == DUPLEX_PARTIALS_GATHERED;
  int error = DUPLEX_OK;
  moe->stages = gathered ? 2 : 1;
  for (unsigned i = 0; i < moe->stages && !error; i++) {
    struct moe_stage *stage = &moe->stage[i];
    *stage = (struct moe_stage){.kind = kinds[gathered][i]};
    const struct tables_wanted wanted = tables_of_stage(moe, stage);
    error = tables_plan(moe->device, form, &wanted, &stage->times.shape, &stage->times.placement);
  }
  moe->times.shape = moe->stage->times.shape;
  moe->times.placement = moe->stage->times.placement;
  return error;
}

int moe_lay_out(struct duplex_moe *moe, const struct duplex_moe_form *form, struct moe_way way) {
  const enum duplex_policy policy = moe->device->options.policy;
  moe->way = way;
  moe->xpu_bundle = MOE_XPU_BUNDLE;
  int error = set_stages(moe, form);
  if (!error && way.copies > 1 && moe->times.placement.layout != SCHEDULE_REPLICATED) {
    moe->way.copies = 1;
    error = set_stages(moe, form);
  }
  if (error) return error;
  if (policy == DUPLEX_POLICY_BEST) {
    place_best(moe);
  } else {
    // The paper's spaces need experts to choose from; fewer are striped, and the sides take turns.
    const bool spaces = policy == DUPLEX_POLICY_PAPER && moe->shape.experts >= SCHEDULE_BUNDLES;
    moe->turns = spaces ? SCHEDULE_BUNDLES : 1;
    moe->pieces = moe->turns;
    place_whole(moe);
  }
  if (moe->stages > 1) place_down(moe);
  for (unsigned i = 0; i < moe->stages; i++) moe->stage[i].costs = costs_of(moe, &moe->stage[i]);
  return DUPLEX_OK;
}

int moe_place(struct duplex_moe *moe, const struct duplex_moe_form *form, struct moe_way way) {
  int error = moe_lay_out(moe, form, way);
  for (unsigned i = 0; i < moe->stages && !error; i++) error = take_table(moe, form, &moe->stage[i]);
  return error;
}

// What moves for a group of 8 tokens, and the results of 1 to 8, by the bytes of a channel's pins; jobs and
// starts of transfers as they are measured for Mixtral's experts. Products of one group alone are read at
// half the rate, in short runs.
static void fill_costs(const struct moe_stage *stage, struct schedule_costs *costs) {
  const struct schedule_shape *shape = &stage->times.shape;
  const bool products = stage->kind != STAGE_EXPERTS;
  const uint32_t slice = duplex_divide_up(shape->inner, shape->stacks);
  const uint32_t rows_of[] = {[STAGE_EXPERTS] = shape->hidden,
                              [STAGE_UP] = slice * (1 + shape->gated),
                              [STAGE_DOWN] = duplex_divide_up(shape->hidden, shape->stacks)};
  const uint32_t of_channel = duplex_divide_up(rows_of[stage->kind], shape->channels);
  const uint32_t x = stage_columns(stage->kind, shape) * DUPLEX_LANES * (uint32_t)sizeof(duplex_f16);
  *costs = (struct schedule_costs){
      .job = {270, 270}, .reads = {30, 30}, .given = 6, .taken = 13, .first_tokens = 15, .first_sums = 140};
  costs->tokens = duplex_divide_up(x, XPU_BEAT * shape->channels);
  for (uint32_t tokens = 1; tokens <= DUPLEX_LANES; tokens++)
    costs->sums[tokens] =
        of_channel * schedule_sum_pieces(shape, tokens) * (products && tokens < DUPLEX_LANES ? 2 : 1);
}

int moe_use_formulas(struct duplex_moe *moe) {
  static const enum schedule_stage stages[] = {
      [STAGE_EXPERTS] = SCHEDULE_EXPERT, [STAGE_UP] = SCHEDULE_GATE_AND_UP, [STAGE_DOWN] = SCHEDULE_DOWN};
  int error = DUPLEX_OK;
  for (unsigned i = 0; i < moe->stages && !error; i++) {
    struct moe_stage *stage = &moe->stage[i];
    struct schedule_times times;
    schedule_formula_stage(&stage->times.shape, &stage->times.placement, stages[stage->kind], &times);
    for (unsigned of = 0; of < SCHEDULE_COSTS; of++) fill_costs(stage, &times.costs[of]);
    schedule_seal(&times);
    error = use_table(moe, stage, &times);
  }
  return error;
}
