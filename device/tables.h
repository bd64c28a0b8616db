// SPDX-License-Identifier: Apache-2.0
// The tables of time that a device has.
#ifndef DEVICE_TABLES_H
#define DEVICE_TABLES_H

#include "device/device.h"
#include "device/stage.h"
#include "duplex/device_tables.h"

// Of which stage, and whether its partial sums are rounded: then exponents of down lie in DRAM.
struct tables_wanted {
  enum stage_kind kind;
  bool rounded;
};

// The table of layers of this form: one that is there, or measured now, as far as the policy of the device
// needs it. It stays as long as the device. Errors as of duplex_device_measure_table, with the text of the
// device.
int tables_take(struct duplex_device *device, const struct duplex_moe_form *form,
                const struct tables_wanted *wanted, const struct schedule_times **times);

void tables_free(struct duplex_device *device);

#endif
