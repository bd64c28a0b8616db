// SPDX-License-Identifier: Apache-2.0
// Times of a piece on a stack of the C model.
#ifndef DEVICE_MEASURE_PIECE_H
#define DEVICE_MEASURE_PIECE_H

#include "device/measure.h"
#include "device/probe.h"

// In clocks. What one more expert adds with each cut: to Logic-PIM, of a pass with one group and with two; to
// the xPU's reads, of the parts behind the cut. What a job with the whole piece, and the reads of it, take
// besides what its experts add: [1] of reads from bundles that were Logic-PIM's just before.
struct piece_times {
  uint64_t pim[PROBE_PASSES + 1][SCHEDULE_CUTS];
  uint64_t reads[SCHEDULE_CUTS];
  uint64_t one[PROBE_PASSES + 1];              // a job with one expert, whole
  uint64_t job[PROBE_PASSES], first_reads[2];  // job: by the groups of its first expert, less 1
  uint64_t pass[2];                            // a pass with two groups; [1]: behind an odd number of them
  struct measure_turn turn[PROBE_PASSES];
};

// Measured besides what experts add: what jobs or reads take without them; of jobs what new slots of the ring
// take.
enum { PIECE_COSTS = 1, PIECE_TURN = 2 };

// Measure Logic-PIM's jobs with every cut of a piece, and the xPU's reads behind every cut: with as many
// experts as there is room for; where two do not fit, by formula. Each fills in what is its own of `times`,
// which are 0 before. No firmware has to do with reads, which are measured without the controller. `text`
// (may be NULL) gets what failed. Errors: those of probe_open but for OUT_OF_SPACE, and those of probe_run.
int measure_piece_jobs(enum stage_kind kind, const struct schedule_shape *shape,
                       const struct duplex_stack_options *options, const struct duplex_layer_piece *piece,
                       unsigned what, char *text, size_t size, struct piece_times *times);
int measure_piece_reads(enum stage_kind kind, const struct schedule_shape *shape,
                        const struct duplex_stack_options *options, const struct duplex_layer_piece *piece,
                        unsigned what, char *text, size_t size, struct piece_times *times);

// What is left of a time without what so many of its parts add; and what each of `more` adds to few, in the
// mean, at least 1.
uint64_t measure_first(uint64_t clocks, uint64_t add);
uint64_t measure_added(uint64_t few, uint64_t many, unsigned more);

#endif
