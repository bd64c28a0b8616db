// SPDX-License-Identifier: Apache-2.0
// The tables of time that a device has.
#ifndef DEVICE_TABLES_H
#define DEVICE_TABLES_H

#include "device/device.h"
#include "duplex/device_tables.h"
#include "schedule/schedule.h"

// The table of layers of this form: one that is there, or measured now, as far as the policy of the device
// needs it. It stays as long as the device. Errors as of duplex_device_measure_table, with the text of the
// device.
int tables_take(struct duplex_device *device, const struct duplex_moe_form *form,
                const struct schedule_times **times);

void tables_free(struct duplex_device *device);

#endif
