// SPDX-License-Identifier: Apache-2.0
// What both phases of a decision have to do, by a table and its costs.
#include "duplex/arithmetic.h"
#include "schedule/policies.h"

#define PIECE_BYTES 32u  // of the sums of a column and expert, that the xPU reads at once
// Pieces of a row and group.
#define EXACT_PIECES (SCHEDULE_LANES * 16u / PIECE_BYTES)
#define ROUNDED_PIECES (SCHEDULE_LANES * 4u / PIECE_BYTES)

// A piece of an expert as a decision has it: the phase in which Logic-PIM and that in which the xPU works on
// it, what it takes them, and the job that it is in.
struct piece {
  uint32_t pim_phase, xpu_phase;
  uint32_t pim, xpu;
  uint32_t job;
};

// The sums of an expert or of a job: pieces of each row, and clocks.
struct sums {
  uint32_t pieces;
  uint64_t clocks;
};

static bool has_pieces(const struct schedule_times *times, const struct schedule_decision *decision) {
  const uint32_t layout = times->placement.layout;
  if (decision->policy == SCHEDULE_XPU_ALONE) return layout == SCHEDULE_REPLICATED;
  return layout != SCHEDULE_STRIPED &&
         (decision->policy == SCHEDULE_BEST || decision->policy == SCHEDULE_PIM_ALONE);
}

const struct schedule_costs *schedule_costs_of(const struct schedule_times *times,
                                               const struct schedule_decision *decision) {
  if (has_pieces(times, decision) || schedule_is_alone((enum schedule_policy)decision->policy))
    return &times->costs[SCHEDULE_OF_PIECE];
  return &times->costs[decision->spaces ? SCHEDULE_OF_BUNDLE : SCHEDULE_OF_STRIPES];
}

uint64_t schedule_tokens(const struct schedule_costs *costs, uint32_t groups, uint32_t passes) {
  const uint64_t clocks = (uint64_t)groups * costs->tokens;
  const uint64_t least = (uint64_t)passes * costs->least_tokens;
  return clocks > least ? clocks : least;
}

static uint32_t pieces_of(uint32_t of_group, uint32_t count) {
  return count / SCHEDULE_LANES * of_group +
         duplex_divide_up(count % SCHEDULE_LANES * of_group, SCHEDULE_LANES);
}

static inline uint32_t sum_pieces(const struct schedule_shape *shape, uint32_t count) {
  return shape->rounded ? pieces_of(ROUNDED_PIECES, count) : pieces_of(EXACT_PIECES, count);
}

uint32_t schedule_sum_pieces(const struct schedule_shape *shape, uint32_t count) {
  return sum_pieces(shape, count);
}

// So many pieces of each row, as fast as those of whole groups.
static uint64_t fast_sums(const struct schedule_shape *shape, const struct schedule_costs *costs,
                          uint32_t pieces) {
  const uint64_t clocks = (uint64_t)pieces * costs->sums[SCHEDULE_LANES];
  // By constants: a division takes longer than all else here.
  return shape->rounded ? (clocks + ROUNDED_PIECES - 1) / ROUNDED_PIECES
                        : (clocks + EXACT_PIECES - 1) / EXACT_PIECES;
}

// Of an expert. A few tokens alone wait for their banks; beside those of whole groups they are as fast as
// these.
static struct sums sums_of(const struct schedule_shape *shape, const struct schedule_costs *costs,
                           uint32_t count) {
  const uint32_t pieces = sum_pieces(shape, count);
  // Both, as no processor foresees which it is.
  const uint64_t few = costs->sums[count % SCHEDULE_LANES];
  const uint64_t least = (uint64_t)schedule_passes(schedule_groups(count)) * costs->sums[SCHEDULE_LANES - 1];
  const uint64_t whole = duplex_larger_u64(fast_sums(shape, costs, pieces), least);
  return (struct sums){pieces, count < SCHEDULE_LANES ? few : whole};
}

uint64_t schedule_sums(const struct schedule_shape *shape, const struct schedule_costs *costs,
                       uint32_t count) {
  return sums_of(shape, costs, count).clocks;
}

static void add_groups(uint32_t groups, struct schedule_phase *phase) {
  phase->groups += groups;
  phase->passes += schedule_passes(groups);
}

// Of one piece of each row.
static uint32_t commands_of_piece(const struct schedule_shape *shape) {
  return duplex_divide_up(shape->hidden, shape->channels);
}

void schedule_add_transfers(const struct schedule_shape *shape, const struct schedule_costs *costs,
                            uint32_t count, struct schedule_phase *phase) {
  const struct sums sums = sums_of(shape, costs, count);
  add_groups(schedule_groups(count), phase);
  phase->sums += sums.clocks;
  phase->sum_commands += (uint64_t)commands_of_piece(shape) * sums.pieces;
}

// The phase of a piece that is cut, and the job in it of a whole expert.
static uint32_t phase_of(const struct schedule_times *times, const struct schedule_decision *decision,
                         uint32_t expert, uint32_t q) {
  return schedule_bundles(&times->placement, expert, q) == decision->owned[1];
}
static uint32_t job_of(const struct schedule_decision *decision, uint32_t expert) {
  return decision->spaces ? expert % SCHEDULE_BUNDLES : 0;
}

// A cut piece: the other side has it in the other phase, or the copy of it at once. Of the groups with no cut
// it has all.
static struct piece cut_piece(const struct schedule_times *times, const struct schedule_decision *decision,
                              uint32_t expert, uint32_t q, uint32_t groups, uint32_t whole) {
  const uint32_t phase = phase_of(times, decision, expert, q);
  const uint32_t cut = decision->cut[q][expert];
  const uint32_t other = times->placement.layout == SCHEDULE_REPLICATED ? phase : 1 - phase;
  return (struct piece){phase, other, SCHEDULE_TIME(times, groups, pim[q][cut]),
                        SCHEDULE_TIME(times, groups, xpu[q][cut]) + SCHEDULE_TIME(times, whole, xpu[q][0]),
                        q};
}

// A whole expert. In one bundle: both sides work in phase 0, and each bundle has a job. Over four: Logic-PIM
// has phase 0, and the xPU phase 1.
static struct piece whole_piece(const struct schedule_times *times, const struct schedule_decision *decision,
                                uint32_t expert, uint32_t groups) {
  const bool pim = decision->cut[0][expert];
  const uint32_t bundles = decision->spaces ? 1 : SCHEDULE_BUNDLES;
  return (struct piece){0, !decision->spaces, pim ? SCHEDULE_TIME(times, groups, striped[bundles - 1]) : 0,
                        pim ? 0 : SCHEDULE_TIME(times, groups, whole), job_of(decision, expert)};
}

// Adds an expert's piece to the phase of its job; `before`: groups of that.
static void add_piece(const struct schedule_times *times, const struct schedule_costs *costs,
                      const struct piece *piece, uint32_t expert, uint32_t groups, uint32_t *before,
                      struct schedule_phase *phase) {
  phase->pim += (uint64_t)piece->pim * times->clocks_per_unit;
  schedule_add_expert(costs, expert, *before, groups, phase);
  add_groups(groups, phase);
  *before += groups;
}

void schedule_phases_by_groups(const struct schedule_times *times, const uint16_t *counts,
                               const struct schedule_decision *decision, struct schedule_phase phases[2]) {
  const struct schedule_costs *costs = schedule_costs_of(times, decision);
  const bool cut = has_pieces(times, decision);
  const uint32_t pieces = cut ? times->placement.pieces : 1;
  uint32_t before[2][SCHEDULE_BUNDLES] = {{0}};
  phases[0] = phases[1] = (struct schedule_phase){0};
  for (uint32_t e = 0; e < times->shape.experts; e++) {
    const uint32_t tokens = schedule_cut_tokens(decision, e, counts[e]);
    const uint32_t groups = schedule_groups(tokens);
    const uint32_t others = schedule_groups(counts[e] - tokens);
    for (uint32_t q = 0; groups && q < pieces; q++) {
      const struct piece piece =
          cut ? cut_piece(times, decision, e, q, groups, others) : whole_piece(times, decision, e, groups);
      const uint32_t phase = piece.pim_phase;
      phases[piece.xpu_phase].xpu += (uint64_t)piece.xpu * times->clocks_per_unit;
      if (piece.pim) add_piece(times, costs, &piece, e, groups, &before[phase][piece.job], &phases[phase]);
    }
  }
}

// The sums of the jobs of a phase. Those of several lie in different bundles, and while those of one wait for
// their banks others are read.
static void join_jobs(const struct schedule_times *times, const struct schedule_costs *costs,
                      const struct sums jobs[SCHEDULE_BUNDLES], struct schedule_phase *phase) {
  struct sums all = {0};
  uint64_t longest = 0;
  for (uint32_t i = 0; i < SCHEDULE_BUNDLES; i++) {
    all.pieces += jobs[i].pieces;
    all.clocks += jobs[i].clocks;
    longest = duplex_larger_u64(longest, jobs[i].clocks);
  }
  const uint64_t fast = fast_sums(&times->shape, costs, all.pieces);
  phase->sums = phase->jobs < 2 ? all.clocks : duplex_larger_u64(fast, longest);
  phase->sum_commands = (uint64_t)commands_of_piece(&times->shape) * all.pieces;
}

void schedule_add_sums(const struct schedule_times *times, const uint16_t *counts,
                       const struct schedule_decision *decision, struct schedule_phase phases[2]) {
  const struct schedule_costs *costs = schedule_costs_of(times, decision);
  const bool cut = has_pieces(times, decision);
  const uint32_t pieces = cut ? times->placement.pieces : 1;
  struct sums jobs[2][SCHEDULE_BUNDLES] = {{{0}}};
  if (!phases[0].jobs && !phases[1].jobs) return;
  for (uint32_t e = 0; e < times->shape.experts; e++) {
    const uint32_t tokens = schedule_cut_tokens(decision, e, counts[e]);
    const struct sums sums = sums_of(&times->shape, costs, tokens);
    for (uint32_t q = 0; tokens && q < pieces; q++) {
      if (!decision->cut[q][e]) continue;
      struct sums *job = cut ? &jobs[phase_of(times, decision, e, q)][q] : &jobs[0][job_of(decision, e)];
      job->clocks += sums.clocks;
      job->pieces += sums.pieces;
    }
  }
  for (uint32_t phase = 0; phase < 2; phase++) join_jobs(times, costs, jobs[phase], &phases[phase]);
}

void schedule_phases(const struct schedule_times *times, const uint16_t *counts,
                     const struct schedule_decision *decision, struct schedule_phase phases[2]) {
  schedule_phases_by_groups(times, counts, decision, phases);
  schedule_add_sums(times, counts, decision, phases);
}
