// Jobs: activations in, the firmware's kernel, results out, statistics.
#include <stdlib.h>
#include <string.h>

#include "driver/counters.h"
#include "duplex/error.h"

#define TILE_BYTES (DUPLEX_TILE_WORDS * DUPLEX_WORD_BYTES)
#define TOKENS_MOST 4096u

// One job's own regions, and what is needed for its statistics.
struct work {
  struct region x, results;
  uint32_t x_row_sets, result_row_sets;     // of one pass
  uint32_t groups, groups_of_pass, passes;  // groups of 8 tokens
  struct measurement measurement;
};

static void give_back(struct duplex_device *device, const struct work *work) {
  if (work->x.stripe) space_give(device->space, work->x, work->x_row_sets * work->passes);
  if (work->results.stripe) space_give(device->space, work->results, work->result_row_sets * work->passes);
}

static int take_space(struct duplex_device *device, struct work *work) {
  const bool taken = space_take(device->space, device->bundles, work->x_row_sets * work->passes, &work->x) &&
                     space_take(device->space, device->bundles, work->result_row_sets * work->passes, &work->results);
  if (taken) return DUPLEX_OK;
  give_back(device, work);
  return device_fail(device, DUPLEX_ERROR_OUT_OF_SPACE, "no room in the stack's DRAM for activations and results");
}

// Tile k of a group: 64 columns of 8 tokens, zero where there is no token or no column.
static void arrange_tile(const duplex_f16 *x, size_t m, size_t k, size_t group, size_t index, duplex_f16 *tile) {
  memset(tile, 0, TILE_BYTES);
  for (size_t lane = 0; lane < DUPLEX_LANES && group * DUPLEX_LANES + lane < m; lane++)
    for (size_t i = 0; i < DUPLEX_WIDTH && index * DUPLEX_WIDTH + i < k; i++)
      tile[i * DUPLEX_LANES + lane] = x[(group * DUPLEX_LANES + lane) * k + index * DUPLEX_WIDTH + i];
}

// Groups of tokens that a pass serves.
static uint32_t groups_in(const struct work *work, uint32_t pass) {
  const uint32_t left = work->groups - pass * work->groups_of_pass;
  return left < work->groups_of_pass ? left : work->groups_of_pass;
}

static int upload_tokens(struct duplex_device *device, const struct work *work, const duplex_f16 *x, size_t m, size_t k) {
  duplex_f16 tile[DUPLEX_WIDTH * DUPLEX_LANES];
  const size_t k_tiles = (k + DUPLEX_WIDTH - 1) / DUPLEX_WIDTH;
  for (uint32_t pass = 0; pass < work->passes; pass++) {
    const struct region region = {work->x.base + pass * work->x_row_sets, work->x.stripe};
    const uint32_t groups = groups_in(work, pass);
    for (size_t t = 0; t < k_tiles * groups; t++) {
      arrange_tile(x, m, k, pass * work->groups_of_pass + t % groups, t / groups, tile);
      const int error =
          region_write(device, (unsigned)(t % device->channels), region, t / device->channels * TILE_BYTES, tile, sizeof tile);
      if (error) return error;
    }
  }
  return DUPLEX_OK;
}

static int read_block(struct duplex_device *device, const struct weight_layout *layout, struct region region, unsigned channel,
                      uint32_t block, enum result_format format, uint32_t groups, uint8_t *bytes) {
  const uint32_t columns = result_block_columns(layout, format, groups);
  return region_read(device, channel, region, (uint64_t)block * columns * DUPLEX_COLUMN_BYTES, bytes,
                     columns * DUPLEX_COLUMN_BYTES);
}

// What one channel wrote in one pass: blocks of rows of 8 lanes, those of the second group behind those of the first.
static int read_channel(struct duplex_device *device, const struct work *work, const struct weight_layout *layout, size_t m,
                        enum result_format format, unsigned channel, uint32_t pass, uint8_t *y) {
  uint8_t bytes[DUPLEX_ROWS * DUPLEX_LANES * 16];
  const size_t row_bytes = result_row_bytes(format), size = row_bytes / DUPLEX_LANES;
  const struct region region = {work->results.base + pass * work->result_row_sets, work->results.stripe};
  const uint32_t groups = groups_in(work, pass);
  uint32_t first;
  const uint32_t rows = layout_channel_rows(layout, channel, &first);
  for (uint32_t row = 0; row < rows; row++) {
    const uint32_t in_block = row % layout->block_rows, left = rows - (row - in_block),
                   of_block = left < layout->block_rows ? left : layout->block_rows;
    const int error =
        in_block ? DUPLEX_OK : read_block(device, layout, region, channel, row / layout->block_rows, format, groups, bytes);
    if (error) return error;
    for (uint32_t lane = 0; lane < groups * DUPLEX_LANES; lane++) {
      const size_t token = (size_t)pass * work->groups_of_pass * DUPLEX_LANES + lane;
      const uint32_t row_of_group = lane / DUPLEX_LANES * of_block + in_block;
      if (token < m)
        memcpy(y + (token * layout->rows + first + row) * size, bytes + row_of_group * row_bytes + lane % DUPLEX_LANES * size,
               size);
    }
  }
  return DUPLEX_OK;
}

static int read_results(struct duplex_device *device, const struct work *work, const struct weight_layout *layout, size_t m,
                        enum result_format format, uint8_t *y) {
  for (uint32_t pass = 0; pass < work->passes; pass++)
    for (unsigned channel = 0; channel < device->channels; channel++) {
      const int error = read_channel(device, work, layout, m, format, channel, pass, y);
      if (error) return error;
    }
  return DUPLEX_OK;
}

// Space of a job whose passes serve that many groups at once.
static struct work plan(const struct duplex_device *device, size_t m, uint32_t groups_of_pass, uint32_t k_tiles,
                        const struct weight_layout *results, enum result_format format) {
  struct work work = {.groups = (uint32_t)((m + DUPLEX_LANES - 1) / DUPLEX_LANES), .groups_of_pass = groups_of_pass};
  work.passes = (work.groups + groups_of_pass - 1) / groups_of_pass;
  work.x_row_sets = activation_row_sets(groups_of_pass * k_tiles, device->channels);
  work.result_row_sets = result_row_sets(results, format, groups_of_pass);
  return work;
}

static int begin(struct duplex_device *device, struct work *work, const duplex_f16 *x, size_t m, size_t k) {
  begin_job(device);
  int error = take_space(device, work);
  if (error) return error;
  error = upload_tokens(device, work, x, m, k);
  if (!error) error = start_measuring(device, &work->measurement);
  if (error) give_back(device, work);
  return error;
}

// Statistics of a job; matrices are those that its passes streamed.
static int note_stats(struct duplex_device *device, const struct work *work, size_t m,
                      const struct duplex_weights *const matrices[], unsigned count, uint32_t descriptors) {
  struct duplex_stats *stats = &device->stats;
  const int error = note_traffic(device, &work->measurement, descriptors);
  if (error) return error;
  for (unsigned channel = 0; channel < device->channels; channel++) {
    struct duplex_channel_stats *own = &stats->channel[channel];
    own->rows /= work->groups;
    for (unsigned i = 0; i < count; i++) {
      uint32_t first;
      own->macs += (uint64_t)layout_channel_rows(&matrices[i]->layout, channel, &first) * matrices[i]->k * m;
    }
    stats->macs += own->macs;
  }
  for (unsigned i = 0; i < count; i++)
    stats->useful_bytes += (uint64_t)matrices[i]->layout.rows * matrices[i]->k * sizeof(duplex_f16);
  return DUPLEX_OK;
}

static int check_tokens(struct duplex_device *device, size_t m) {
  if (m >= 1 && m <= TOKENS_MOST) return DUPLEX_OK;
  return device_fail(device, DUPLEX_ERROR_ARGUMENT, "%zu tokens: expected 1 to %u", m, TOKENS_MOST);
}

int duplex_gemm(struct duplex_device *device, const struct duplex_weights *w, const duplex_f16 *x, size_t m,
                enum duplex_format format, void *y) {
  int error = check_tokens(device, m);
  if (error) return error;
  const enum result_format result_format = (enum result_format)format;
  struct work work = plan(device, m, groups_of_pass(w->layout.k_tiles), w->layout.k_tiles, &w->layout, result_format);
  error = begin(device, &work, x, m, w->k);
  if (error) return error;
  const struct gemm_job job = {w->layout, w->region, work.x, work.results, result_format, device->channels, work.groups};
  struct firmware_report report = {0};
  error = device_own(device, device->bundles);
  if (!error) {
    const struct hal hal = device_hal(device);
    device->firmware.gemm(device->firmware.context, &hal, &job, &report);
    error = device_report(device, &report);
  }
  if (!error) error = note_stats(device, &work, m, &w, 1, report.descriptors);
  if (!error) error = read_results(device, &work, &w->layout, m, result_format, y);
  give_back(device, &work);
  return error;
}

static int run_expert(struct duplex_device *device, const struct expert_job *job, struct firmware_report *report) {
  const int error = device_own(device, device->bundles);
  if (error) return error;
  const struct hal hal = device_hal(device);
  device->firmware.expert(device->firmware.context, &hal, job, report);
  return device_report(device, report);
}

// The table's image goes to DRAM, tile by tile over the channels, and from there, as a job of its own, into the activation unit.
// Nothing to do if it is there already.
static int load_table(struct duplex_device *device, const struct duplex_activation_table *table) {
  uint8_t image[(DUPLEX_ACTIVATION_IMAGE_BYTES + TILE_BYTES - 1) / TILE_BYTES * TILE_BYTES] = {0};
  if (device->loaded_table && memcmp(&device->table_copy, table, sizeof *table) == 0) return DUPLEX_OK;
  device->loaded_table = NULL;
  duplex_activation_image(table, image);
  for (uint32_t tile = 0; tile < sizeof image / TILE_BYTES; tile++) {
    const int error = region_write(device, tile % device->channels, device->table, tile / device->channels * TILE_BYTES,
                                   image + tile * TILE_BYTES, TILE_BYTES);
    if (error) return error;
  }
  const struct expert_job job = {.table = device->table, .table_tiles = sizeof image / TILE_BYTES};
  struct firmware_report report = {0};
  device->backend_error = DUPLEX_OK;
  const int error = run_expert(device, &job, &report);
  if (error) return error;
  device->table_copy = *table;
  device->loaded_table = &device->table_copy;
  return DUPLEX_OK;
}

static int check_expert(struct duplex_device *device, const struct duplex_weights *up, const struct duplex_weights *down) {
  if (down->k != up->n || down->layout.gated || up->n > DUPLEX_K_TILES_MAX * DUPLEX_WIDTH)
    return device_fail(device, DUPLEX_ERROR_ARGUMENT, "up has %zu rows and down %zu columns: expected the same number, up to %u",
                       up->n, down->k, DUPLEX_K_TILES_MAX * DUPLEX_WIDTH);
  return DUPLEX_OK;
}

int duplex_expert(struct duplex_device *device, const struct duplex_weights *up, const struct duplex_weights *down,
                  const struct duplex_activation_table *table, const duplex_f16 *x, size_t m, enum duplex_format format,
                  void *y) {
  int error = check_tokens(device, m);
  if (!error) error = check_expert(device, up, down);
  if (error) return error;
  const enum result_format result_format = (enum result_format)format;
  const uint32_t groups_of_pass = expert_groups_of_pass(&up->layout, &down->layout);
  struct work work = plan(device, m, groups_of_pass, up->layout.k_tiles, &down->layout, result_format);
  error = load_table(device, table);
  if (!error) error = begin(device, &work, x, m, up->k);
  if (error) return error;
  const struct expert_job job = {.up_layout = up->layout,
                                 .down_layout = down->layout,
                                 .up = up->region,
                                 .down = down->region,
                                 .x = work.x,
                                 .results = work.results,
                                 .format = result_format,
                                 .channels = device->channels,
                                 .groups = work.groups};
  struct firmware_report report = {0};
  error = run_expert(device, &job, &report);
  if (!error) {
    const struct duplex_weights *const matrices[] = {up, down};
    error = note_stats(device, &work, m, matrices, 2, report.descriptors);
  }
  if (!error) error = read_results(device, &work, &down->layout, m, result_format, y);
  give_back(device, &work);
  return error;
}
