// SPDX-License-Identifier: Apache-2.0
// Times of one expert by formulas, from the rates of the machine (docs/schedule.md, "Formulas").
#include "schedule/formula.h"

#include "duplex/arithmetic.h"
#include "duplex/geometry.h"
#include "duplex/params.h"

#define BLOCK_ROWS (DUPLEX_ROWS / DUPLEX_TOKEN_GROUPS)
#define INTERLEAVED_ROWS 2u    // of a word: where channels take turns, they do so by words
#define DESCRIPTOR_CLOCKS 16u  // from one descriptor to the next in a chain
#define LOAD_CLOCKS 48u        // from the start of a LOAD to the first tile of x
// Words of x that a LOAD brings while what was before it still runs; each one more takes 0.74 clocks. Where
// gate and up are one block, nothing else hides its start: 0.15 for each word. Fitted to tables of the cycle
// model.
#define LOAD_AHEAD 1024u
#define LOAD_PER_CENT 74u
#define LONE_BLOCK_PER_CENT 15u
#define XPU_BEAT 32u  // bytes of a channel's pins in a clock
#define PER_MILLE 1000u
#define XPU_RATE 993u  // per mille of the pins
// Half a column of results takes so many tenths of a clock, turns of the bus among them (docs/schedule.md).
#define WRITE_BESIDE_STREAM 54u
#define WRITE_BESIDE_SUMS 40u
// Eighths of a column of a row of results for a group of 8 tokens: exact sums; binary32, as products are.
#define EXACT_WRITES 4u
#define ROUNDED_WRITES 1u
#define RIDGE \
  297u  // tokens from which the xPU's sums take longer than its reads: 989.4e12 / (2 * 160 * 32 B * 650e6 /
        // 2)

// Per mille of 128 bytes a clock from 1 to 4 bundles.
static const uint16_t stream_rate[SCHEDULE_BUNDLES] = {713, 957, 981, 993};

static uint64_t divide_up(uint64_t a, uint64_t b) { return (a + b - 1) / b; }

// Clocks of a block of rows of a channel: a word of the broadcast a clock, a beat a clock for each group; or
// the stream. Results that are written between keep the stream longer than the sums, which go on meanwhile.
static uint64_t block_clocks(uint64_t rows, uint64_t tiles, uint32_t groups, uint32_t bundles,
                             uint64_t writes) {
  const uint64_t sums = tiles * duplex_larger_u64(rows, DUPLEX_TILE_WORDS) * groups;
  const uint64_t stream = divide_up(rows * tiles * PER_MILLE, stream_rate[bundles - 1]);
  const uint64_t written = rows * writes;
  return duplex_larger_u64(sums + divide_up(written * WRITE_BESIDE_SUMS, 10 * EXACT_WRITES),
                           stream + divide_up(written * WRITE_BESIDE_STREAM, 10 * EXACT_WRITES));
}

// Blocks of a matrix, as weight_layout cuts it. unit: rows that stay together.
static uint32_t blocks_of(const struct schedule_shape *shape, uint32_t rows, uint32_t unit) {
  return duplex_divide_up(duplex_divide_up(rows, shape->channels) * unit, BLOCK_ROWS);
}

// Clocks of so many rows of a channel in blocks. writes: eighths of columns of results for each row.
static uint64_t rows_in_blocks(uint32_t rows, uint32_t block_rows, uint64_t tiles, uint32_t groups,
                               uint32_t bundles, uint32_t writes) {
  uint64_t clocks = rows / block_rows * block_clocks(block_rows, tiles, groups, bundles, writes);
  if (rows % block_rows) clocks += block_clocks(rows % block_rows, tiles, groups, bundles, writes);
  return clocks;
}

// Clocks of a matrix in blocks.
static uint64_t matrix_clocks(const struct schedule_shape *shape, uint32_t rows, uint32_t unit,
                              uint64_t tiles, uint32_t groups, uint32_t bundles, uint32_t writes) {
  const uint32_t of_channel = duplex_divide_up(rows, shape->channels) * unit;
  const uint32_t block_rows = duplex_divide_up(of_channel / unit, blocks_of(shape, rows, unit)) * unit;
  return rows_in_blocks(of_channel, block_rows, tiles, groups, bundles, writes);
}

// Clocks of a LOAD of x that nothing hides, before so many blocks of gate and up. x comes by the result bus,
// a word a clock, while the pass before it ends and the first block uses it.
static uint64_t load_clocks(uint64_t tiles, uint32_t groups, uint32_t blocks) {
  const uint64_t words = tiles * DUPLEX_TILE_WORDS * groups;
  const uint64_t behind = words > LOAD_AHEAD ? words - LOAD_AHEAD : 0;
  const uint64_t lone = blocks == 1 ? words : 0;
  return LOAD_CLOCKS + divide_up(behind * LOAD_PER_CENT + lone * LONE_BLOCK_PER_CENT, 100);
}

// What Logic-PIM has of gate and up: the first `cut` parts of these widths. Each is a matrix; or together
// they are the first columns of one matrix, which has `of` columns.
struct share {
  const uint32_t *width;
  uint32_t cut, of;
};

static uint32_t columns_of(const uint32_t *width, uint32_t parts) {
  uint32_t columns = 0;
  for (uint32_t part = 0; part < parts; part++) columns += width[part];
  return columns;
}

// Gate and up in parts.
static uint64_t parts_clocks(const struct schedule_shape *shape, const struct share *share, uint32_t groups,
                             uint32_t bundles, uint32_t writes) {
  const uint64_t tiles = duplex_divide_up(shape->hidden, DUPLEX_WIDTH);
  uint64_t clocks = 0;
  uint32_t blocks = 0;
  for (uint32_t part = 0; part < share->cut; part++) {
    const uint32_t width = share->width[part];
    if (width == 0) continue;
    clocks +=
        matrix_clocks(shape, width, 1 + shape->gated, tiles, groups, bundles, writes) + DESCRIPTOR_CLOCKS;
    blocks += blocks_of(shape, width, 1 + shape->gated);
  }
  return clocks + load_clocks(tiles, groups, blocks);
}

// Rows of a channel of so many columns where the channels take turns: always whole words of two rows.
static uint32_t interleaved_rows(const struct schedule_shape *shape, uint32_t columns) {
  return duplex_divide_up(columns * (1 + shape->gated), shape->channels * INTERLEAVED_ROWS) *
         INTERLEAVED_ROWS;
}

// The first columns of one matrix of gate and up: whole blocks, and the first rows of one more, which has a
// descriptor of its own. The whole has one descriptor.
static uint64_t prefix_clocks(const struct schedule_shape *shape, uint32_t of, uint32_t columns,
                              uint32_t groups, uint32_t bundles, uint32_t writes) {
  const uint64_t tiles = duplex_divide_up(shape->hidden, DUPLEX_WIDTH);
  const uint32_t all = interleaved_rows(shape, of);
  const uint32_t rows = interleaved_rows(shape, columns);
  const uint32_t block_rows = duplex_interleaved_block_rows(all);
  const bool divided = rows < all && rows > block_rows && rows % block_rows;
  return rows_in_blocks(rows, block_rows, tiles, groups, bundles, writes) +
         (1 + divided) * DESCRIPTOR_CLOCKS + load_clocks(tiles, groups, duplex_divide_up(rows, block_rows));
}

// The rows of down that belong to so many inner columns, over all of F.
static uint64_t rows_clocks(const struct schedule_shape *shape, uint32_t columns, uint32_t groups,
                            uint32_t bundles) {
  const uint32_t rows = (uint32_t)divide_up((uint64_t)shape->hidden * columns, shape->inner);
  const uint64_t tiles = duplex_divide_up(shape->inner, DUPLEX_WIDTH);
  return DESCRIPTOR_CLOCKS + load_clocks(tiles, groups, blocks_of(shape, rows, 1)) +
         matrix_clocks(shape, rows, 1, tiles, groups, bundles, groups * ROUNDED_WRITES);
}

// One pass over the weights with 1 or 2 groups: gate and up, then down over the columns of these, whose sums
// are written; or one of both, whose products are.
static uint64_t pass_clocks(const struct schedule_shape *shape, enum schedule_stage stage,
                            const struct share *share, uint32_t groups, uint32_t bundles) {
  const uint32_t writes = stage == SCHEDULE_EXPERT ? 0 : groups * ROUNDED_WRITES;
  const uint32_t columns = columns_of(share->width, share->cut);
  if (columns == 0) return 0;
  if (stage == SCHEDULE_DOWN) return rows_clocks(shape, columns, groups, bundles) + DESCRIPTOR_CLOCKS;
  const uint64_t up = share->of ? prefix_clocks(shape, share->of, columns, groups, bundles, writes)
                                : parts_clocks(shape, share, groups, bundles, writes);
  if (stage == SCHEDULE_GATE_AND_UP) return up + DESCRIPTOR_CLOCKS;
  const uint64_t down = duplex_divide_up(columns, SCHEDULE_TILE);
  return up + 2 * DESCRIPTOR_CLOCKS +
         matrix_clocks(shape, shape->hidden, 1, down, groups, bundles,
                       groups * (shape->rounded ? ROUNDED_WRITES : EXACT_WRITES));
}

static uint64_t pim_clocks(const struct schedule_shape *shape, enum schedule_stage stage,
                           const struct share *share, uint32_t groups, uint32_t bundles) {
  const uint64_t pairs = groups / DUPLEX_TOKEN_GROUPS;
  uint64_t clocks = groups % DUPLEX_TOKEN_GROUPS ? pass_clocks(shape, stage, share, 1, bundles) : 0;
  if (pairs) clocks += pairs * pass_clocks(shape, stage, share, DUPLEX_TOKEN_GROUPS, bundles);
  return clocks;
}

uint64_t formula_pim_clocks(const struct schedule_shape *shape, const uint32_t *width, uint32_t cut,
                            uint32_t groups, uint32_t bundles) {
  return pim_clocks(shape, SCHEDULE_EXPERT, &(struct share){width, cut, 0}, groups, bundles);
}

uint64_t formula_prefix_clocks(const struct schedule_shape *shape, uint32_t of, uint32_t columns,
                               uint32_t groups, uint32_t bundles) {
  return pim_clocks(shape, SCHEDULE_EXPERT, &(struct share){&columns, 1, of}, groups, bundles);
}

static struct share share_of(const struct schedule_placement *placement, uint32_t piece, uint32_t cut) {
  const uint32_t *width = placement->width[piece];
  const bool replicated = placement->layout == SCHEDULE_REPLICATED;
  return (struct share){width, cut, replicated ? columns_of(width, placement->parts[piece]) : 0};
}

uint64_t formula_cut_clocks(const struct schedule_shape *shape, const struct schedule_placement *placement,
                            uint32_t piece, uint32_t cut, uint32_t groups) {
  const struct share share = share_of(placement, piece, cut);
  return pim_clocks(shape, SCHEDULE_EXPERT, &share, groups, formula_bundles(placement));
}

uint64_t formula_xpu_clocks(const struct schedule_shape *shape, uint32_t columns, uint32_t groups) {
  if (groups == 0) return 0;
  const uint64_t bytes = 2ull * (2 + shape->gated) * shape->hidden * columns;
  const uint64_t reads = divide_up(bytes * PER_MILLE, XPU_BEAT * XPU_RATE * shape->channels);
  const uint64_t sums =
      divide_up(bytes * groups * DUPLEX_LANES, (uint64_t)XPU_BEAT * RIDGE * shape->channels);
  return duplex_larger_u64(reads, sums);
}

// The xPU's share of a stage of what all of an expert takes it.
static uint64_t xpu_clocks(const struct schedule_shape *shape, enum schedule_stage stage, uint32_t columns,
                           uint32_t groups) {
  const uint64_t all = formula_xpu_clocks(shape, columns, groups);
  if (stage == SCHEDULE_EXPERT) return all;
  return divide_up(all * (stage == SCHEDULE_DOWN ? 1 : 1 + shape->gated), 2 + shape->gated);
}

// The xPU's times for the cuts of a piece, in units. They add up: all of both pieces take it what the whole
// takes.
static void fill_xpu(const struct schedule_times *times, enum schedule_stage stage, uint32_t piece,
                     uint32_t groups, uint32_t xpu[SCHEDULE_CUTS]) {
  const struct schedule_placement *placement = &times->placement;
  const uint32_t unit = times->clocks_per_unit;
  const uint32_t before = piece ? columns_of(placement->width[0], placement->parts[0]) : 0;
  uint32_t columns = 0;
  const uint64_t from = divide_up(xpu_clocks(&times->shape, stage, before, groups), unit);
  for (uint32_t cut = placement->parts[piece] + 1; cut-- > 0;) {
    const uint64_t to = divide_up(xpu_clocks(&times->shape, stage, before + columns, groups), unit);
    xpu[cut] = (uint32_t)(to - from);
    if (cut) columns += placement->width[piece][cut - 1];
  }
}

// Down is one part: a cut of gate and up gives Logic-PIM all of a piece.
static void join_cuts(uint32_t last, uint32_t pim[SCHEDULE_CUTS], uint32_t xpu[SCHEDULE_CUTS]) {
  for (uint32_t cut = 1; cut < last; cut++) {
    pim[cut] = pim[last];
    xpu[cut] = xpu[last];
  }
}

// Logic-PIM's times for the cuts of a piece, in units. A cut takes no less than one of fewer columns, which
// may have one descriptor more.
static void fill_pim(const struct schedule_times *times, enum schedule_stage stage, uint32_t piece,
                     uint32_t groups, uint32_t pim[SCHEDULE_CUTS]) {
  const struct schedule_placement *placement = &times->placement;
  const uint32_t bundles = formula_bundles(placement);
  pim[0] = 0;
  for (uint32_t cut = 1; cut <= placement->parts[piece]; cut++) {
    const struct share share = share_of(placement, piece, cut);
    const uint64_t clocks = pim_clocks(&times->shape, stage, &share, groups, bundles);
    pim[cut] = (uint32_t)duplex_larger_u64(divide_up(clocks, times->clocks_per_unit), pim[cut - 1]);
  }
}

// Times of a row with that many groups, in units.
static void fill_row(struct schedule_times *times, enum schedule_stage stage, uint32_t groups,
                     struct schedule_row *row) {
  const struct schedule_placement *placement = &times->placement;
  const uint32_t slice = formula_slice(&times->shape);
  const struct share whole = {&slice, 1, 0};
  const uint32_t unit = times->clocks_per_unit;
  for (uint32_t q = 0; q < placement->pieces; q++) {
    fill_pim(times, stage, q, groups, row->pim[q]);
    fill_xpu(times, stage, q, groups, row->xpu[q]);
    if (stage == SCHEDULE_DOWN) join_cuts(placement->parts[q], row->pim[q], row->xpu[q]);
  }
  for (uint32_t b = 1; b <= SCHEDULE_BUNDLES; b++)
    row->striped[b - 1] = (uint32_t)divide_up(pim_clocks(&times->shape, stage, &whole, groups, b), unit);
  row->whole = (uint32_t)divide_up(xpu_clocks(&times->shape, stage, slice, groups), unit);
}

// Half of what two groups add, at least a unit of what takes time at all.
static uint32_t slope_of(uint32_t low, uint32_t high) {
  return high ? (uint32_t)duplex_larger_u64(1, (high - low + 1) / 2) : 0;
}

// Along the cuts Logic-PIM's time does not fall and the xPU's does not rise: differences of times that were
// rounded apart may.
static void put_in_order(const struct schedule_placement *placement, struct schedule_row *slope) {
  for (uint32_t q = 0; q < placement->pieces; q++)
    for (uint32_t cut = 1, left = placement->parts[q]; left > 0; cut++, left--) {
      uint32_t *pim = &slope->pim[q][cut];
      uint32_t *xpu = &slope->xpu[q][left - 1];
      *pim = (uint32_t)duplex_larger_u64(*pim, pim[-1]);
      *xpu = (uint32_t)duplex_larger_u64(*xpu, xpu[1]);
    }
}

// What a group adds beyond the last row. `low` and `high`: two groups apart. The xPU's times of both pieces
// add up here too: those of piece 1 are what it adds to all of piece 0.
static void fill_slope(const struct schedule_placement *placement, const struct schedule_row *low,
                       const struct schedule_row *high, struct schedule_row *slope) {
  const uint32_t *a = &low->pim[0][0];
  const uint32_t *b = &high->pim[0][0];
  uint32_t *to = &slope->pim[0][0];
  for (uint32_t i = 0; i < sizeof *slope / sizeof *to; i++) to[i] = slope_of(a[i], b[i]);
  put_in_order(placement, slope);
  for (uint32_t cut = SCHEDULE_CUTS; cut-- > 0;) {
    const uint32_t both = slope_of(low->xpu[0][0] + low->xpu[1][cut], high->xpu[0][0] + high->xpu[1][cut]);
    const uint32_t added = (uint32_t)duplex_larger_u64(both, slope->xpu[0][0]) - slope->xpu[0][0];
    slope->xpu[1][cut] =
        (uint32_t)duplex_larger_u64(added, cut + 1 < SCHEDULE_CUTS ? slope->xpu[1][cut + 1] : 0);
  }
}

// The smallest power of two that leaves every time of SCHEDULE_GROUPS groups below SCHEDULE_MOST.
static uint32_t unit_of(const struct schedule_shape *shape) {
  const uint32_t slice = formula_slice(shape);
  const uint64_t most = 2 * duplex_larger_u64(formula_pim_clocks(shape, &slice, 1, SCHEDULE_GROUPS, 1),
                                              formula_xpu_clocks(shape, slice, SCHEDULE_GROUPS));
  uint32_t unit = 1;
  while (divide_up(most, unit) >= SCHEDULE_MOST) unit *= 2;
  return unit;
}

void schedule_formula_stage(const struct schedule_shape *shape, const struct schedule_placement *placement,
                            enum schedule_stage stage, struct schedule_times *times) {
  *times = (struct schedule_times){.shape = *shape, .placement = *placement};
  times->clocks_per_unit = unit_of(shape);
  for (uint32_t groups = 1; groups <= SCHEDULE_GROUPS; groups++)
    fill_row(times, stage, groups, &times->rows[groups]);
  fill_slope(placement, &times->rows[SCHEDULE_GROUPS - 2], &times->rows[SCHEDULE_GROUPS], &times->slope);
  schedule_seal(times);
}

void schedule_formula(const struct schedule_shape *shape, const struct schedule_placement *placement,
                      struct schedule_times *times) {
  schedule_formula_stage(shape, placement, SCHEDULE_EXPERT, times);
}
