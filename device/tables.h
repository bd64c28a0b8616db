// SPDX-License-Identifier: Apache-2.0
// The tables of time that a device has.
#ifndef DEVICE_TABLES_H
#define DEVICE_TABLES_H

#include "device/device.h"
#include "device/measure.h"
#include "device/stage.h"
#include "duplex/device_tables.h"

// Of which stage, whether its results are rounded (products are): then exponents of down lie in DRAM; and
// whether there is room for a second copy of each expert.
struct tables_wanted {
  enum stage_kind kind;
  bool rounded;
  bool replicated;
  bool striped;  // experts lie over all bundles, whatever the schedule places: for a layer of one side
};

// Shape and placement that such a table is of, of layers of this form. Errors: ARGUMENT (a shape out of
// range), NO_MEMORY, with the text of the device.
int tables_plan(struct duplex_device *device, const struct duplex_moe_form *form,
                const struct tables_wanted *wanted, struct schedule_shape *shape,
                struct schedule_placement *placement);

// The table of layers of this form: one that is there, or measured now, as far as the policy of the device
// needs it, and what passes take in the first turn of the ring (device_measure). Both stay as long as
// the device. Errors as of duplex_device_measure_table, but MEASURE_TOO_LONG
// where times are too long for a table; with the text of the device.
int tables_take(struct duplex_device *device, const struct duplex_moe_form *form,
                const struct tables_wanted *wanted, const struct schedule_times **times,
                const struct measure_turn **turn);

// Of which placements of such layers, as bits, there are tables from files: 1 for one copy, 2 for two, 4 for
// a striped one; 0: of none.
unsigned tables_from_file(struct duplex_device *device, const struct duplex_moe_form *form, bool rounded);

// All of the table, measured if need be; and one from a file in its place, of this shape and placement.
int tables_take_all(struct duplex_device *device, const struct duplex_moe_form *form,
                    const struct tables_wanted *wanted, const struct schedule_times **times);
int tables_put(struct duplex_device *device, const struct duplex_moe_form *form,
               const struct tables_wanted *wanted, const struct schedule_times *times);

void tables_free(struct duplex_device *device);

#endif
