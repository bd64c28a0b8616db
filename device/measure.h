// SPDX-License-Identifier: Apache-2.0
// Tables of time from the cycle model: what Logic-PIM takes for each piece, cut and number of tokens.
#ifndef DEVICE_MEASURE_H
#define DEVICE_MEASURE_H

#include "duplex/duplex.h"
#include "duplex/layer.h"
#include "duplex/xpu.h"
#include "schedule/schedule.h"

// Times of a shape and its placement on stacks with these options (channels, activation rule, DRAM preset),
// each what one more expert adds, on a stack of the C model whose weights are zeros. Logic-PIM: a pass with
// one group of tokens and one with two, of which all others consist; the xPU's reads from other bundles
// change no clock of it under the activation rule `paper`. The xPU: its reads of the parts behind a cut, or
// what the xPU tells of them, whichever is longer. `text` (may be NULL) gets what failed. Errors: those of
// duplex_stack_open, duplex_stack_open_layer, duplex_stack_wait, and ARGUMENT (times too long for a table).
int device_measure(const struct schedule_shape *shape, const struct schedule_placement *placement,
                   const struct duplex_stack_options *options, struct duplex_xpu *xpu,
                   struct schedule_times *times, char *text, size_t size);

// Clocks by which models, DRAM presets and activation rules differ: a fixed piece on such a stack, with one
// group of tokens, with two, and read by the xPU. Errors as above.
#define DEVICE_PROBE_CLOCKS 3
int device_probe(const struct duplex_stack_options *options, uint64_t clocks[DEVICE_PROBE_CLOCKS], char *text,
                 size_t size);

// What the table does not have, in clocks: of a job besides what its experts add; of the xPU's reads in a
// phase besides those of its experts, [1] from bundles that were Logic-PIM's just before; of bundles given to
// Logic-PIM and taken back; of the xPU's transfers for Logic-PIM's share of a layer, x of a group of 8 tokens
// and the sums of a group with so many tokens, and what the first one takes besides.
struct device_costs {
  uint64_t job, reads[2], given, taken;
  uint64_t first_tokens, tokens;
  uint64_t first_sums, sums[DUPLEX_LANES + 1];
};

// The costs of a shape with a piece like this one, of which the table has whole[groups - 1] clocks for all
// its parts with 1 and 2 groups. Errors as those of device_measure.
int device_measure_costs(const struct schedule_shape *shape, const struct duplex_layer_piece *piece,
                         const uint64_t whole[DUPLEX_TOKEN_GROUPS],
                         const struct duplex_stack_options *options, enum duplex_format format,
                         struct device_costs *costs, char *text, size_t size);

#endif
