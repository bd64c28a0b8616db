// SPDX-License-Identifier: Apache-2.0
// Tables of time of a device: measured once for each form of a layer, kept, and brought to files and back.
#include "device/tables.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "device/measure.h"
#include "device/xpu_works.h"
#include "schedule/formula.h"
#include "schedule/tables_file.h"

struct device_table {
  struct device_table *next;
  enum stage_kind kind;
  struct schedule_times times;
  unsigned measured;  // parts of it, MEASURE_...
};

struct duplex_moe_form duplex_moe_form(const struct duplex_moe_shape *shape,
                                       const struct duplex_moe_weights *weights) {
  return (struct duplex_moe_form){.shape = *shape,
                                  .gated = weights->gate != NULL,
                                  .up_exponents = weights->gate_exponents || weights->up_exponents,
                                  .down_exponents = weights->down_exponents != NULL};
}

// Which exponents of a form lie in DRAM. Exact sums of down get theirs in the reduction.
static uint32_t exponents_of(const struct duplex_moe_form *form, const struct tables_wanted *wanted) {
  const bool down = wanted->kind == STAGE_DOWN || (wanted->kind == STAGE_EXPERTS && wanted->rounded);
  const bool up = wanted->kind != STAGE_DOWN;
  return (up && form->up_exponents ? SCHEDULE_UP_EXPONENTS : 0) |
         (down && form->down_exponents ? SCHEDULE_DOWN_EXPONENTS : 0);
}

// Shape and placement of the schedule.
static int plan(struct duplex_device *device, const struct duplex_moe_form *form,
                const struct tables_wanted *wanted, struct schedule_shape *shape,
                struct schedule_placement *placement) {
  const struct duplex_moe_shape *s = &form->shape;
  const bool in_range =
      s->experts <= SCHEDULE_EXPERTS && s->hidden <= SCHEDULE_SIZE && s->inner <= SCHEDULE_SIZE;
  *shape = (struct schedule_shape){.hidden = (uint32_t)s->hidden,
                                   .inner = (uint32_t)s->inner,
                                   .experts = (uint32_t)s->experts,
                                   .stacks = device->stacks,
                                   .channels = device->options.stack.backend.channels,
                                   .gated = form->gated,
                                   .exponents = exponents_of(form, wanted)};
  if (in_range && schedule_place(shape, placement)) return DUPLEX_OK;
  return device_fail(device, DUPLEX_ERROR_ARGUMENT,
                     "%zu experts of %zu x %zu: expected 1 to %u of 1 to %u columns each", s->experts,
                     s->hidden, s->inner, SCHEDULE_EXPERTS, SCHEDULE_SIZE);
}

static struct device_table *find(const struct duplex_device *device, enum stage_kind kind,
                                 const struct schedule_shape *shape) {
  struct device_table *table = device->tables;
  while (table && (table->kind != kind || memcmp(&table->times.shape, shape, sizeof *shape) != 0))
    table = table->next;
  return table;
}

// The table of a stage of a shape, which is made if there is none; NULL: too little memory.
static struct device_table *take(struct duplex_device *device, enum stage_kind kind,
                                 const struct schedule_shape *shape) {
  struct device_table *table = find(device, kind, shape);
  if (table) return table;
  table = calloc(1, sizeof *table);
  if (!table) return NULL;
  table->kind = kind;
  table->times.shape = *shape;
  table->next = device->tables;
  device->tables = table;
  return table;
}

// Measures of a table what it lacks of these parts.
static int measure(struct duplex_device *device, const struct schedule_placement *placement, unsigned parts,
                   struct device_table *table) {
  char text[256] = "";
  const unsigned missing = parts & ~table->measured;
  const struct schedule_shape shape = table->times.shape;
  struct schedule_times times = table->times;
  if (!missing) return DUPLEX_OK;
  if (!table->measured) device_formula(&shape, placement, device->xpu, &times);
  const int error =
      device_measure(table->kind, &device->options.stack, device->xpu, missing, &times, text, sizeof text);
  if (error) return device_fail(device, error, "%s", text);
  table->times = times;
  table->measured |= missing;
  return DUPLEX_OK;
}

// A table with these parts at least.
static int take_measured(struct duplex_device *device, const struct duplex_moe_form *form,
                         const struct tables_wanted *wanted, unsigned parts,
                         const struct schedule_times **times) {
  struct schedule_shape shape;
  struct schedule_placement placement;
  int error = plan(device, form, wanted, &shape, &placement);
  if (error) return error;
  struct device_table *table = take(device, wanted->kind, &shape);
  error = table ? measure(device, &placement, parts, table) : device_no_memory(device);
  if (!error) *times = &table->times;
  return error;
}

int tables_take(struct duplex_device *device, const struct duplex_moe_form *form,
                const struct tables_wanted *wanted, const struct schedule_times **times) {
  static const unsigned needed[] = {[DUPLEX_POLICY_BEST] = MEASURE_PIECES | MEASURE_BOUND,
                                    [DUPLEX_POLICY_PAPER] = MEASURE_SPACES | MEASURE_BOUND | MEASURE_STRIPES,
                                    [DUPLEX_POLICY_LOGIC_PIM] = MEASURE_BOUND | MEASURE_STRIPES,
                                    [DUPLEX_POLICY_XPU] = MEASURE_BOUND | MEASURE_STRIPES};
  return take_measured(device, form, wanted, needed[device->options.policy], times);
}

// The table that files have: of whole experts.
static struct tables_wanted of_experts(const struct duplex_device *device) {
  return (struct tables_wanted){STAGE_EXPERTS, device->options.partials == DUPLEX_PARTIALS_F32};
}

void tables_free(struct duplex_device *device) {
  while (device->tables) {
    struct device_table *table = device->tables;
    device->tables = table->next;
    free(table);
  }
}

// FNV-1a, number by number.
static uint32_t mix(uint32_t hash, uint64_t number) {
  for (unsigned i = 0; i < 2; i++) hash = (hash ^ (uint32_t)(number >> 32 * i)) * 16777619u;
  return hash;
}

// What the xPU tells of works that its memory bounds, and that its arithmetic does.
static uint32_t mix_xpu(uint32_t hash, struct duplex_xpu *xpu) {
  for (unsigned tokens = 8; tokens <= 512; tokens *= 8)
    hash = mix(hash, device_xpu_expert_clocks(xpu, tokens, 4096, 2048, true));
  return mix(hash, xpu->ops->launch(xpu));
}

// A number for what tables of this device come from beside their shape: clocks of a probe on its stacks,
// which change with the DRAM preset, the activation rule and the model; the formulas; the time of the xPU.
static int find_origin(struct duplex_device *device) {
  static const struct schedule_shape fixed = {
      .hidden = 4096, .inner = 2048, .experts = 8, .stacks = 1, .channels = 32, .gated = 1};
  struct schedule_placement placement;
  struct schedule_times formula;
  uint64_t clocks[DEVICE_PROBE_CLOCKS];
  char text[256] = "";
  if (device->has_origin) return DUPLEX_OK;
  const int error = device_probe(&device->options.stack, clocks, text, sizeof text);
  if (error) return device_fail(device, error, "%s", text);
  schedule_place(&fixed, &placement);
  schedule_formula(&fixed, &placement, &formula);
  device->origin = mix_xpu(formula.hash, device->xpu);
  for (unsigned i = 0; i < DEVICE_PROBE_CLOCKS; i++) device->origin = mix(device->origin, clocks[i]);
  device->has_origin = true;
  return DUPLEX_OK;
}

static int check(struct duplex_device *device, const struct duplex_moe_form *form, const char *path) {
  if (!device) return DUPLEX_ERROR_ARGUMENT;
  device->error_text[0] = 0;
  if (form && path) return DUPLEX_OK;
  return device_fail(device, DUPLEX_ERROR_ARGUMENT, "%s is NULL: expected a pointer", form ? "path" : "form");
}

int duplex_device_measure_table(struct duplex_device *device, const struct duplex_moe_form *form) {
  const struct schedule_times *times;
  const int error = check(device, form, "");
  if (error) return error;
  const struct tables_wanted wanted = of_experts(device);
  return tables_take(device, form, &wanted, &times);
}

int duplex_device_save_table(struct duplex_device *device, const struct duplex_moe_form *form,
                             const char *path) {
  const struct schedule_times *times;
  char text[512];
  int error = check(device, form, path);
  if (error) return error;
  const struct tables_wanted wanted = of_experts(device);
  error = take_measured(device, form, &wanted, MEASURE_ALL, &times);
  if (!error) error = find_origin(device);
  if (error) return error;
  error = schedule_save(path, times, device->origin, text, sizeof text);
  return error ? device_fail(device, error, "%s", text) : DUPLEX_OK;
}

// A table that was read is of this shape, placement and origin.
static int check_table(struct duplex_device *device, const char *path, const struct schedule_times *times,
                       uint32_t origin, const struct schedule_shape *shape,
                       const struct schedule_placement *placement) {
  static const char *const names[] = {"hidden",   "inner", "experts",   "stacks",
                                      "channels", "gated", "exponents", "replicated"};
  _Static_assert(sizeof names / sizeof *names == sizeof *shape / sizeof(uint32_t), "a name for each");
  const uint32_t *told = &times->shape.hidden;
  const uint32_t *wanted = &shape->hidden;
  for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
    if (told[i] != wanted[i])
      return device_fail(device, DUPLEX_ERROR_FORMAT,
                         "%s: a table of another shape: %s %" PRIu32 ", expected %" PRIu32, path, names[i],
                         told[i], wanted[i]);
  if (memcmp(&times->placement, placement, sizeof *placement) != 0)
    return device_fail(device, DUPLEX_ERROR_FORMAT, "%s: a table of another placement of experts", path);
  const int error = find_origin(device);
  if (error || origin == device->origin) return error;
  return device_fail(device, DUPLEX_ERROR_FORMAT,
                     "%s: a table of another DRAM preset, activation rule, model or xPU: origin %" PRIu32
                     ", expected %" PRIu32,
                     path, origin, device->origin);
}

int duplex_device_load_table(struct duplex_device *device, const struct duplex_moe_form *form,
                             const char *path) {
  struct schedule_shape shape;
  struct schedule_placement placement;
  struct schedule_times times;
  uint32_t origin;
  char text[512];
  int error = check(device, form, path);
  if (error) return error;
  const struct tables_wanted wanted = of_experts(device);
  error = plan(device, form, &wanted, &shape, &placement);
  if (error) return error;
  error = schedule_load(path, &times, &origin, text, sizeof text);
  if (error) return device_fail(device, error, "%s", text);
  error = check_table(device, path, &times, origin, &shape, &placement);
  if (error) return error;
  struct device_table *table = take(device, STAGE_EXPERTS, &shape);
  if (!table) return device_no_memory(device);
  table->times = times;
  table->measured = MEASURE_ALL;
  return DUPLEX_OK;
}
