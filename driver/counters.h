// What a job did to the stack: performance counters, DRAM commands, clocks.
#ifndef DUPLEX_DRIVER_COUNTERS_H
#define DUPLEX_DRIVER_COUNTERS_H

#include "driver/device.h"

enum counter { ROWS, COLUMNS_READ, COLUMNS_WRITTEN, BEATS, STARVED, NO_TILE, NO_ROOM, COUNTERS };

struct measurement {
  uint64_t counter[DUPLEX_CHANNELS][COUNTERS];
};

// Forgets the job before: errors, doorbell, statistics.
void begin_job(struct duplex_device *device);
int start_measuring(struct duplex_device *device, struct measurement *before);

// Clocks, commands and bytes since then, into the device's statistics. rows of a channel: as its counter has it.
int note_traffic(struct duplex_device *device, const struct measurement *before, uint32_t descriptors);

// The error of a job that the firmware has ended.
int device_report(struct duplex_device *device, const struct firmware_report *report);

#endif
