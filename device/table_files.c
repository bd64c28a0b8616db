// SPDX-License-Identifier: Apache-2.0
// Tables of time of a device in files, and from there.
#include <inttypes.h>
#include <string.h>

#include "device/layer.h"
#include "device/measure.h"
#include "device/run.h"
#include "device/tables.h"
#include "device/xpu_works.h"
#include "duplex/arithmetic.h"
#include "schedule/tables_file.h"

// The table that files have: of whole experts.
static struct tables_wanted of_experts(const struct duplex_device *device, bool replicated, bool striped) {
  return (struct tables_wanted){STAGE_EXPERTS, device->options.partials == DUPLEX_PARTIALS_F32, replicated,
                                striped};
}

// FNV-1a, number by number.
static uint32_t mix(uint32_t hash, uint64_t number) {
  for (unsigned i = 0; i < 2; i++) hash = (hash ^ (uint32_t)(number >> 32 * i)) * 16777619u;
  return hash;
}

// What the xPU tells of so many inner columns of an expert of this shape, for each number of groups that a
// table has it of.
static int mix_share(struct duplex_device *device, const struct schedule_shape *shape, uint32_t inner,
                     uint32_t *hash) {
  int error = DUPLEX_OK;
  for (unsigned groups = 1; groups <= SCHEDULE_GROUPS + 1 && !error; groups++) {
    const unsigned tokens = groups > SCHEDULE_GROUPS ? RUN_TOKENS_MOST : groups * DUPLEX_LANES;
    uint64_t clocks;
    error = device_xpu_expert_clocks(device->xpu, device->clock_khz, tokens, shape->hidden, inner,
                                     shape->gated, &clocks);
    *hash = mix(*hash, clocks);
  }
  return error;
}

// What the xPU tells of whole experts, of its shares behind each cut, and of a launch.
static int mix_xpu(struct duplex_device *device, const struct schedule_shape *shape,
                   const struct schedule_placement *placement, uint32_t *hash) {
  int error = mix_share(device, shape, shape->inner, hash);
  for (unsigned q = 0; q < placement->pieces && !error; q++) {
    uint32_t behind = 0;
    for (unsigned part = placement->parts[q]; part-- > 0 && !error;) {
      behind += placement->width[q][part] * shape->stacks;
      error = mix_share(device, shape, (uint32_t)duplex_smaller(behind, shape->inner), hash);
    }
  }
  *hash = mix(*hash, device->xpu->ops->launch(device->xpu));
  return device_xpu_note(device, "estimate", error);
}

// Options that change times. The probe has few bundles and short jobs, in which they might change none.
static uint32_t mix_options(const struct duplex_device *device, uint32_t hash) {
  const struct duplex_stack_options *options = &device->options.stack;
  const struct duplex_riscv_options *riscv = options->riscv;
  double rate = riscv ? riscv->instructions_per_clock : 0;
  uint64_t bits;
  if (riscv && rate == 0) rate = DUPLEX_INSTRUCTIONS_PER_CLOCK;
  memcpy(&bits, &rate, sizeof bits);
  hash = mix(mix(hash, bits), device->clock_khz);
  return mix(mix(hash, options->backend.rank_switch), options->strict != 0);
}

// The part of it that is the same for all tables.
static int find_origin(struct duplex_device *device) {
  static const struct schedule_shape fixed = {
      .hidden = 4096, .inner = 2048, .experts = 8, .stacks = 1, .channels = 32, .gated = 1};
  struct schedule_placement placement;
  struct schedule_times formula;
  uint64_t clocks[DEVICE_PROBE_CLOCKS];
  char text[256] = "";
  if (device->has_origin) return DUPLEX_OK;
  int error = device_probe(&device->options.stack, clocks, text, sizeof text);
  if (error) return device_fail(device, error, "%s", text);
  schedule_place(&fixed, &placement);
  schedule_formula(&fixed, &placement, &formula);
  device->origin = mix_options(device, formula.hash);
  for (unsigned i = 0; i < DEVICE_PROBE_CLOCKS; i++) device->origin = mix(device->origin, clocks[i]);
  device->has_origin = true;
  return DUPLEX_OK;
}

// A number for what a table of this device comes from beside its shape: clocks of a probe on its stacks,
// which change with the DRAM preset, the activation rule, the firmware and the model; the options of these;
// the formulas; the time of the xPU.
static int origin_of(struct duplex_device *device, const struct schedule_shape *shape,
                     const struct schedule_placement *placement, uint32_t *origin) {
  const int error = find_origin(device);
  *origin = device->origin;
  return error ? error : mix_xpu(device, shape, placement, origin);
}

static int check(struct duplex_device *device, const struct duplex_moe_form *form, const char *path) {
  if (!device) return DUPLEX_ERROR_ARGUMENT;
  device->error_text[0] = 0;
  if (form && path) return DUPLEX_OK;
  return device_fail(device, DUPLEX_ERROR_ARGUMENT, "%s is NULL: expected a pointer", form ? "path" : "form");
}

// The way of a layer of this form: that of one that is there, or as moe_choose would have it.
static int choose_way(struct duplex_device *device, const struct duplex_moe_form *form, struct moe_way *way) {
  for (const struct duplex_moe *layer = device->layers; layer; layer = layer->next)
    if (memcmp(&layer->shape, &form->shape, sizeof form->shape) == 0 && layer->gated == form->gated) {
      *way = layer->way;
      return DUPLEX_OK;
    }
  struct duplex_moe *moe = moe_new(device, form);
  if (!moe) return device_no_memory(device);
  const int error = moe_choose(moe, form);
  *way = moe->way;
  moe_free(moe);
  return error;
}

int duplex_device_measure_table(struct duplex_device *device, const struct duplex_moe_form *form) {
  struct moe_way way;
  const int error = check(device, form, "");
  return error ? error : choose_way(device, form, &way);
}

int duplex_device_save_table(struct duplex_device *device, const struct duplex_moe_form *form,
                             const char *path) {
  const struct schedule_times *times;
  struct moe_way way;
  uint32_t origin;
  char text[512];
  int error = check(device, form, path);
  if (!error) error = choose_way(device, form, &way);
  if (error) return error;
  const struct tables_wanted wanted = of_experts(device, way.copies > 1, way.striped);
  error = measure_code(tables_take_all(device, form, &wanted, &times));
  if (!error) error = origin_of(device, &times->shape, &times->placement, &origin);
  if (error) return error;
  error = schedule_save(path, times, origin, text, sizeof text);
  return error ? device_fail(device, error, "%s", text) : DUPLEX_OK;
}

// A table that was read is of this shape, placement and origin.
static int check_table(struct duplex_device *device, const char *path, const struct schedule_times *times,
                       uint32_t origin, const struct schedule_shape *shape,
                       const struct schedule_placement *placement) {
  char text[512];
  uint32_t own;
  int error = schedule_check(path, times, shape, placement, text, sizeof text);
  if (error) return device_fail(device, error, "%s", text);
  error = origin_of(device, shape, placement, &own);
  if (error || origin == own) return error;
  return device_fail(
      device, DUPLEX_ERROR_FORMAT,
      "%s: a table of another DRAM preset, rank switch, activation rule, firmware, rate of its "
      "instructions, model or xPU: origin %" PRIu32 ", expected %" PRIu32,
      path, origin, own);
}

// Whether the file of such layers is to have a table of two copies. AUTO takes either.
static int wants_copies(struct duplex_device *device, const struct duplex_moe_form *form, bool of_file,
                        bool *wants) {
  const struct duplex_device_options *options = &device->options;
  const struct tables_wanted two = of_experts(device, true, false);
  struct schedule_shape shape;
  struct schedule_placement placement;
  *wants = false;
  if (options->policy != DUPLEX_POLICY_BEST || options->copies == 1 || (!options->copies && !of_file))
    return DUPLEX_OK;
  const int error = tables_plan(device, form, &two, &shape, &placement);
  *wants = !error && placement.layout == SCHEDULE_REPLICATED;
  return error;
}

// Whether a table of experts over all bundles can be that of a layer for a side alone.
static bool may_be_striped(const struct duplex_device *device, const struct schedule_times *times) {
  const struct duplex_device_options *options = &device->options;
  return times->placement.layout == SCHEDULE_STRIPED && options->policy == DUPLEX_POLICY_BEST &&
         options->copies != 2 && !options->always_decide;
}

int duplex_device_load_table(struct duplex_device *device, const struct duplex_moe_form *form,
                             const char *path) {
  struct schedule_times times;
  struct schedule_shape shape;
  struct schedule_placement placement;
  uint32_t origin;
  char text[512];
  bool replicated;
  int error = check(device, form, path);
  if (error) return error;
  struct tables_wanted wanted = of_experts(device, false, false);
  error = tables_plan(device, form, &wanted, &shape, &placement);
  if (error) return error;
  error = schedule_load(path, &times, &origin, text, sizeof text);
  if (error) return device_fail(device, error, "%s", text);
  error = wants_copies(device, form, times.shape.replicated, &replicated);
  wanted.replicated = replicated;
  wanted.striped = placement.layout != SCHEDULE_STRIPED && may_be_striped(device, &times);
  if (!error) error = tables_plan(device, form, &wanted, &shape, &placement);
  if (!error) error = check_table(device, path, &times, origin, &shape, &placement);
  return error ? error : tables_put(device, form, &wanted, &times);
}
