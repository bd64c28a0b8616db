// SPDX-License-Identifier: Apache-2.0
// Placement: layout of an expert, and the parts of its pieces (docs/schedule.md, "Placement").
#include "schedule/place.h"

#include "duplex/arithmetic.h"

#define HALVED_EXPERTS 16u  // from here on experts balance each other, and halves are not tried
#define PARTS_EXPERTS 64u   // beyond them a decision takes longer than more parts win
#define COPY_PARTS 8u       // of copies, from HALVED_EXPERTS on

// The best placement so far, and what it loses.
struct choice {
  const struct schedule_shape *shape;
  struct schedule_placement *placement;
  uint64_t loss;
};

uint32_t place_share(uint32_t columns, uint32_t per_mille) {
  const uint32_t share = (columns / SCHEDULE_TILE * per_mille + 500) / 1000;
  return (uint32_t)duplex_smaller(share ? share : 1, (columns - 1) / SCHEDULE_TILE) * SCHEDULE_TILE;
}

// Takes a placement that is better.
static void consider(struct choice *choice, const struct schedule_placement *placement) {
  const uint64_t loss = place_loss(choice->shape, placement);
  if (loss >= choice->loss) return;
  choice->loss = loss;
  *choice->placement = *placement;
}

// Ends a part there, if its piece has more than a tile of columns.
static void add_end(struct schedule_placement *placement, uint32_t piece, uint32_t per_mille) {
  uint32_t width = 0;
  for (uint32_t part = 0; part < placement->parts[piece]; part++) width += placement->width[piece][part];
  if (per_mille && width > SCHEDULE_TILE)
    place_split_part(placement, piece, place_share(width, per_mille) / SCHEDULE_TILE);
}

static struct schedule_placement whole_pieces(uint32_t layout, uint32_t first, uint32_t second) {
  return (struct schedule_placement){layout, 2, {1, 1}, {{first}, {second}}};
}

// Halves, whose parts a local search finds from different starts: the end of the first half, and the first
// ends of parts, all per mille.
static void consider_halves(struct choice *choice) {
  static const struct {
    uint16_t half, end[2];
  } starts[] = {
      {500, {PLACE_BALANCE}}, {500, {333, 667}}, {450, {333, 667}}, {450, {500}}, {400, {333, 667}}};
  const uint32_t slice = formula_slice(choice->shape);
  for (uint32_t i = 0; i < sizeof starts / sizeof *starts; i++) {
    const uint32_t first = place_share(slice, starts[i].half);
    struct schedule_placement tried = whole_pieces(SCHEDULE_HALVED, first, slice - first);
    for (uint32_t q = 0; q < SCHEDULE_PIECES; q++)
      for (uint32_t end = 0; end < 2; end++) add_end(&tried, q, starts[i].end[end]);
    place_improve_parts(choice->shape, &tried);
    consider(choice, &tried);
  }
}

// A large and a small piece, in one to three and one or two parts.
static void consider_split(struct choice *choice) {
  static const uint16_t ends[][3] = {{0}, {500}, {500, 0, 500}, {333, 667}, {333, 667, 500}};
  const uint32_t slice = formula_slice(choice->shape);
  const uint32_t first = place_share(slice, PLACE_BALANCE);
  const uint32_t most = choice->shape->experts <= PARTS_EXPERTS ? sizeof ends / sizeof *ends : 1;
  for (uint32_t i = 0; i < most; i++) {
    struct schedule_placement tried = whole_pieces(SCHEDULE_SPLIT, first, slice - first);
    for (uint32_t end = 0; end < 3; end++) add_end(&tried, end / 2, ends[i][end]);
    consider(choice, &tried);
  }
}

// Copies in any number of parts. A lone expert has the best of all its cuts, so it has as many as there are;
// many experts have fewer, because a decision looks at each.
static void consider_copies(struct choice *choice) {
  struct schedule_placement found[SCHEDULE_PARTS];
  const uint32_t experts = choice->shape->experts;
  const uint32_t most = experts < HALVED_EXPERTS ? SCHEDULE_PARTS : COPY_PARTS;
  const uint32_t count = (uint32_t)duplex_smaller(place_copies(choice->shape, found), most);
  for (uint32_t i = experts > 1 ? 0 : count - 1; i < count; i++) consider(choice, &found[i]);
}

bool schedule_place(const struct schedule_shape *shape, struct schedule_placement *placement) {
  if (!schedule_shape_valid(shape)) return false;
  struct choice choice = {shape, placement, UINT64_MAX};
  const uint32_t slice = formula_slice(shape);
  const uint32_t layout = shape->experts > 1 ? SCHEDULE_ALTERNATE : SCHEDULE_STRIPED;
  const struct schedule_placement whole = {layout, 1, {1}, {{slice}}};
  *placement = whole;
  choice.loss = place_loss(shape, &whole);
  if (shape->replicated) consider_copies(&choice);
  if (slice <= SCHEDULE_TILE) return true;
  if (shape->experts < HALVED_EXPERTS) consider_halves(&choice);
  consider_split(&choice);
  return true;
}

struct schedule_range schedule_part(const struct schedule_shape *shape,
                                    const struct schedule_placement *placement, uint32_t stack,
                                    uint32_t piece, uint32_t part) {
  const uint64_t inner = shape->inner;
  const uint32_t first = (uint32_t)(inner * stack / shape->stacks);
  const uint32_t end = (uint32_t)(inner * (stack + 1) / shape->stacks);
  uint32_t from = first;
  for (uint32_t q = 0; q <= piece; q++)
    for (uint32_t p = 0; p < (q < piece ? placement->parts[q] : part); p++) from += placement->width[q][p];
  const uint32_t width = placement->width[piece][part];
  if (from >= end) return (struct schedule_range){end, 0};
  return (struct schedule_range){from, width < end - from ? width : end - from};
}
