// SPDX-License-Identifier: Apache-2.0
// What moving tokens and sums costs, into the times of the cuts (docs/schedule.md, "Tokens and sums").
#include "schedule/schedule.h"

// What a group of 8 tokens adds to both sides, in units, where Logic-PIM has a share of the piece.
struct charge {
  uint32_t pim, xpu;
};

static uint32_t units_of(const struct schedule_times *times, uint32_t clocks) {
  return (clocks + times->clocks_per_unit - 1) / times->clocks_per_unit;
}

// Tokens of pieces in the one pair of bundles and sums of those in the other move beside the phases, and the
// xPU has them to do. The rest moves before and behind all, which is charged to both sides by halves.
static struct charge charge_of(const struct schedule_times *times, uint32_t piece, uint32_t tokens,
                               uint32_t sums) {
  const uint32_t both = units_of(times, tokens + sums);
  const uint32_t alone = units_of(times, piece ? sums : tokens);
  switch (times->placement.layout) {
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
static void charge_row(const struct schedule_placement *placement, uint32_t piece, struct charge of_group,
                       uint32_t groups, struct schedule_row *row) {
  const uint32_t part = placement->layout == SCHEDULE_REPLICATED ? 1 : 2;
  uint32_t *pim = row->pim[piece];
  uint32_t *xpu = row->xpu[piece];
  for (uint32_t cut = 1; cut <= placement->parts[piece]; cut++) {
    const uint32_t most = (xpu[0] - xpu[cut]) / part;
    const uint32_t charge = groups * of_group.xpu;
    pim[cut] += groups * of_group.pim;
    xpu[cut] += charge < most ? charge : most;
  }
}

// The whole expert over four bundles, where the sides take turns.
static void charge_striped(const struct schedule_times *measured, enum schedule_format format,
                           struct schedule_times *charged) {
  const struct schedule_costs *costs = &measured->costs[SCHEDULE_OF_STRIPES];
  const uint32_t of_group = units_of(measured, costs->tokens + costs->sums[format][8]);
  for (uint32_t groups = 1; groups <= SCHEDULE_GROUPS; groups++)
    charged->rows[groups].striped[SCHEDULE_BUNDLES - 1] += groups * of_group;
  charged->slope.striped[SCHEDULE_BUNDLES - 1] += of_group;
}

bool schedule_charge(const struct schedule_times *measured, enum schedule_format format,
                     struct schedule_times *charged) {
  const struct schedule_costs *costs = &measured->costs[SCHEDULE_OF_PIECE];
  *charged = *measured;
  for (uint32_t q = 0; q < measured->placement.pieces; q++) {
    const struct charge charge = charge_of(measured, q, costs->tokens, costs->sums[format][8]);
    for (uint32_t groups = 1; groups <= SCHEDULE_GROUPS; groups++)
      charge_row(&charged->placement, q, charge, groups, &charged->rows[groups]);
    charge_row(&charged->placement, q, charge, 1, &charged->slope);
  }
  charge_striped(measured, format, charged);
  schedule_seal(charged);
  return schedule_valid(charged);
}
