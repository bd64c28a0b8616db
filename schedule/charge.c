// SPDX-License-Identifier: Apache-2.0
// What moving tokens and sums costs, into the times of the cuts (docs/schedule.md, "Tokens and sums").
#include "schedule/schedule.h"

// What some groups of 8 tokens add to both sides, in units, where Logic-PIM has a share of the piece.
struct charge {
  uint32_t pim, xpu;
};

// What moves for them: x, and sums.
struct moved {
  uint32_t tokens, sums;
};

static uint32_t units_of(const struct schedule_times *times, uint64_t clocks) {
  return (uint32_t)((clocks + times->clocks_per_unit - 1) / times->clocks_per_unit);
}

// Of so many groups and passes of an expert; of the groups beyond SCHEDULE_GROUPS no pass counts.
static struct moved moved_of(const struct schedule_times *times, const struct schedule_costs *costs,
                             uint32_t groups, uint32_t passes) {
  const uint32_t sums = groups * units_of(times, costs->sums[SCHEDULE_LANES]);
  const uint32_t least = passes * units_of(times, costs->sums[SCHEDULE_LANES - 1]);
  return (struct moved){units_of(times, schedule_tokens(costs, groups, passes)), sums > least ? sums : least};
}

// Tokens of pieces in the one pair of bundles and sums of those in the other move beside the phases, and the
// xPU has them to do. The rest moves before and behind all, which is charged to both sides by halves.
static struct charge charge_of(const struct schedule_placement *placement, uint32_t piece,
                               struct moved moved) {
  const uint32_t both = moved.tokens + moved.sums;
  const uint32_t alone = piece ? moved.sums : moved.tokens;
  switch (placement->layout) {
    case SCHEDULE_STRIPED:  // the sides take turns, so nothing is beside
      return (struct charge){both, 0};
    case SCHEDULE_HALVED:
      return (struct charge){alone / 2, both - alone / 2};
    case SCHEDULE_REPLICATED:  // all of it is alone: whichever side is longer, the layer is longer by that
      return (struct charge){both, both};
    default:  // the piece is in the one pair of bundles as often as in the other
      return (struct charge){both / 4, both - both / 4};
  }
}

// At most half of what a share takes off the xPU: the search needs an order of pieces, which one that
// relieves nobody has not. With copies the order is that of groups, and there is no search.
static void charge_piece(const struct schedule_placement *placement, uint32_t piece, struct moved moved,
                         struct schedule_row *row) {
  const struct charge charge = charge_of(placement, piece, moved);
  const uint32_t part = placement->layout == SCHEDULE_REPLICATED ? 1 : 2;
  uint32_t *pim = row->pim[piece];
  uint32_t *xpu = row->xpu[piece];
  for (uint32_t cut = 1; cut <= placement->parts[piece]; cut++) {
    const uint32_t most = (xpu[0] - xpu[cut]) / part;
    pim[cut] += charge.pim;
    xpu[cut] += charge.xpu < most ? charge.xpu : most;
  }
}

// The pieces of the placement; and the whole expert over four bundles, where the sides take turns.
static void charge_row(const struct schedule_placement *placement, struct moved of_piece,
                       struct moved of_stripes, struct schedule_row *row) {
  for (uint32_t piece = 0; piece < placement->pieces; piece++) charge_piece(placement, piece, of_piece, row);
  row->striped[SCHEDULE_BUNDLES - 1] += of_stripes.tokens + of_stripes.sums;
}

bool schedule_charge(const struct schedule_times *measured, struct schedule_times *charged) {
  const struct schedule_costs *piece = &measured->costs[SCHEDULE_OF_PIECE];
  const struct schedule_costs *stripes = &measured->costs[SCHEDULE_OF_STRIPES];
  *charged = *measured;
  for (uint32_t groups = 1; groups <= SCHEDULE_GROUPS; groups++) {
    const uint32_t passes = schedule_passes(groups);
    struct schedule_row *row = &charged->rows[groups];
    charge_row(&charged->placement, moved_of(measured, piece, groups, passes),
               moved_of(measured, stripes, groups, passes), row);
  }
  charge_row(&charged->placement, moved_of(measured, piece, 1, 0), moved_of(measured, stripes, 1, 0),
             &charged->slope);
  schedule_seal(charged);
  return schedule_valid(charged);
}
