// SPDX-License-Identifier: Apache-2.0
// Measures a piece: what each cut adds to Logic-PIM's job and to the xPU's reads, and what these take
// besides.
#include "device/measure_piece.h"

#include "duplex/arithmetic.h"

enum { EXPERTS_LEAST = 4, PASSES = PROBE_PASSES, PLACES = 5, LONG_JOB = 12000 };

#define CLOCKS_WANTED 40000u  // so that a job's end, a few hundred clocks earlier or later, is below 1%

// How many experts are measured together if one alone takes so long.
static unsigned experts_of(uint64_t clocks) {
  const uint64_t wanted = 2 + CLOCKS_WANTED / (clocks ? clocks : 1);
  const uint64_t most = duplex_larger(wanted, EXPERTS_LEAST);
  return (unsigned)duplex_smaller(most, PROBE_EXPERTS);
}

uint64_t measure_first(uint64_t clocks, uint64_t add) { return clocks > add ? clocks - add : 0; }

uint64_t measure_added(uint64_t few, uint64_t many, unsigned more) {
  const uint64_t mean = many > few ? (many - few + more / 2) / more : 0;
  return mean ? mean : 1;
}

// A pass with so many groups.
static int measure_pim(const struct probe *probe, unsigned cut, unsigned groups, struct piece_times *times) {
  const uint32_t tokens = groups * DUPLEX_LANES;
  uint64_t one = 0;
  uint64_t all = 0;
  int error = probe_run(probe, 1, cut, tokens, &one);
  const unsigned experts = experts_of(one);
  if (!error) error = probe_run(probe, experts, cut, tokens, &all);
  const uint64_t add = measure_added(one, all, experts - 1);
  // A longer piece may end a few clocks earlier where its rows fall luckier: times do not fall with cuts.
  times->pim[groups][cut] = duplex_larger(add, times->pim[groups][cut - 1]);
  times->one[groups] = one;
  return error;
}

// A job with one expert, in the mean of several places between two refreshes: it differs by a hundred clocks
// or two, which are little of a long one.
static int measure_one(const struct probe *probe, unsigned groups, struct piece_times *times) {
  uint64_t sum = 0;
  int error = DUPLEX_OK;
  for (unsigned place = 0; place < PLACES && !error; place++) {
    uint64_t clocks = 0;
    error = probe_idle(probe, place, PLACES);
    if (!error) error = probe_run(probe, 1, probe->piece.parts, groups * DUPLEX_LANES, &clocks);
    sum += clocks;
  }
  times->one[groups] = sum / PLACES;
  return error;
}

// What a job takes besides its experts.
static int measure_job(const struct probe *probe, struct piece_times *times) {
  const bool is_long = times->one[1] >= LONG_JOB;
  int error = DUPLEX_OK;
  for (unsigned groups = 1; groups <= PASSES && !error; groups++) {
    if (!is_long) error = measure_one(probe, groups, times);
    times->job += measure_first(times->one[groups], times->pim[groups][probe->piece.parts]) / PASSES;
  }
  return error;
}

// The reads behind a cut, from a few experts to many: where all banks are refreshed does not count then. Of
// cut 0 what reads take besides.
static int measure_reads(const struct probe *probe, unsigned cut, enum piece_depth depth,
                         struct piece_times *times) {
  uint64_t few = 0;
  uint64_t many = 0;
  uint64_t taken = 0;
  int error = probe_read(probe, 1, cut, false, &few);
  const bool is_long = EXPERTS_LEAST * few >= CLOCKS_WANTED;
  const unsigned least = is_long ? 1 : EXPERTS_LEAST;
  const unsigned more = is_long ? EXPERTS_LEAST - 1 : EXPERTS_LEAST;
  if (!error && !is_long) error = probe_read(probe, least, cut, false, &few);
  if (!error) error = probe_read(probe, least + more, cut, false, &many);
  const uint64_t add = measure_added(few, many, more);
  times->reads[cut] = duplex_larger(add, cut + 1 < probe->piece.parts ? times->reads[cut + 1] : 0);
  if (error || cut || depth < PIECE_COSTS) return error;
  error = probe_read(probe, least, cut, true, &taken);
  times->first_reads[0] = measure_first(few, least * add);
  times->first_reads[1] = measure_first(taken, least * add);
  return error;
}

int measure_piece(enum stage_kind kind, const struct schedule_shape *shape,
                  const struct duplex_stack_options *options, const struct duplex_layer_piece *piece,
                  enum piece_depth depth, char *text, size_t size, struct piece_times *times) {
  struct probe probe;
  int error = probe_open(&probe, kind, shape, options, piece, text, size);
  *times = (struct piece_times){0};
  for (unsigned cut = 1; cut <= piece->parts && !error; cut++)
    for (unsigned groups = 1; groups <= PASSES && !error; groups++)
      error = measure_pim(&probe, cut, groups, times);
  for (unsigned cut = piece->parts; cut-- > 0 && depth >= PIECE_READS && !error;)
    error = measure_reads(&probe, cut, depth, times);
  if (depth == PIECE_COSTS && !error) error = measure_job(&probe, times);
  probe_close(&probe);
  return error;
}
