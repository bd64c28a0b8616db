// A device and its weights, as the parts of the library see them.
#ifndef DUPLEX_DRIVER_DEVICE_H
#define DUPLEX_DRIVER_DEVICE_H

#include "driver/space.h"
#include "duplex/duplex.h"
#include "firmware/firmware.h"

#define ALL_BUNDLES 0xfu

struct duplex_weights {
  struct weight_layout layout;
  struct region region;
  size_t n, k;  // as the user gave them; gated: n of gate and of up
};

// Who runs the kernels: this process, unless somebody puts a controller in its place.
struct firmware_runner {
  void *context;
  void (*gemm)(void *context, const struct hal *hal, const struct gemm_job *job, struct firmware_report *report);
  void (*expert)(void *context, const struct hal *hal, const struct expert_job *job, struct firmware_report *report);
};

struct duplex_device {
  struct duplex_backend *backend;
  unsigned channels;
  unsigned bundles;  // Logic-PIM's during a job
  unsigned stripe;   // where weights go that are uploaded now
  unsigned owner;    // bundles of Logic-PIM now
  bool strict;
  uint64_t watchdog_clocks;
  struct space *space;
  struct region table;
  const struct duplex_activation_table *loaded_table;  // what the stack's activation unit holds, NULL: unknown
  struct duplex_activation_table table_copy;
  uint64_t doorbell_clock;  // of the first doorbell of a job, and the DRAM commands until then
  struct duplex_dram_commands doorbell_commands;
  bool doorbell_rung;
  int backend_error;  // first error of the back end during a job
  struct firmware_runner firmware;
  struct duplex_stats stats;
  char error_text[256];
};

// Notes the text of an error and returns its code.
int device_fail(struct duplex_device *device, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));

// transfer.c: the bundles of the mask become Logic-PIM's, the others the xPU's, which is the host's side. Bytes of a region in
// one channel: for these all bundles become the xPU's.
int device_own(struct duplex_device *device, unsigned bundles);
int region_write(struct duplex_device *device, unsigned channel, struct region region, uint64_t offset, const void *bytes,
                 size_t size);
int region_read(struct duplex_device *device, unsigned channel, struct region region, uint64_t offset, void *bytes, size_t size);

// hal.c: the firmware's view of the device.
struct hal device_hal(struct duplex_device *device);

#endif
