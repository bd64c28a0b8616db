// Brings weight matrices into the order in which they stream.
#include <stdlib.h>
#include <string.h>

#include "driver/device.h"
#include "duplex/error.h"

// What a matrix consists of: one source of rows, or gate and up in turn.
struct source {
  const duplex_f16 *even, *odd;  // odd: NULL if not gated
  const int8_t *exponents;
  size_t k;
};

static const duplex_f16 *row_of(const struct source *source, uint32_t row) {
  if (!source->odd) return source->even + (size_t)row * source->k;
  return (row & 1 ? source->odd : source->even) + (size_t)(row / 2) * source->k;
}

// One block as it streams; `block` has room for a whole one. Returns its bytes.
static size_t arrange_block(const struct weight_layout *layout, const struct source *source, uint32_t first_row, uint32_t rows,
                            uint8_t *block) {
  uint8_t *beats = block;
  if (layout->exponents) {
    memset(block, 0, DUPLEX_BEAT_BYTES);
    memcpy(block, source->exponents + first_row, rows);
    beats += DUPLEX_BEAT_BYTES;
  }
  for (uint32_t row = 0; row < rows; row++) {
    const duplex_f16 *from = row_of(source, first_row + row);
    for (uint32_t tile = 0; tile < layout->k_tiles; tile++) {
      const size_t begin = (size_t)tile * DUPLEX_WIDTH, left = source->k - begin,
                   count = left < DUPLEX_WIDTH ? left : DUPLEX_WIDTH;
      uint8_t *to = beats + ((size_t)tile * rows + row) * DUPLEX_BEAT_BYTES;
      memcpy(to, from + begin, count * sizeof *from);
      memset(to + count * sizeof *from, 0, DUPLEX_BEAT_BYTES - count * sizeof *from);
    }
  }
  return (size_t)(beats - block) + (size_t)rows * layout->k_tiles * DUPLEX_BEAT_BYTES;
}

static int upload_channel(struct duplex_device *device, const struct duplex_weights *weights, const struct source *source,
                          unsigned channel, uint8_t *block) {
  const struct weight_layout *layout = &weights->layout;
  uint32_t first;
  const uint32_t rows = layout_channel_rows(layout, channel, &first);
  for (uint32_t done = 0, index = 0; done < rows; done += layout->block_rows, index++) {
    const uint32_t left = rows - done, count = left < layout->block_rows ? left : layout->block_rows;
    const size_t size = arrange_block(layout, source, first + done, count, block);
    const uint64_t offset = (uint64_t)index * layout->stride * DUPLEX_ROW_SET_BYTES;
    const int error = region_write(device, channel, weights->region, offset, block, size);
    if (error) return error;
  }
  return DUPLEX_OK;
}

static int upload(struct duplex_device *device, const struct source *source, size_t rows, struct duplex_weights *weights) {
  struct weight_layout *layout = &weights->layout;
  if (rows > UINT32_MAX || source->k > UINT32_MAX ||
      !weight_layout((uint32_t)rows, (uint32_t)source->k, source->odd != NULL, source->exponents != NULL, device->channels,
                     layout))
    return device_fail(device, DUPLEX_ERROR_ARGUMENT, "a matrix of %zu x %zu does not fit the stack", rows, source->k);
  if (!space_take(device->space, device->bundles, layout->row_sets, &weights->region))
    return device_fail(device, DUPLEX_ERROR_OUT_OF_SPACE, "no room in the stack's DRAM for a matrix of %zu x %zu", rows,
                       source->k);
  uint8_t *block = malloc((size_t)layout->stride * DUPLEX_ROW_SET_BYTES);
  int error =
      block ? DUPLEX_OK : device_fail(device, DUPLEX_ERROR_NO_MEMORY, "too little memory on the host to arrange the weights");
  for (unsigned channel = 0; channel < device->channels && !error; channel++)
    error = upload_channel(device, weights, source, channel, block);
  free(block);
  if (error) space_give(device->space, weights->region, layout->row_sets);
  return error;
}

static int upload_new(struct duplex_device *device, const struct source *source, size_t rows, size_t n,
                      struct duplex_weights **weights) {
  *weights = NULL;
  struct duplex_weights *made = calloc(1, sizeof *made);
  if (!made) return device_fail(device, DUPLEX_ERROR_NO_MEMORY, "too little memory on the host");
  made->n = n;
  made->k = source->k;
  const int error = upload(device, source, rows, made);
  if (error) {
    free(made);
  } else {
    *weights = made;
  }
  return error;
}

int duplex_upload(struct duplex_device *device, const duplex_f16 *w, size_t n, size_t k, const int8_t *exponents,
                  struct duplex_weights **weights) {
  const struct source source = {w, NULL, exponents, k};
  return upload_new(device, &source, n, n, weights);
}

int duplex_upload_gated(struct duplex_device *device, const duplex_f16 *gate, const duplex_f16 *up, size_t n, size_t k,
                        struct duplex_weights **weights) {
  const struct source source = {gate, up, NULL, k};
  return upload_new(device, &source, 2 * n, n, weights);
}

void duplex_release(struct duplex_device *device, struct duplex_weights *weights) {
  if (!weights) return;
  space_give(device->space, weights->region, weights->layout.row_sets);
  free(weights);
}
