// SPDX-License-Identifier: Apache-2.0
// What a system and a model have to have for an option to change anything (docs/command_line.md, "serve").
#ifndef SERVING_NEEDS_H
#define SERVING_NEEDS_H

#include "serving/machine.h"

// Bits, in the order in which they are asked for.
enum need {
  NEED_FULL = 1,        // mode full
  NEED_EXPERTS = 2,     // of the model
  NEED_UNITS = 4,       // beside the xPU
  NEED_LOGIC_PIM = 8,   // that these are
  NEED_16_BITS = 16,    // of a weight, which the tables of the cycle model are of
  NEED_TWO_SIDES = 32,  // that may run an expert
  NEED_SUMS = 64,       // of units that run experts
  NEED_BEST = 128,      // the policy
  NEED_KERNELS = 256    // of which the folder of the options has tables
};
// Of two copies of each expert.
#define NEEDS_COPIES (NEED_FULL | NEED_EXPERTS | NEED_LOGIC_PIM | NEED_16_BITS | NEED_TWO_SIDES | NEED_BEST)

// The first of `needs` that is not there, and 0 if all are. `why` has then what there is and what was
// expected. Of the machine machine_read_parts is enough. The file of a table counts, and not what is in it.
enum need needs_lacking(const struct serving_options *options, const struct serving_model *model,
                        const struct machine *machine, unsigned needs, char *why, size_t size);

#endif
