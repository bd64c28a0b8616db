// SPDX-License-Identifier: Apache-2.0
// What goes with a word of results through a channel.
#ifndef DUPLEX_CMODEL_RESULT_MARKS_H
#define DUPLEX_CMODEL_RESULT_MARKS_H

#include <stdbool.h>

// `end`: the last word of a group of a block; `single`: one row only; `parity`: of the job.
struct result_marks {
  bool end, single, parity;
};

#endif
