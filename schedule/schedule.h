// SPDX-License-Identifier: Apache-2.0
// The schedule of an MoE layer over both sides of a device: placement, tables of time, policies, bound
// (docs/schedule.md).
//
// Freestanding but for tables_file.h: no library, no heap, no floating point. One code for the firmware, the
// driver and the simulator. Times are integers, in units of `clocks_per_unit` clocks of 650 MHz.
#ifndef DUPLEX_SCHEDULE_H
#define DUPLEX_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#define SCHEDULE_VERSION 8u
#define SCHEDULE_EXPERTS 256u  // of a layer, on one device
#define SCHEDULE_HALVES 255u   // of a layer in halves: a byte counts them
#define SCHEDULE_LANES 8u      // tokens of a group
#define SCHEDULE_GROUPS 64u    // groups of 8 tokens with times of their own; beyond them times are linear
#define SCHEDULE_PIECES 2u
#define SCHEDULE_PARTS 10u
#define SCHEDULE_CUTS (SCHEDULE_PARTS + 1u)
#define SCHEDULE_BUNDLES 4u
#define SCHEDULE_STACKS 8u
#define SCHEDULE_CHANNELS 32u
#define SCHEDULE_SIZE 65536u  // most columns of a matrix
#define SCHEDULE_TILE 64u     // inner columns of a k-tile of down
#define SCHEDULE_ALL_BUNDLES 0xfu
#define SCHEDULE_COPIED_BUNDLES 0x7u  // REPLICATED: of Logic-PIM's copy, and of the xPU's
#define SCHEDULE_COPY_BUNDLE 0x8u
#define SCHEDULE_HOT 63u          // experts beyond SCHEDULE_GROUPS that `best` considers one by one
#define SCHEDULE_MOST (1u << 23)  // a time of SCHEDULE_GROUPS groups is less, so that sums fit 32 bits

#define SCHEDULE_UP_EXPONENTS 1u  // of gate and up
#define SCHEDULE_DOWN_EXPONENTS 2u

struct schedule_shape {
  uint32_t hidden, inner;     // H, F; from 1
  uint32_t experts;           // of the layer on this device, 1 to SCHEDULE_EXPERTS
  uint32_t stacks, channels;  // 1 to 8, 1 to 32
  uint32_t gated;             // 1: gate and up, 0: up alone
  uint32_t exponents;         // of rows, in DRAM before their weights: SCHEDULE_UP_, _DOWN_EXPONENTS
  uint32_t replicated;        // 1: there is room for a second copy of each expert
  uint32_t rounded;           // Logic-PIM's results: 0: exact sums, 16 bytes each; 1: rounded to binary32
};

// Where the weights of an expert lie in each stack; fixed when they are loaded (schedule_bundles).
//   STRIPED    one piece over all four bundles: the sides take turns
//   ALTERNATE  one piece in bundles {0, 1} (even experts) or {2, 3} (odd ones)
//   SPLIT      a large piece 0 as with ALTERNATE, and a small piece 1 in the other pair of bundles
//   HALVED     piece 0 in bundles {0, 1}, piece 1 in {2, 3}
//   REPLICATED one piece twice: in bundles {0, 1, 2} for Logic-PIM, in bundle 3 for the xPU
enum schedule_layout {
  SCHEDULE_STRIPED,
  SCHEDULE_ALTERNATE,
  SCHEDULE_SPLIT,
  SCHEDULE_HALVED,
  SCHEDULE_REPLICATED
};

// A piece is a list of parts: inner columns in order, whose gate and up rows are a matrix each. `width`:
// inner columns of a part in the widest slice; the others differ in the last part of the last piece
// (schedule_part). Stack i has the inner columns from F i / stacks on to F (i + 1) / stacks.
//
// REPLICATED: so it is with the xPU's copy. That of Logic-PIM has one matrix of gate and up, of whose columns
// a cut takes the first: parts end at multiples of the cut unit, or with the slice.
struct schedule_placement {
  uint32_t layout;  // enum schedule_layout
  uint32_t pieces;  // 1 or 2
  uint32_t parts[SCHEDULE_PIECES];
  uint32_t width[SCHEDULE_PIECES][SCHEDULE_PARTS];
};

// The times of one expert with a given number of groups of 8 tokens. Cut i: parts 0 to i - 1 on Logic-PIM,
// the rest on the xPU; cut 0 takes Logic-PIM no time. A piece is streamed by Logic-PIM from its own bundles.
struct schedule_row {
  uint32_t pim[SCHEDULE_PIECES][SCHEDULE_CUTS];
  uint32_t xpu[SCHEDULE_PIECES][SCHEDULE_CUTS];
  uint32_t striped[SCHEDULE_BUNDLES];  // Logic-PIM: the whole expert striped over 1 to 4 bundles
  uint32_t whole;                      // the xPU: the whole expert
};

// What pieces take beside what the table tells of them, in clocks. The rows of the table are those of the
// experts alone: schedule_charge makes the ones that a decision goes by.
struct schedule_costs {
  uint32_t job[2];        // a job of Logic-PIM whose first expert has one group, and more
  uint32_t pass[2];       // a pass with two groups, [1] behind an odd number of groups of its job; 0 if long
  uint32_t reads[2];      // the xPU's reads of a phase, [1] from bundles that were Logic-PIM's just before
  uint32_t given, taken;  // the bundles given to Logic-PIM, and taken back
  // For an expert that Logic-PIM has a share of the xPU writes x of each group of 8 tokens, of each pass of
  // them at least so long (schedule_tokens), and reads the sums of a group with 1 to 7 tokens, of 8 if it is
  // one of a whole pass (schedule_sums); and the first of all takes so much besides. Short sums of one group
  // alone, sums[7] as of 8, wait for their banks.
  uint32_t first_tokens, tokens, least_tokens;
  uint32_t first_sums, sums[9];
};

// The pieces of which a table has costs: piece 0 of its placement; a slice in one bundle, as `paper` may have
// it; a slice over all four.
enum { SCHEDULE_OF_PIECE, SCHEDULE_OF_BUNDLE, SCHEDULE_OF_STRIPES, SCHEDULE_COSTS };

struct schedule_times {
  uint32_t version;  // SCHEDULE_VERSION
  uint32_t hash;     // schedule_hash of what follows
  uint32_t clocks_per_unit;
  struct schedule_shape shape;
  struct schedule_placement placement;
  uint32_t knee[SCHEDULE_PIECES];  // a cut before the last that takes a clock off the xPU most cheaply, or 0
  uint32_t overtaken[SCHEDULE_GROUPS + 1];  // piece 1 of that many groups relieves the xPU more cheaply than
                                            // pieces 0 of more than this
  struct schedule_row rows[SCHEDULE_GROUPS + 1];  // rows[0] is zero
  struct schedule_row slope;                      // added for each group beyond SCHEDULE_GROUPS
  struct schedule_costs costs[SCHEDULE_COSTS];    // all 0 of a table by formulas
};

// Experts in pairs of bundles of which `best` tries all there is to try (ALTERNATE).
#define SCHEDULE_FEW 8u

// PAPER is the faster of its two halves: SPACES, an expert in bundle e % 4, and TURNS, striped over all
// bundles with one side at a time. Where the placement is there already, its own half is asked for.
// XPU_ALONE and PIM_ALONE: one side does all that is placed for BEST.
enum schedule_policy {
  SCHEDULE_XPU,
  SCHEDULE_PIM,
  SCHEDULE_PAPER,
  SCHEDULE_BEST,
  SCHEDULE_SPACES,
  SCHEDULE_TURNS,
  SCHEDULE_XPU_ALONE,
  SCHEDULE_PIM_ALONE
};

// Whether one side has all, as it lies for BEST.
static inline bool schedule_is_alone(enum schedule_policy policy) {
  return policy == SCHEDULE_XPU_ALONE || policy == SCHEDULE_PIM_ALONE;
}

// Whether a controller decides about each layer: not if one side has all.
static inline bool schedule_is_decided(enum schedule_policy policy) {
  return policy != SCHEDULE_XPU && policy != SCHEDULE_PIM && !schedule_is_alone(policy);
}

// Two phases. In phase f Logic-PIM owns the bundles `owned[f]` and the xPU the others: {0, 1} and {2, 3} for
// `best`. Logic-PIM works for pim[f] units on its shares of the pieces in owned[f], while the xPU works for
// xpu[1 - f] units on its shares of the pieces in owned[1 - f]. total = max(pim[0], xpu[1]) + max(pim[1],
// xpu[0]).
//
// `best`: cut[q][e] is the cut of piece q of expert e. STRIPED, `xpu`, `pim` and `paper` (whose experts are
// striped over four bundles, or lie in bundle e % 4): cut[0][e] is 1 for Logic-PIM and 0 for the xPU. With
// weights over all bundles Logic-PIM owns them in phase 0, and the xPU in phase 1. REPLICATED: all is done in
// phase 0, in which Logic-PIM owns {0, 1, 2}; cut[1] is cut[0], that of the copy.
//
// One expert may be divided by its tokens: Logic-PIM has the first `groups` groups of 8, with the last cuts,
// and the xPU has all of the others.
//
// XPU_ALONE: all cuts are 0, in one phase, as with `xpu` or as REPLICATED. PIM_ALONE: all cuts of experts
// with tokens are the last ones. All is done in phase 0, in which Logic-PIM owns {0, 1, 2} if REPLICATED, and
// else all four bundles: one piece after another.
struct schedule_decision {
  uint32_t policy;
  uint32_t spaces;  // 1: `paper` chose one bundle an expert; else its experts are striped over all four
  uint32_t owned[2];
  uint32_t pim[2], xpu[2], total;
  uint32_t divided, groups;  // by its tokens: that expert; 0 groups: none is
  _Alignas(4) uint8_t cut[SCHEDULE_PIECES][SCHEDULE_EXPERTS];
};

// Of the tokens of an expert those that its cuts are of: the first ones.
static inline uint32_t schedule_cut_tokens(const struct schedule_decision *decision, uint32_t expert,
                                           uint32_t tokens) {
  return decision->groups && expert == decision->divided ? SCHEDULE_LANES * decision->groups : tokens;
}

// What `best` notes meanwhile: memory of the caller's, too large for a small stack. A bin: pieces with the
// same times, of experts with the same number of groups; `pim`: what such a piece takes Logic-PIM as a whole,
// `relief`: what that takes off the xPU.
struct schedule_bin {
  uint32_t experts, pim, relief;
  uint32_t rank;  // and population << 8
};
struct schedule_counted {
  union {
    uint8_t groups[SCHEDULE_GROUPS + 4];  // experts by groups
    uint32_t fours[SCHEDULE_GROUPS / 4 + 1];
  } histogram;
  uint32_t ranks;  // how many of `rank` there are: the bins that are not empty, and then each hot expert
  uint8_t rank[SCHEDULE_GROUPS + SCHEDULE_HOT];
  uint32_t hot_experts, left_experts;
  uint32_t more_groups;           // beyond SCHEDULE_GROUPS, of the hot experts and of those left
  uint32_t xpu[SCHEDULE_PIECES];  // time of all pieces on the xPU
  uint16_t hot[SCHEDULE_HOT];     // groups of the experts beyond SCHEDULE_GROUPS
};
struct schedule_work {
  struct schedule_counted counted[2];          // all experts, or even and odd ones
  _Alignas(4) uint8_t rank[SCHEDULE_EXPERTS];  // of an expert: the bin that it is in
  struct schedule_bin bins[2][SCHEDULE_EXPERTS + 1];
  uint32_t marginal[2][2][SCHEDULE_CUTS];  // times of the cuts of a hot expert
};

bool schedule_shape_valid(const struct schedule_shape *shape);

// Chooses layout and parts. False if the shape is out of range.
bool schedule_place(const struct schedule_shape *shape, struct schedule_placement *placement);

// Inner columns of the layer (0 to F - 1) that a part of a piece has in one stack: the first and how many,
// perhaps none.
struct schedule_range {
  uint32_t first, count;
};
struct schedule_range schedule_part(const struct schedule_shape *shape,
                                    const struct schedule_placement *placement, uint32_t stack,
                                    uint32_t piece, uint32_t part);

// The cut unit: inner columns of which the cuts of REPLICATED are multiples. As many as a tile of down has,
// or a little more, so that a cut keeps an even number of rows of every channel.
static inline uint32_t schedule_cut_unit(uint32_t channels) {
  const uint32_t of_channels = 2 * channels;
  return (SCHEDULE_TILE + of_channels - 1) / of_channels * of_channels;
}

// The bundles in which a piece of an expert lies. REPLICATED: those of piece 1 are the copy's.
static inline uint32_t schedule_bundles(const struct schedule_placement *placement, uint32_t expert,
                                        uint32_t piece) {
  if (placement->layout == SCHEDULE_STRIPED) return SCHEDULE_ALL_BUNDLES;
  if (placement->layout == SCHEDULE_REPLICATED) return piece ? SCHEDULE_COPY_BUNDLE : SCHEDULE_COPIED_BUNDLES;
  const uint32_t turned = placement->layout == SCHEDULE_HALVED ? 0 : expert;
  return (turned + piece) % 2 ? 12 : 3;
}

// What a table has the times of: whole experts; or, where h is gathered over the stacks, gate and up by the
// inner columns of each stack, and down by as large a share of its rows, as products (docs/device.md).
enum schedule_stage { SCHEDULE_EXPERT, SCHEDULE_GATE_AND_UP, SCHEDULE_DOWN };

// Tables from formulas instead of the cycle model (docs/schedule.md); shape and placement are copied.
// schedule_formula: of whole experts.
void schedule_formula(const struct schedule_shape *shape, const struct schedule_placement *placement,
                      struct schedule_times *times);
void schedule_formula_stage(const struct schedule_shape *shape, const struct schedule_placement *placement,
                            enum schedule_stage stage, struct schedule_times *times);

// Version, knees and hash of a table whose other fields are filled in.
void schedule_seal(struct schedule_times *times);
uint32_t schedule_hash(const struct schedule_times *times);

// The table that a decision goes by: pieces of which Logic-PIM has a share take what moves x to it and its
// sums back besides (docs/schedule.md, "Tokens and sums"). True if it is valid: no time is too long.
bool schedule_charge(const struct schedule_times *measured, struct schedule_times *charged);

// Experts over all bundles are for one side alone, so layers of other numbers of tokens lose by them: they
// lie so only where that takes less time by more than one part in so many.
#define SCHEDULE_STRIPED_GAIN 100u

// Makes a table with the times of slices over four bundles, and costs of these, that of experts that lie so.
void schedule_stripe(struct schedule_times *times);

// True if version, hash, ranges and the order of times are as they must be.
bool schedule_valid(const struct schedule_times *times);

// counts[e]: tokens of expert e of times->shape.experts. The table must be valid. schedule_decide: for all
// policies but XPU_ALONE and PIM_ALONE, of which there is nothing to decide, and no code in the firmware.
void schedule_decide(enum schedule_policy policy, const struct schedule_times *times, const uint16_t *counts,
                     struct schedule_work *work, struct schedule_decision *decision);
// For every policy.
void schedule_divide(enum schedule_policy policy, const struct schedule_times *times, const uint16_t *counts,
                     struct schedule_work *work, struct schedule_decision *decision);

// Of an expert that is divided by its tokens, with two copies: Logic-PIM's groups in a stage with this
// charged table, where the decision goes by the sum of all stages' (docs/device.md). 0: none is divided.
uint32_t schedule_stage_groups(const struct schedule_times *times, const uint16_t *counts,
                               const struct schedule_decision *decision);

// What a phase has to do, in clocks: shares of experts on both sides as the table has them; and for
// Logic-PIM's jobs, of which there are so many, sums that are read while nothing else goes on, and the
// commands of these sums among reads of weights. groups: of 8 tokens, whose x is written, in so many passes.
// job_clocks: of the jobs, besides their experts.
// decision: of a controller, in its first job; the xPU's commands wait for it. 0 where it was made before.
// skipped: experts that jobs have before their first one.
struct schedule_phase {
  uint64_t pim, xpu;
  uint64_t sums, sum_commands;
  uint32_t groups, passes, jobs, job_clocks, decision, skipped;
};

// What a layer takes, in clocks. A phase has tokens of the next one and sums of the one before among the
// xPU's commands; tokens of the first and sums of the last one move while neither side works.
struct schedule_prediction {
  uint64_t pim[2], xpu[2];  // both sides of each phase, with all that they have to do
  uint64_t experts;         // of each phase the longer side, if it did nothing else
  uint64_t starts;          // what hand-overs and the starts of jobs and reads add to that,
  uint64_t tokens, sums;    // and what tokens and sums add
  uint64_t total;           // all of these
};

// Clocks in which x of so many groups is written, and the sums of so many tokens of an expert are read, while
// nothing else goes on. Passes of one group alone open banks faster than these can be opened again.
uint64_t schedule_tokens(const struct schedule_costs *costs, uint32_t groups, uint32_t passes);
uint64_t schedule_sums(const struct schedule_shape *shape, const struct schedule_costs *costs,
                       uint32_t count);
// Pieces of 32 bytes of these sums, of each row.
uint32_t schedule_sum_pieces(const struct schedule_shape *shape, uint32_t count);
// Adds what moves for an expert with so many tokens, of which Logic-PIM has a share.
void schedule_add_transfers(const struct schedule_shape *shape, const struct schedule_costs *costs,
                            uint32_t count, struct schedule_phase *phase);
// The phases of a decision by a table that it need not be made by, such as the measured one: what follows
// from the groups of tokens alone, and the sums, which follow from the tokens.
void schedule_phases_by_groups(const struct schedule_times *times, const uint16_t *counts,
                               const struct schedule_decision *decision, struct schedule_phase phases[2]);
void schedule_add_sums(const struct schedule_times *times, const uint16_t *counts,
                       const struct schedule_decision *decision, struct schedule_phase phases[2]);
// Both.
void schedule_phases(const struct schedule_times *times, const uint16_t *counts,
                     const struct schedule_decision *decision, struct schedule_phase phases[2]);
// What a job takes beside its experts, which are told in order: one with so many groups, behind so many
// (`before`) of the job's others. Call it when the expert's time is in the phase.
static inline void schedule_add_expert(const struct schedule_costs *costs, uint32_t expert, uint32_t before,
                                       uint32_t groups, struct schedule_phase *phase) {
  const uint64_t odd_passes = before % 2 ? groups / 2 : 0;
  const uint64_t even = odd_passes * costs->pass[0];
  phase->jobs += before == 0;
  phase->skipped += before ? 0 : expert;
  phase->job_clocks += before ? 0 : costs->job[groups > 1];
  phase->pim += odd_passes * costs->pass[1];
  phase->pim -= phase->pim < even ? phase->pim : even;
}
// Of the costs of a table those of the decision's pieces.
const struct schedule_costs *schedule_costs_of(const struct schedule_times *times,
                                               const struct schedule_decision *decision);
// Joins the phases; one without work is none.
void schedule_predict(const struct schedule_costs *costs, const struct schedule_phase phases[2],
                      struct schedule_prediction *prediction);

static inline bool schedule_phase_works(const struct schedule_phase *phase) {
  return phase->pim || phase->xpu;
}

// So many pairs of token and expert: as many of each expert, or one more; up to 65,535.
void schedule_spread(uint32_t experts, uint32_t pairs, uint16_t *counts);
// As many pairs, each of an expert that is drawn: a layer for each number, the same everywhere. 16,384 pairs
// or more are spread.
void schedule_expect(uint32_t experts, uint32_t pairs, uint32_t number, uint16_t *counts);

// Clocks that a layer takes under BEST, XPU_ALONE or PIM_ALONE: the prediction, and a launch in each phase.
typedef uint64_t schedule_predictor(void *context, enum schedule_policy policy, uint16_t *counts);

// The ways of a layer: the charged table that decisions about it go by, and what it is predicted to take.
struct schedule_ways {
  const struct schedule_times *times;
  schedule_predictor *predict;
  void *context;
};

// Whether a decision pays. A step has layers of about as many pairs of token and expert, spread evenly.
// least: what any division of such a layer takes at least (schedule_least), no less than in the step before;
// ratio: what `best` takes of it, in clocks, with launches but without the decision, times 65536.
#define SCHEDULE_STEPS 121u
struct schedule_worth {
  uint32_t launch;  // clocks of a launch of the xPU, which hides behind a decision
  uint32_t last;    // step, for more pairs too
  uint64_t least[SCHEDULE_STEPS], ratio[SCHEDULE_STEPS];
};

// What the experts of a layer take by the table, in eighths of units: however they are divided at least, and
// on one side alone. It follows from their groups of tokens.
struct schedule_least {
  uint64_t any, pim, xpu;
};
void schedule_least(const struct schedule_times *times, const uint16_t *counts, struct schedule_least *least);

// A layer as one side would have it alone: its pairs of token and expert, and the clocks that it is predicted
// to take there, as ways tell them.
struct schedule_alone {
  uint32_t pairs;
  struct schedule_least least;
  uint64_t pim, xpu;
};

// Weighs `best` for up to 8 SCHEDULE_GROUPS tokens of each expert.
void schedule_weigh(const struct schedule_ways *ways, uint32_t launch, struct schedule_worth *worth);
// BEST if a decision of so many clocks pays for this layer, else the side that it is left to.
enum schedule_policy schedule_side(const struct schedule_worth *worth, const struct schedule_alone *alone,
                                   uint64_t decision);
// The same of counts, with the sides predicted.
enum schedule_policy schedule_worthwhile(const struct schedule_worth *worth, const struct schedule_ways *ways,
                                         uint16_t *counts, uint64_t decision);

// The least time, in units, of a fractional division of the experts over both sides, each at its best rate,
// with nothing else charged; rounded down.
uint32_t schedule_bound(const struct schedule_times *times, const uint16_t *counts);

// Groups of 8 tokens, and the passes that serve two of them at once.
static inline uint32_t schedule_groups(uint32_t tokens) {
  return (tokens + SCHEDULE_LANES - 1) / SCHEDULE_LANES;
}
static inline uint32_t schedule_passes(uint32_t groups) { return (groups + 1) / 2; }

// One time of a row, for any number of groups. `field`: of struct schedule_row.
#define SCHEDULE_TIME(times, groups_, field) \
  ((groups_) <= SCHEDULE_GROUPS              \
       ? (times)->rows[groups_].field        \
       : (times)->rows[SCHEDULE_GROUPS].field + ((groups_)-SCHEDULE_GROUPS) * (times)->slope.field)

#endif
