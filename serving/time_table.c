// SPDX-License-Identifier: Apache-2.0
// Tables of time of a slice of experts (docs/serving.md, "Mode full").
#include "serving/time_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "device/measure.h"
#include "duplex/error.h"
#include "duplex/text_file.h"
#include "schedule/tables_file.h"
#include "serving/builtin_configs.h"
#include "serving/config_file.h"
#include "serving/regular_file.h"

#define STACKS 5u
#define CHANNELS 32u

// An xPU that tells its times and does nothing else.
struct timed_xpu {
  struct duplex_xpu xpu;
  const struct xpu_time_model *time;
};

// What a table is wanted for.
struct wanted {
  const struct machine *machine;
  struct xpu_time_model xpu;
  const struct serving_options *options;
  struct schedule_shape shape;
  bool controller;  // with the firmware's time
  char *error;      // the caller's text
  size_t size;
};

struct schedule_shape time_table_shape(const struct machine *machine, const struct serving_model *model) {
  const struct expert_layout layout = experts_layout(machine, model);
  return (struct schedule_shape){.hidden = model->hidden,
                                 .inner = model->inner / layout.devices,
                                 .experts = layout.of_group,
                                 .stacks = STACKS,
                                 .channels = CHANNELS,
                                 .gated = model->matrices == 3,
                                 .replicated = machine->copies > 1,
                                 .rounded = machine->rounded_sums};
}

static const char *builtin_table(const char *name) {
  char path[160];
  snprintf(path, sizeof path, "tables/%s", name);
  for (const struct builtin_config *c = builtin_configs; c->path; c++)
    if (strcmp(c->path, path) == 0) return c->text;
  return NULL;
}

// A stack of the C model as the options have it.
static struct duplex_stack_options stack_of(const struct serving_options *options, bool controller) {
  static const struct duplex_riscv_options riscv = {0};
  return (struct duplex_stack_options){.backend = {.channels = CHANNELS, .dram_preset = options->dram_preset},
                                       .strict = options->strict,
                                       .riscv = controller ? &riscv : NULL};
}

int time_table_origin(const struct serving_options *options, bool controller, uint32_t *origin, char *error,
                      size_t size) {
  const struct duplex_stack_options stack = stack_of(options, controller);
  uint64_t clocks[DEVICE_PROBE_CLOCKS];
  const int status = device_probe(&stack, clocks, error, size);
  *origin = 2166136261u;
  for (unsigned i = 0; i < DEVICE_PROBE_CLOCKS && !status; i++)
    *origin = (*origin ^ (uint32_t)clocks[i]) * 16777619u;
  return status;
}

// Where the experts of a slice lie on a stack. Returns 0, or DUPLEX_ERROR_ARGUMENT with a line in the error
// text if a stack cannot hold them.
static int place_experts(const struct wanted *w, struct schedule_placement *placement) {
  char place[512];
  if (schedule_place(&w->shape, placement)) return DUPLEX_OK;
  config_where("models", w->options->model, MODEL_INNER, place, sizeof place);
  snprintf(w->error, w->size, "%s: %u columns and %u rows of experts: expected what a stack can hold", place,
           w->shape.hidden, w->shape.inner);
  return DUPLEX_ERROR_ARGUMENT;
}

static int estimate(struct duplex_xpu *xpu, const struct duplex_xpu_work *work, uint64_t *picoseconds) {
  return xpu_time_work(((const struct timed_xpu *)xpu)->time, work, picoseconds);
}

// Measures the table on the C model, with the arithmetic of the wanted xPU. path: where it is kept, or
// NULL.
static int measure(const struct wanted *w, const char *path, struct schedule_times *times) {
  static const struct duplex_xpu_ops ops = {.name = "timed", .estimate = estimate};
  const struct duplex_stack_options options = stack_of(w->options, w->controller);
  struct timed_xpu timed = {{&ops}, &w->xpu};
  struct schedule_placement placement;
  uint32_t origin;
  int status = place_experts(w, &placement);
  if (!status) status = time_table_origin(w->options, w->controller, &origin, w->error, w->size);
  if (status) return status;
  status = device_formula(&w->shape, &placement, &timed.xpu, w->machine->clock_khz, times, w->error, w->size);
  if (!status)
    status = measure_code(
        device_measure(STAGE_EXPERTS, &options, &timed.xpu, MEASURE_ALL, times, NULL, w->error, w->size));
  return status || !path ? status : schedule_save(path, times, origin, w->error, w->size);
}

static uint32_t add_to_hash(uint32_t hash, uint64_t number) {
  for (unsigned byte = 0; byte < 8; byte++) hash = (hash ^ (uint32_t)(number >> 8 * byte & 255)) * 16777619u;
  return hash;
}

// FNV-1a over a table of measured products, whose times are in the tables of time.
static uint32_t hash_of(const struct xpu_kernel_table *table) {
  uint32_t hash = 2166136261u;
  for (size_t i = 0; i < table->count; i++) {
    const struct xpu_kernel *k = &table->kernels[i];
    const uint64_t numbers[] = {k->shape[0], k->shape[1], k->length, k->picoseconds};
    for (unsigned n = 0; n < sizeof numbers / sizeof *numbers; n++) hash = add_to_hash(hash, numbers[n]);
  }
  return hash;
}

// What of the xPU is in a table of time, behind its name: nothing of the built-in one.
static void name_xpu(const struct xpu_time_model *xpu, char *name, size_t size) {
  const struct xpu_time_model builtin = xpu_time_h100(xpu->channels);
  const size_t length = strlen(name);
  if (xpu->gemm_table) snprintf(name + length, size - length, "_%08x", hash_of(xpu->gemm_table));
  if (xpu->gemm_table || (xpu->flops == builtin.flops && xpu->gemm_share == builtin.gemm_share)) return;
  snprintf(name + length, size - length, "_xpu_%08x",
           add_to_hash(add_to_hash(2166136261u, xpu->flops), xpu->gemm_share));
}

// A folder that takes this table, before minutes go into measuring it.
static int check_folder(const char *folder, const char *path, char *error, size_t size) {
  const int opened = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (opened >= 0) close(opened);
  if (opened < 0) {
    snprintf(error, size, "%s: %s, expected a folder that can be written", folder, strerror(errno));
  } else if (duplex_text_may_replace(path) != 0) {
    snprintf(error, size, "%s: %s, expected a file that can be written", path, strerror(errno));
  } else {
    return DUPLEX_OK;
  }
  return DUPLEX_ERROR_IO;
}

// The name of the table's file, without its end.
static void name_of(const struct wanted *w, char *name, size_t size) {
  const char *preset = w->options->dram_preset;
  snprintf(name, size, "%u_%u_%u_%u%s%s%s%s%s%s", w->shape.hidden, w->shape.inner, w->shape.experts,
           w->shape.gated, w->shape.replicated ? "_twice" : "", w->shape.rounded ? "_f32" : "",
           w->controller ? "_riscv" : "", w->options->strict ? "_strict" : "", preset ? "_" : "",
           preset ? preset : "");
  name_xpu(&w->xpu, name, size);
}

// What the simulator would measure itself: another table would give wrong times in silence.
static int check_table(const struct wanted *w, const char *path, const struct schedule_times *times,
                       uint32_t origin) {
  struct schedule_placement placement;
  uint32_t own;
  int status = place_experts(w, &placement);
  if (!status) status = time_table_origin(w->options, w->controller, &own, w->error, w->size);
  if (status) return status;
  status = schedule_check(path, times, &w->shape, &placement, w->error, w->size);
  if (status) return status;
  if (origin == own) return DUPLEX_OK;
  snprintf(w->error, w->size,
           "%s:3: a table of another DRAM preset, activation rule, firmware or model: origin %u, expected %u",
           path, origin, own);
  return DUPLEX_ERROR_FORMAT;
}

// A table that is kept in a file.
static int load_file(const struct wanted *w, const char *path, struct schedule_times *times) {
  const char *cause;
  uint32_t origin;
  FILE *file = regular_file_open(path, &cause);
  if (!file) {
    snprintf(w->error, w->size, "%s: %s, expected a table of time", path, cause);
    return DUPLEX_ERROR_IO;
  }
  fclose(file);
  const int status = schedule_load(path, times, &origin, w->error, w->size);
  return status ? status : check_table(w, path, times, origin);
}

int time_table_load(const struct machine *machine, const struct serving_model *model,
                    const struct serving_options *options, bool controller, bool own_xpu,
                    struct schedule_times *times, char *error, size_t size) {
  const struct xpu_time_model *own = &machine->xpu_time;
  const struct wanted w = {.machine = machine,
                           .xpu = own_xpu ? *own : xpu_time_h100(own->channels),
                           .options = options,
                           .shape = time_table_shape(machine, model),
                           .controller = controller,
                           .error = error,
                           .size = size};
  uint32_t origin;
  char name[128], path[1024];
  name_of(&w, name, sizeof name);
  snprintf(path, sizeof path, "%s/%s.times", options->tables ? options->tables : "", name);
  const char *text = options->measure ? NULL : builtin_table(name);
  if (text) return schedule_load_text(text, name, times, &origin, error, size);
  if (!options->tables) return measure(&w, NULL, times);
  if (!options->measure && access(path, F_OK) == 0) return load_file(&w, path, times);
  const int status = check_folder(options->tables, path, error, size);
  return status ? status : measure(&w, path, times);
}
