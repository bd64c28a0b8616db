// SPDX-License-Identifier: Apache-2.0
// Predicts a layer's times: sums of what its experts add, and what each job and transfer takes besides.
#include "device/model.h"

#include "device/charges.h"
#include "duplex/arithmetic.h"

#define PIECE_BYTES (DUPLEX_COLUMN_BYTES / 8)  // of a bank

// The times of one side in a phase, and of the transfers for Logic-PIM's jobs in it.
struct side_times {
  uint64_t logic_pim, reads, tokens, sums, sum_pieces;
};

// A time of the table, which is for the policy that places the pieces, in clocks.
static uint64_t pim_time(const struct moe_run *run, unsigned stack, unsigned piece, unsigned expert) {
  const struct duplex_moe *moe = run->moe;
  const struct schedule_times *times = &moe->times;
  const unsigned groups = schedule_groups(run->counts[expert]);
  const unsigned cut = run->decision.cut[piece / moe->turns][expert];
  const unsigned bundles = (unsigned)__builtin_popcount(moe->piece[stack][piece].bundles);
  const uint32_t time = run->device->options.policy == DUPLEX_POLICY_BEST
                            ? SCHEDULE_TIME(times, groups, pim[piece / moe->turns][cut])
                            : SCHEDULE_TIME(times, groups, striped[bundles - 1]);
  return (uint64_t)time * times->clocks_per_unit;
}

static uint64_t xpu_time(const struct moe_run *run, unsigned piece, unsigned expert) {
  const struct duplex_moe *moe = run->moe;
  const struct schedule_times *times = &moe->times;
  const unsigned groups = schedule_groups(run->counts[expert]);
  const unsigned cut = run->decision.cut[piece / moe->turns][expert];
  const uint32_t time = run->device->options.policy == DUPLEX_POLICY_BEST
                            ? SCHEDULE_TIME(times, groups, xpu[piece / moe->turns][cut])
                            : SCHEDULE_TIME(times, groups, whole);
  return (uint64_t)time * times->clocks_per_unit;
}

// Pieces of 32 bytes that the xPU reads of a channel for the sums of so many tokens.
static uint64_t pieces_of_sums(const struct moe_run *run, uint32_t tokens) {
  const uint32_t bytes = run->moe->format == SCHEDULE_ROUNDED ? 4 : 16;
  const uint32_t of_row = tokens / DUPLEX_LANES * (DUPLEX_LANES * bytes / PIECE_BYTES) +
                          duplex_divide_up(tokens % DUPLEX_LANES * bytes, PIECE_BYTES);
  return duplex_divide_up((uint32_t)run->moe->shape.hidden, run->moe->times.shape.channels) * of_row;
}

// Adds one piece that is Logic-PIM's.
static void add_job(const struct moe_run *run, unsigned stack, unsigned piece, struct side_times *times) {
  const struct schedule_costs *costs = run->moe->costs;
  const uint32_t *sums = costs->sums[run->moe->format];
  uint64_t clocks = 0;
  for (unsigned e = 0; e < run->moe->shape.experts; e++) {
    const uint32_t count = run->counts[e];
    if (!count || !run_cut(run, stack, piece, e)) continue;
    clocks += pim_time(run, stack, piece, e);
    times->tokens += schedule_groups(count) * costs->tokens;
    times->sums += count / DUPLEX_LANES * sums[DUPLEX_LANES] + sums[count % DUPLEX_LANES];
    times->sum_pieces += pieces_of_sums(run, count);
  }
  if (clocks) times->logic_pim += costs->job + clocks;
}

// Adds one piece that is the xPU's.
static void add_shares(const struct moe_run *run, unsigned stack, unsigned piece, struct side_times *times) {
  for (unsigned e = 0; e < run->moe->shape.experts; e++)
    if (run_is_shared(run, stack, piece, e)) times->reads += xpu_time(run, piece, e);
}

// The table is that of the widest slice: the stack with most inner columns.
static unsigned widest_stack(const struct duplex_moe *moe) {
  unsigned widest = 0;
  size_t most = 0;
  for (unsigned stack = 0; stack < moe->device->stacks; stack++) {
    size_t inner = 0;
    for (unsigned piece = 0; piece < moe->pieces; piece++)
      inner += moe_inner_behind(&moe->piece[stack][piece], 0);
    if (inner > most) most = inner, widest = stack;
  }
  return widest;
}

static struct side_times times_of(const struct moe_run *run, unsigned owned) {
  const struct duplex_moe *moe = run->moe;
  const unsigned stack = widest_stack(moe);
  struct side_times times = {0};
  for (unsigned piece = 0; piece < moe->pieces; piece++) {
    const unsigned bundles = moe->piece[stack][piece].bundles;
    if (!(bundles & ~owned)) add_job(run, stack, piece, &times);
    if (!(bundles & owned)) add_shares(run, stack, piece, &times);
  }
  return times;
}

// The xPU's commands of phase i. Sums come a piece a clock among reads of weights, which keep other banks
// busy; alone they wait for their own banks.
static uint64_t commands_of(const struct side_times times[DUPLEX_PHASES], unsigned first, unsigned i,
                            unsigned last) {
  uint64_t reads = times[i].reads;
  if (i > first) reads = duplex_larger(reads + times[i - 1].sum_pieces, times[i - 1].sums);
  return reads + (i < last ? times[i + 1].tokens : 0);
}

void model_predict(struct moe_run *run) {
  const struct schedule_costs *costs = run->moe->costs;
  struct duplex_moe_stats *stats = &run->device->stats;
  struct side_times times[DUPLEX_PHASES] = {{0}};
  const unsigned phases = run_phases(run);
  for (unsigned i = 0; i < DUPLEX_PHASES; i++)
    if (phases >> i & 1) times[i] = times_of(run, run->decision.owned[i]);
  const unsigned first = phases & 1 ? 0 : 1;
  const unsigned last = phases >> 1 ? 1 : 0;
  if (times[first].tokens) stats->predicted += costs->first_tokens + times[first].tokens;
  for (unsigned i = first; i <= last; i++) {
    const uint64_t commands = commands_of(times, first, i, last);
    stats->predicted_logic_pim[i] = times[i].logic_pim;
    stats->predicted_xpu[i] = duplex_larger(commands ? costs->reads[i > first] + commands : 0,
                                            charges_estimate(run, run->decision.owned[i]));
    stats->predicted += i == first ? costs->given : costs->taken;
    stats->predicted += duplex_larger(stats->predicted_logic_pim[i], stats->predicted_xpu[i]);
  }
  stats->predicted += costs->taken;
  if (times[last].sums) stats->predicted += costs->first_sums[run->moe->format] + times[last].sums;
}
