// Bytes of a region, row set by row set.
#include "driver/device.h"
#include "duplex/error.h"
#include "duplex/registers.h"

#define POLLS_MOST 1000u

const char *device_cause(struct duplex_device *device, int error) {
  const char *text = device->backend->ops->failure(device->backend);
  return text[0] ? text : duplex_error_text(error);
}

// Logic-PIM closes its rows in bundles that it gives away.
static int wait_until_closed(struct duplex_device *device, unsigned bundles) {
  for (unsigned i = 0; i < POLLS_MOST; i++) {
    uint32_t value = 0;
    const int error = device->backend->ops->reg_read(device->backend, DUPLEX_REG_BUNDLE_OWNER, &value);
    if (error) return error;
    if (!(value >> DUPLEX_BUNDLE_OWNER_OPEN_LSB & bundles)) return DUPLEX_OK;
  }
  return DUPLEX_ERROR_WATCHDOG;
}

int device_own(struct duplex_device *device, unsigned bundles) {
  const unsigned given = device->machine->owner & ~bundles;
  if (device->machine->owner == bundles) return DUPLEX_OK;
  const uint32_t value = bundles | (uint32_t)device->strict << DUPLEX_BUNDLE_OWNER_STRICT_LSB;
  int error = device->backend->ops->reg_write(device->backend, DUPLEX_REG_BUNDLE_OWNER, value);
  if (!error && given) error = wait_until_closed(device, given);
  if (error) return device_fail(device, error, "handing over bundles: %s", device_cause(device, error));
  device->machine->owner = bundles;
  return DUPLEX_OK;
}

static size_t in_row_set(uint64_t offset, size_t left) {
  const size_t room = DUPLEX_ROW_SET_BYTES - offset % DUPLEX_ROW_SET_BYTES;
  return left < room ? left : room;
}

int region_write(struct duplex_device *device, unsigned channel, struct region region, uint64_t offset, const void *bytes,
                 size_t size) {
  const struct duplex_backend_ops *ops = device->backend->ops;
  int (*const write)(struct duplex_backend *, unsigned, uint64_t, const void *, size_t) =
      device->timed_writes ? ops->xpu_write : ops->mem_write;
  const int owned = device_own(device, 0);
  if (owned) return owned;
  for (const uint8_t *from = bytes; size;) {
    const size_t part = in_row_set(offset, size);
    const int error = write(device->backend, channel, space_address(region, offset), from, part);
    if (error) return device_fail(device, error, "writing DRAM of channel %u: %s", channel, device_cause(device, error));
    from += part, offset += part, size -= part;
  }
  return DUPLEX_OK;
}

int region_read(struct duplex_device *device, unsigned channel, struct region region, uint64_t offset, void *bytes, size_t size) {
  const int owned = device_own(device, 0);
  if (owned) return owned;
  for (uint8_t *to = bytes; size;) {
    const size_t part = in_row_set(offset, size);
    const int error = device->backend->ops->mem_read(device->backend, channel, space_address(region, offset), to, part);
    if (error) return device_fail(device, error, "reading DRAM of channel %u: %s", channel, device_cause(device, error));
    to += part, offset += part, size -= part;
  }
  return DUPLEX_OK;
}
