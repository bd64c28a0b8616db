// Bytes of a region, row set by row set.
#include "driver/device.h"
#include "duplex/error.h"

static size_t in_row_set(uint64_t offset, size_t left) {
  const size_t room = DUPLEX_ROW_SET_BYTES - offset % DUPLEX_ROW_SET_BYTES;
  return left < room ? left : room;
}

int region_write(struct duplex_device *device, unsigned channel, struct region region, uint64_t offset, const void *bytes,
                 size_t size) {
  for (const uint8_t *from = bytes; size;) {
    const size_t part = in_row_set(offset, size);
    const int error = device->backend->ops->mem_write(device->backend, channel, space_address(region, offset), from, part);
    if (error) return device_fail(device, error, "writing DRAM of channel %u: %s", channel, duplex_error_text(error));
    from += part, offset += part, size -= part;
  }
  return DUPLEX_OK;
}

int region_read(struct duplex_device *device, unsigned channel, struct region region, uint64_t offset, void *bytes, size_t size) {
  for (uint8_t *to = bytes; size;) {
    const size_t part = in_row_set(offset, size);
    const int error = device->backend->ops->mem_read(device->backend, channel, space_address(region, offset), to, part);
    if (error) return device_fail(device, error, "reading DRAM of channel %u: %s", channel, duplex_error_text(error));
    to += part, offset += part, size -= part;
  }
  return DUPLEX_OK;
}
