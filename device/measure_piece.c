// SPDX-License-Identifier: Apache-2.0
// Measures a piece: what each cut adds to Logic-PIM's job and to the xPU's reads, and what these take
// besides.
#include "device/measure_piece.h"

#include "duplex/arithmetic.h"
#include "duplex/error.h"
#include "schedule/formula.h"

enum { EXPERTS_LEAST = 4, PASSES = PROBE_PASSES, PLACES = 5, LONG_JOB = 12000, SHORT_JOB = 1000 };

#define CLOCKS_WANTED 40000u  // so that a job's end, a few hundred clocks earlier or later, is below 1%
#define FALL_MOST 64u         // of a time, its part by which the next one is shorter by luck
#define CLOCKS_MOST 90000u    // of jobs that are run again at another place

// How many experts are measured together if one alone takes so long: as many as the probe has, of short ones
// half of them, since small layers are not to wait for tables.
static unsigned experts_of(const struct probe *probe, uint64_t clocks) {
  const uint64_t wanted = 2 + CLOCKS_WANTED / (clocks ? clocks : 1);
  const uint64_t most = duplex_larger(wanted, EXPERTS_LEAST);
  const bool is_short = clocks < SHORT_JOB && probe->experts > EXPERTS_LEAST;
  return (unsigned)duplex_smaller(most, is_short ? probe->experts / 2 : probe->experts);
}

uint64_t measure_first(uint64_t clocks, uint64_t add) { return clocks > add ? clocks - add : 0; }

uint64_t measure_added(uint64_t few, uint64_t many, unsigned more) {
  const uint64_t mean = many > few ? (many - few + more / 2) / more : 0;
  return mean ? mean : 1;
}

// Clocks of a job, in the mean of several places between two refreshes: it differs by a hundred clocks or
// two, which are little of a long one.
static int run_mean(const struct probe *probe, unsigned experts, unsigned cut, uint32_t tokens,
                    unsigned places, uint64_t *mean) {
  uint64_t sum = 0;
  int error = DUPLEX_OK;
  for (unsigned place = 0; place < places && !error; place++) {
    uint64_t clocks = 0;
    error = probe_idle(probe, place, places);
    if (!error) error = probe_run(probe, experts, cut, tokens, &clocks);
    sum += clocks;
  }
  *mean = sum / places;
  return error;
}

// Passes with this cut whose descriptors come to new slots of the ring.
static unsigned passes_of_turn(const struct probe *probe, unsigned cut) {
  const unsigned descriptors = 1 + stage_streams(&probe->shape, &probe->piece, cut);
  return (unsigned)duplex_divide_up(DUPLEX_RING_ENTRIES, descriptors);
}

// By how much a pass in the first turn of the ring differs from the mean of a job's, and one behind it.
// `one`, `all`: clocks of jobs with one expert and with all `experts`.
static int measure_turn(const struct probe *probe, unsigned cut, unsigned groups, unsigned experts,
                        uint64_t one, uint64_t all, struct measure_turn *turn) {
  const unsigned first = passes_of_turn(probe, cut);
  const uint64_t mean = measure_added(one, all, experts - 1);
  uint64_t clocks = 0;
  *turn = (struct measure_turn){0};
  if (first < 2 || first + 1 >= experts) return DUPLEX_OK;
  const int error = run_mean(probe, first, cut, groups * DUPLEX_LANES, PLACES, &clocks);
  const uint64_t within = measure_added(one, clocks, first - 1);
  const uint64_t behind = measure_added(clocks, all, experts - first);
  if (!error && within > behind)
    *turn = (struct measure_turn){.more = (uint32_t)(within - mean), .less = (uint32_t)(mean - behind)};
  return error;
}

// What a cut adds, behind those of the cuts before it: times do not fall with cuts. A longer piece may end a
// few clocks earlier where its rows fall luckier; then it counts as long as the shorter one. With a
// controller whole parts have fewer descriptors, and take much less than a cut of them. Of most experts
// Logic-PIM has the larger cut, so then that counts.
static void put_time(uint64_t add, unsigned cut, uint64_t of_cuts[SCHEDULE_CUTS]) {
  const uint64_t before = of_cuts[cut - 1];
  of_cuts[cut] = add + before / FALL_MOST < before ? add : duplex_larger_u64(add, before);
  for (unsigned earlier = 1; earlier < cut; earlier++)
    of_cuts[earlier] = duplex_smaller_u64(of_cuts[earlier], of_cuts[cut]);
}

// A pass with so many groups.
static int measure_pim(const struct probe *probe, unsigned cut, unsigned groups, bool turn,
                       struct piece_times *times) {
  const uint32_t tokens = groups * DUPLEX_LANES;
  uint64_t one = 0;
  uint64_t all = 0;
  int error = probe_run(probe, 1, cut, tokens, &one);
  const unsigned experts = experts_of(probe, one);
  const uint64_t clocks = experts * one;
  const unsigned places = clocks >= CLOCKS_WANTED && 2 * clocks <= CLOCKS_MOST ? 2 : 1;
  if (!error && one < SHORT_JOB) {  // to idle would take longer than the job
    error = probe_run(probe, experts, cut, tokens, &all);
  } else if (!error) {
    error = run_mean(probe, 1, cut, tokens, places, &one);
    if (!error) error = run_mean(probe, experts, cut, tokens, places, &all);
  }
  const uint64_t add = measure_added(one, all, experts - 1);
  if (!error && turn) error = measure_turn(probe, cut, groups, experts, one, all, &times->turn[groups - 1]);
  put_time(add, cut, times->pim[groups]);
  times->one[groups] = one;
  return error;
}

// What a job takes besides its experts. With the first load and the first pass nothing else goes on, so it
// depends on how large these are.
static int measure_job(const struct probe *probe, struct piece_times *times) {
  const bool is_long = times->one[1] >= LONG_JOB;
  int error = DUPLEX_OK;
  for (unsigned groups = 1; groups <= PASSES && !error; groups++) {
    if (!is_long)
      error = run_mean(probe, 1, probe->piece.parts, groups * DUPLEX_LANES, PLACES, &times->one[groups]);
    times->job[groups - 1] = measure_first(times->one[groups], times->pim[groups][probe->piece.parts]);
  }
  return error;
}

// How much less a pass takes behind another one of its expert than with one of its own: the controller looks
// for no expert then, and nothing of it is hidden where the passes are short. Measured are experts with a
// pass of two groups before it.
static int measure_again(const struct probe *probe, unsigned groups, struct piece_times *times) {
  const unsigned parts = probe->piece.parts;
  const uint64_t apart = times->pim[PASSES][parts] + times->pim[groups][parts];
  const unsigned room = probe->experts / 2;  // x and results of twice as many tokens as elsewhere
  const unsigned experts = (unsigned)duplex_smaller(experts_of(probe, apart), room);
  const uint32_t tokens = (PASSES + groups) * DUPLEX_LANES;
  uint64_t one = 0;
  uint64_t all = 0;
  if (experts < 2) return DUPLEX_OK;  // so large ones that Logic-PIM takes longer
  int error = run_mean(probe, 1, parts, tokens, PLACES, &one);
  if (!error) error = run_mean(probe, experts, parts, tokens, PLACES, &all);
  times->turn[groups - 1].again = (uint32_t)measure_first(apart, measure_added(one, all, experts - 1));
  return error;
}

// Passes with two groups behind one group: where an odd number of groups is before them, they take up to a
// tenth more or less. A few clocks do not count in long ones.
static int measure_odd(const struct probe *probe, struct piece_times *times) {
  const unsigned parts = probe->piece.parts;
  const unsigned passes = experts_of(probe, times->pim[PASSES][parts]) - 1;
  uint64_t clocks = 0;
  if (times->one[1] >= LONG_JOB) return DUPLEX_OK;
  const int error = probe_run_behind(probe, DUPLEX_LANES, 1 + passes, PASSES * DUPLEX_LANES, &clocks);
  times->pass[0] = times->pim[PASSES][parts];
  times->pass[1] = measure_added(times->job[0] + times->pim[1][parts], clocks, passes);
  return error;
}

// Reads that begin at some place between two refreshes: those that meet one at once wait for it.
static int read_at(const struct probe *probe, unsigned place, unsigned experts, unsigned cut, bool taken,
                   uint64_t *clocks) {
  const int error = probe_idle(probe, place, PLACES);
  return error ? error : probe_read(probe, experts, cut, taken, clocks);
}

// The same in the mean of all places.
static int read_mean(const struct probe *probe, unsigned experts, unsigned cut, bool taken, uint64_t *mean) {
  uint64_t sum = 0;
  int error = DUPLEX_OK;
  for (unsigned place = 0; place < PLACES && !error; place++) {
    uint64_t clocks = 0;
    error = read_at(probe, place, experts, cut, taken, &clocks);
    sum += clocks;
  }
  *mean = sum / PLACES;
  return error;
}

// What reads of whole experts take besides what these add.
static int measure_first_reads(const struct probe *probe, bool taken, struct piece_times *times) {
  uint64_t mean = 0;
  const int error = read_mean(probe, 1, 0, taken, &mean);
  times->first_reads[taken] = measure_first(mean, times->reads[0]);
  return error;
}

// From a few short experts to all that there are: a refresh between them counts by its share.
static int add_short_reads(const struct probe *probe, unsigned cut, uint64_t *add) {
  uint64_t few = 0;
  uint64_t many = 0;
  int error = read_mean(probe, EXPERTS_LEAST, cut, false, &few);
  if (!error) error = read_mean(probe, probe->experts, cut, false, &many);
  *add = measure_added(few, many, probe->experts - EXPERTS_LEAST);
  return error;
}

// From a few experts to many at the same place: where all banks are refreshed does not count then.
static int add_reads(const struct probe *probe, unsigned cut, uint64_t *add) {
  uint64_t few = 0;
  uint64_t many = 0;
  int error = read_at(probe, 0, 1, cut, false, &few);
  const bool is_long = EXPERTS_LEAST * few >= CLOCKS_WANTED || probe->experts < 2 * EXPERTS_LEAST;
  const unsigned least = is_long ? 1 : EXPERTS_LEAST;
  const unsigned all = (unsigned)duplex_smaller(is_long ? EXPERTS_LEAST : 2 * EXPERTS_LEAST, probe->experts);
  const unsigned more = all - least;
  if (!error && !is_long) error = read_at(probe, 0, least, cut, false, &few);
  if (!error) error = read_at(probe, 0, least + more, cut, false, &many);
  *add = measure_added(few, many, more);
  return error;
}

// The reads behind a cut. Of cut 0 what reads take besides.
static int measure_reads(const struct probe *probe, unsigned cut, bool costs, bool is_short,
                         struct piece_times *times) {
  uint64_t add = 0;
  int error = is_short ? add_short_reads(probe, cut, &add) : add_reads(probe, cut, &add);
  times->reads[cut] = duplex_larger(add, cut + 1 < probe->piece.parts ? times->reads[cut + 1] : 0);
  if (error || cut || !costs) return error;
  error = measure_first_reads(probe, false, times);
  return error ? error : measure_first_reads(probe, true, times);
}

// Jobs that there is no room to measure, by the formulas of the placement. One that large takes little
// besides its experts: nothing here. A stage of gathered h is told the times of all stages, which are no
// better.
static void jobs_by_formula(const struct schedule_shape *shape, const struct duplex_layer_piece *piece,
                            struct piece_times *times) {
  for (unsigned cut = 1; cut <= piece->parts; cut++)
    for (unsigned groups = 1; groups <= PASSES; groups++)
      times->pim[groups][cut] =
          duplex_larger_u64(stage_pim_clocks(shape, piece, cut, groups), times->pim[groups][cut - 1]);
}

// The same of reads.
static void reads_by_formula(const struct schedule_shape *shape, const struct duplex_layer_piece *piece,
                             struct piece_times *times) {
  const uint32_t all = stage_piece_columns(piece, piece->parts);
  for (unsigned cut = 0; cut <= piece->parts; cut++)
    times->reads[cut] = formula_xpu_clocks(shape, all - stage_piece_columns(piece, cut), 1);
}

// Whether the reads of a whole piece are so short that a refresh among those of a few experts is much of
// them.
static bool has_short_reads(const struct probe *probe, const struct schedule_shape *shape) {
  const uint32_t columns = stage_piece_columns(&probe->piece, probe->piece.parts);
  return formula_xpu_clocks(shape, columns, 1) < SHORT_JOB && probe->experts >= 2 * EXPERTS_LEAST;
}

int measure_piece_jobs(enum stage_kind kind, const struct schedule_shape *shape,
                       const struct duplex_stack_options *options, const struct duplex_layer_piece *piece,
                       unsigned what, char *text, size_t size, struct piece_times *times) {
  struct probe probe;
  int error = probe_open(&probe, kind, shape, options, piece, text, size);
  if (error == DUPLEX_ERROR_OUT_OF_SPACE) {
    probe_close(&probe);
    jobs_by_formula(shape, piece, times);
    return DUPLEX_OK;
  }
  for (unsigned cut = 1; cut <= piece->parts && !error; cut++)
    for (unsigned groups = 1; groups <= PASSES && !error; groups++)
      error = measure_pim(&probe, cut, groups, what & PIECE_TURN, times);
  for (unsigned groups = 1; groups <= PASSES && what & PIECE_TURN && !error; groups++)
    error = measure_again(&probe, groups, times);
  if (what & PIECE_COSTS && !error) error = measure_job(&probe, times);
  if (what & PIECE_COSTS && !error) error = measure_odd(&probe, times);
  probe_close(&probe);
  return error;
}

int measure_piece_reads(enum stage_kind kind, const struct schedule_shape *shape,
                        const struct duplex_stack_options *options, const struct duplex_layer_piece *piece,
                        unsigned what, char *text, size_t size, struct piece_times *times) {
  struct duplex_stack_options native = *options;
  struct probe probe;
  native.riscv = NULL;
  int error = probe_open(&probe, kind, shape, &native, piece, text, size);
  if (error == DUPLEX_ERROR_OUT_OF_SPACE) {
    probe_close(&probe);
    reads_by_formula(shape, piece, times);
    return DUPLEX_OK;
  }
  uint64_t first;  // of a stack: it begins before the refresh that later ones at this place wait for
  if (!error) error = read_at(&probe, 0, 1, 0, false, &first);
  for (unsigned cut = piece->parts; cut-- > 0 && !error;)
    error = measure_reads(&probe, cut, what & PIECE_COSTS, has_short_reads(&probe, shape), times);
  probe_close(&probe);
  return error;
}
