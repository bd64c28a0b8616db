// The firmware runs natively in the host's process: its registers are the back end's.
#include "driver/device.h"
#include "duplex/registers.h"

static uint32_t read_register(void *context, uint32_t address) {
  struct duplex_device *device = context;
  uint32_t value = 0;
  const int error = device->backend->ops->reg_read(device->backend, address, &value);
  if (error && !device->backend_error) device->backend_error = error;
  return value;
}

static void write_register(void *context, uint32_t address, uint32_t value) {
  struct duplex_device *device = context;
  if (address == DUPLEX_REG_DOORBELL && !device->doorbell_rung) {
    device->doorbell_rung = true;
    device->doorbell_clock = device->backend->ops->clocks(device->backend);
    device->backend->ops->commands(device->backend, &device->doorbell_commands);
  }
  const int error = device->backend->ops->reg_write(device->backend, address, value);
  if (error && !device->backend_error) device->backend_error = error;
}

static int wait_interrupt(void *context) {
  struct duplex_device *device = context;
  int interrupt = 0;
  const int error = device->backend_error ? device->backend_error
                                          : device->backend->ops->advance(device->backend, device->watchdog_clocks, &interrupt);
  if (error && !device->backend_error) device->backend_error = error;
  return error || !interrupt;
}

struct hal device_hal(struct duplex_device *device) {
  return (struct hal){device, read_register, write_register, wait_interrupt};
}
