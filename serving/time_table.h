// SPDX-License-Identifier: Apache-2.0
// Tables of time of a slice of experts: built in, of a file, or measured on the C model.
#ifndef SERVING_TIME_TABLE_H
#define SERVING_TIME_TABLE_H

#include "schedule/schedule.h"
#include "serving/experts.h"

// The experts of a group of devices as one of them has them, in so many copies as the machine has.
struct schedule_shape time_table_shape(const struct machine *machine, const struct serving_model *model);

// What the clocks come from, as one number: FNV-1a over those of a fixed piece. It is in the file of a table,
// and a file with another one is refused. Returns 0 or a code, with a line in `error`.
int time_table_origin(const struct serving_options *options, bool controller, uint32_t *origin, char *error,
                      size_t size);

// The table of that shape: the built-in one, or that of a file in options->tables (may be NULL), or measured
// on the C model, which takes half a minute, and kept there. controller: with firmware on the RV32
// controller, else with firmware that takes no time. own_xpu: with the times of the machine's xPU, else with
// those of the built-in one, for who asks for none of them: so it need not be measured for them. Returns 0 or
// a code, with a line in `error`.
int time_table_load(const struct machine *machine, const struct serving_model *model,
                    const struct serving_options *options, bool controller, bool own_xpu,
                    struct schedule_times *times, char *error, size_t size);

#endif
