// SPDX-License-Identifier: Apache-2.0
// Tables of time from the cycle model: what Logic-PIM takes for each piece, cut and number of tokens.
#ifndef DEVICE_MEASURE_H
#define DEVICE_MEASURE_H

#include "device/stage.h"
#include "duplex/duplex.h"
#include "duplex/xpu.h"

// A table whose entries wait for a measurement, by formulas, and the unit fits what the xPU tells too, in
// clocks of the stacks; then as much of it as is wanted, of a stage, measured on stacks with these options
// (channels, activation rule, DRAM preset, controller): a stack of the C model whose weights are zeros. Each
// time is what one more expert adds. Logic-PIM: a pass with one group of tokens and one with two, of which
// all others consist; the xPU's reads from other bundles change no clock of it under the activation rule
// `paper`. The xPU: its reads of the parts behind a cut, or what the xPU tells of them, whichever is longer.
// And the costs beside these. turn: of products on a controller, of a pass with one group and of one with
// two; else it is left, and may be NULL. `text` (may be NULL) gets what failed. Errors: those of
// duplex_stack_open, duplex_stack_open_layer, duplex_stack_wait, of the xPU's estimate, and MEASURE_TOO_LONG.
enum {
  MEASURE_PIECES = 1,   // of the placement
  MEASURE_BOUND = 2,    // slices over three and four bundles, without costs
  MEASURE_STRIPES = 4,  // over four, with costs: for `pim`, `xpu`
  MEASURE_SPACES = 8,   // over one and two: for `paper`
  MEASURE_ALL = 15
};
// A controller writes all words of descriptors that come to slots of the ring which the job has not used yet,
// and few in later turns. So passes of small products take longer in the first turn than in the table, and
// less behind it, in clocks. And a pass behind another one of its expert takes less again.
struct measure_turn {
  uint32_t more, less, again;
};
// Times too long for a table, which is no error where another way of the layer has shorter ones: above 0, so
// that it is none of an xPU or a stack. measure_code is what a caller of the device gets.
#define MEASURE_TOO_LONG 1
static inline int measure_code(int error) {
  return error == MEASURE_TOO_LONG ? DUPLEX_ERROR_ARGUMENT : error;
}
int device_formula(const struct schedule_shape *shape, const struct schedule_placement *placement,
                   struct duplex_xpu *xpu, unsigned clock_khz, struct schedule_times *times, char *text,
                   size_t size);
int device_measure(enum stage_kind kind, const struct duplex_stack_options *options, struct duplex_xpu *xpu,
                   unsigned what, struct schedule_times *times, struct measure_turn *turn, char *text,
                   size_t size);

// Clocks by which models, DRAM presets, activation rules and firmware differ: fixed jobs on such a stack, of
// one expert with one group of tokens and of four with two, and reads by the xPU. Errors as above.
#define DEVICE_PROBE_CLOCKS 3
int device_probe(const struct duplex_stack_options *options, uint64_t clocks[DEVICE_PROBE_CLOCKS], char *text,
                 size_t size);

#endif
