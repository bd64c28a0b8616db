// SPDX-License-Identifier: Apache-2.0
// Predicts a layer's times: sums of what its experts add, and what each job and transfer takes besides.
#include "device/model.h"

#include "device/charges.h"
#include "device/search.h"
#include "duplex/arithmetic.h"

// A time of the table, which is for the policy that places the pieces, in clocks.
static uint64_t pim_time(const struct moe_run *run, unsigned stack, unsigned piece, unsigned expert) {
  const struct duplex_moe *moe = run->moe;
  const struct schedule_times *times = &run->stage->times;
  const unsigned groups = schedule_groups(run_cut_tokens(run, expert));
  const unsigned cut = run->decision.cut[moe_piece_of_schedule(moe, piece)][expert];
  const unsigned bundles = (unsigned)__builtin_popcount(run->stage->piece[stack][piece].bundles);
  const uint32_t time = run->device->options.policy == DUPLEX_POLICY_BEST
                            ? SCHEDULE_TIME(times, groups, pim[moe_piece_of_schedule(moe, piece)][cut])
                            : SCHEDULE_TIME(times, groups, striped[bundles - 1]);
  return (uint64_t)time * times->clocks_per_unit;
}

// Of a share of the xPU, by the cut of the widest slice.
static uint64_t xpu_time(const struct moe_run *run, unsigned stack, unsigned piece, unsigned expert) {
  const struct duplex_moe *moe = run->moe;
  const struct schedule_times *times = &run->stage->times;
  const struct share share = run_share(run, stack, piece, expert);
  const unsigned groups = schedule_groups(share.tokens);
  const unsigned cut = share.first ? 0 : run->decision.cut[moe_piece_of_schedule(moe, piece)][expert];
  const uint32_t time = run->device->options.policy == DUPLEX_POLICY_BEST
                            ? SCHEDULE_TIME(times, groups, xpu[moe_piece_of_schedule(moe, piece)][cut])
                            : SCHEDULE_TIME(times, groups, whole);
  return (uint64_t)time * times->clocks_per_unit;
}

// Rows of results that a token has of one expert's piece with this cut.
static uint32_t result_rows(const struct moe_run *run, unsigned stack, unsigned piece, unsigned cut) {
  const struct moe_stage *stage = run->stage;
  if (stage->kind == STAGE_EXPERTS) return (uint32_t)run->moe->shape.hidden;
  const uint32_t rows = (uint32_t)moe_inner_before(&stage->piece[stack][piece], cut);
  return stage->kind == STAGE_UP && run->moe->gated ? 2 * rows : rows;
}

// Pieces of 32 bytes that the xPU reads of a channel for so many rows of so many tokens.
static uint64_t pieces_of_sums(const struct moe_run *run, uint32_t rows, uint32_t tokens) {
  return (uint64_t)duplex_divide_up(rows, run->stage->times.shape.channels) *
         schedule_sum_pieces(&run->stage->times.shape, tokens);
}

// Clocks of the reads of one expert's results, of a whole piece 0 in the table, of as many rows as it has.
// What is short waits for its banks, however short.
static uint64_t sums_of(const struct moe_run *run, unsigned stack, unsigned rows, uint32_t tokens) {
  const uint32_t measured = result_rows(run, stack, 0, run->stage->piece[stack][0].parts);
  const struct schedule_costs *costs = run->stage->costs;
  const uint32_t groups = schedule_groups(tokens);
  const uint64_t clocks = measured ? (uint64_t)groups * costs->sums[DUPLEX_LANES] * rows / measured : 0;
  const uint32_t alone = costs->sums[DUPLEX_LANES - 1];
  const uint64_t least = alone > costs->sums[DUPLEX_LANES] ? schedule_passes(groups) * alone : 0;
  return duplex_larger_u64(clocks, least);
}

// Which descriptor each slot of the ring holds, 0: none of this job (firmware/kernels/ring.h).
struct slots {
  uint16_t held[DUPLEX_RING_ENTRIES];
  uint32_t pushed;
  bool odd;  // of products the buffer of x, in turn
};

// Pushes a pass of products; how many of its descriptors find their slots as they need them. The first one is
// the load.
static uint32_t push_pass(struct slots *slots, uint32_t groups, uint32_t cut, uint32_t descriptors) {
  uint32_t known = 0;
  slots->odd = !slots->odd;
  for (uint32_t i = 0; i < descriptors; i++) {
    uint16_t *held = &slots->held[slots->pushed++ % DUPLEX_RING_ENTRIES];
    const uint32_t of_cut = i ? cut * DUPLEX_RING_ENTRIES + i : 0;
    const uint16_t form = (uint16_t)(1 + slots->odd + 2 * (groups - 1) + 4 * of_cut);
    known += *held == form;
    *held = form;
  }
  return known;
}

// Clocks that an expert's passes take more or less than in the table: behind others of it, and by what they
// find in the ring. What the first pass takes more is in the costs of the job.
static int64_t turn_clocks(const struct moe_stage *stage, uint32_t groups, uint32_t cut, uint32_t descriptors,
                           struct slots *slots) {
  int64_t clocks = 0;
  for (uint32_t left = groups, of_pass; left; left -= of_pass) {
    of_pass = (uint32_t)duplex_smaller(left, DUPLEX_TOKEN_GROUPS);
    const struct measure_turn *turn = &stage->turn[of_pass - 1];
    const bool first = slots->pushed == 0;
    const uint32_t known = push_pass(slots, of_pass, cut, descriptors);
    if (left != groups) clocks -= turn->again;
    if (!first) clocks += (int64_t)turn->more - (int64_t)(turn->more + turn->less) * known / descriptors;
  }
  return clocks;
}

// Adds one piece that is Logic-PIM's.
static void add_job(const struct moe_run *run, unsigned stack, unsigned piece, struct schedule_phase *phase) {
  uint32_t before = 0;  // groups of the job so far
  struct slots slots = {0};
  int64_t turns = 0;
  const struct duplex_layer_piece own = moe_layer_piece(&run->stage->piece[stack][piece]);
  for (unsigned e = 0; e < run->moe->shape.experts; e++) {
    const uint32_t count = run_cut_tokens(run, e);
    const unsigned cut = run_cut(run, stack, piece, e);
    if (!count || !cut) continue;
    const uint32_t rows = result_rows(run, stack, piece, cut);
    const uint32_t descriptors = 1 + stage_streams(&run->stage->times.shape, &own, cut);
    phase->pim += pim_time(run, stack, piece, e);
    turns += turn_clocks(run->stage, schedule_groups(count), cut, descriptors, &slots);
    schedule_add_expert(run->stage->costs, e, before, schedule_groups(count), phase);
    before += schedule_groups(count);
    phase->groups += schedule_groups(count);
    phase->passes += schedule_passes(schedule_groups(count));
    phase->sums += sums_of(run, stack, rows, count);
    phase->sum_commands += pieces_of_sums(run, rows, count);
  }
  phase->pim = (uint64_t)((int64_t)phase->pim + turns);
}

// Adds one piece that is the xPU's.
static void add_shares(const struct moe_run *run, unsigned stack, unsigned piece,
                       struct schedule_phase *phase) {
  for (unsigned e = 0; e < run->moe->shape.experts; e++)
    if (run_is_shared(run, stack, piece, e)) phase->xpu += xpu_time(run, stack, piece, e);
}

// The table is that of the widest slice: the stack with most inner columns, or rows of down.
static unsigned widest_stack(const struct moe_run *run) {
  const struct duplex_moe *moe = run->moe;
  unsigned widest = 0;
  size_t most = 0;
  for (unsigned stack = 0; stack < moe->device->stacks; stack++) {
    size_t inner = 0;
    for (unsigned piece = 0; piece < moe->pieces; piece++)
      inner += moe_inner_behind(&run->stage->piece[stack][piece], 0);
    if (inner > most) most = inner, widest = stack;
  }
  return widest;
}

// A phase of products, by the pieces of the widest stack: rows of results follow the cuts.
static void product_phase(const struct moe_run *run, unsigned owned, struct schedule_phase *phase) {
  const struct duplex_moe *moe = run->moe;
  const unsigned stack = widest_stack(run);
  for (unsigned piece = 0; piece < moe->pieces; piece++) {
    const unsigned bundles = run->stage->piece[stack][piece].bundles;
    if (!(bundles & ~owned)) add_job(run, stack, piece, phase);
    if (!(bundles & owned)) add_shares(run, stack, piece, phase);
  }
}

// The decision of firmware on an RV32 controller is in the first job of the layer.
static void add_decision(const struct moe_run *run, struct schedule_phase phases[STAGE_PHASES]) {
  struct schedule_phase *first = phases[0].jobs ? &phases[0] : &phases[1];
  if (charges_decides_in_job(run)) first->decision = (uint32_t)charges_decision_in_job(run);
}

static void add_search(const struct moe_run *run, unsigned number, struct schedule_phase *phase) {
  if (run->device->options.stack.riscv && phase->jobs)
    phase->job_clocks += (uint32_t)search_clocks(run, widest_stack(run), number, phase);
}

// The run's stage, whose phases are the layer's from number `number` on.
static void predict_stage(const struct moe_run *run, unsigned number, struct duplex_moe_stats *stats) {
  const struct moe_stage *stage = run->stage;
  struct schedule_phase phases[STAGE_PHASES] = {{0}};
  struct schedule_prediction prediction;
  if (stage->kind == STAGE_EXPERTS)
    schedule_phases(&stage->times, run->dispatch.count, &run->decision, phases);
  for (unsigned i = 0; i < STAGE_PHASES && stage->kind != STAGE_EXPERTS; i++)
    if (run_phases(run) >> i & 1) product_phase(run, run_owned(run, i), &phases[i]);
  for (unsigned i = 0; i < STAGE_PHASES; i++) add_search(run, i, &phases[i]);
  if (number == 0) add_decision(run, phases);
  schedule_predict(stage->costs, phases, &prediction);
  for (unsigned i = 0; i < STAGE_PHASES; i++) {
    stats->predicted_logic_pim[number + i] = prediction.pim[i];
    stats->predicted_xpu[number + i] = prediction.xpu[i];
  }
  stats->predicted += prediction.total;
}

void model_predict(struct moe_run *run, struct duplex_moe_stats *stats) {
  for (unsigned i = 0; i < run->moe->stages; i++) {
    run->stage = &run->moe->stage[i];
    predict_stage(run, i * STAGE_PHASES, stats);
  }
  run->stage = run->moe->stage;
}
