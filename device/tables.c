// SPDX-License-Identifier: Apache-2.0
// Tables of time of a device: measured once for each form of a layer, and kept.
#include "device/tables.h"

#include <stdlib.h>
#include <string.h>

#include "device/measure.h"

struct device_table {
  struct device_table *next;
  enum stage_kind kind;
  struct schedule_times times;
  struct measure_turn turn[DUPLEX_TOKEN_GROUPS];
  bool striped;       // as wanted
  unsigned measured;  // parts of it, MEASURE_...
  bool from_file;
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

// Shape of the schedule.
static int shape_of(struct duplex_device *device, const struct duplex_moe_form *form,
                    const struct tables_wanted *wanted, struct schedule_shape *shape) {
  const struct duplex_moe_shape *s = &form->shape;
  const bool in_range =
      s->experts <= SCHEDULE_EXPERTS && s->hidden <= SCHEDULE_SIZE && s->inner <= SCHEDULE_SIZE;
  *shape = (struct schedule_shape){.hidden = (uint32_t)s->hidden,
                                   .inner = (uint32_t)s->inner,
                                   .experts = (uint32_t)s->experts,
                                   .stacks = device->stacks,
                                   .channels = device->options.stack.backend.channels,
                                   .gated = form->gated,
                                   .exponents = exponents_of(form, wanted),
                                   .replicated = wanted->replicated,
                                   .rounded = wanted->rounded};
  if (in_range && schedule_shape_valid(shape)) return DUPLEX_OK;
  return device_fail(device, DUPLEX_ERROR_ARGUMENT,
                     "%zu experts of %zu x %zu: expected 1 to %u of 1 to %u columns each", s->experts,
                     s->hidden, s->inner, SCHEDULE_EXPERTS, SCHEDULE_SIZE);
}

static struct device_table *find(const struct duplex_device *device, const struct tables_wanted *wanted,
                                 const struct schedule_shape *shape) {
  struct device_table *table = device->tables;
  while (table && (table->kind != wanted->kind || table->striped != wanted->striped ||
                   memcmp(&table->times.shape, shape, sizeof *shape) != 0))
    table = table->next;
  return table;
}

// The table of a stage of a shape, which is made if there is none: with its placement and without times.
// Errors as tables_plan.
static int take(struct duplex_device *device, const struct duplex_moe_form *form,
                const struct tables_wanted *wanted, struct device_table **table) {
  struct schedule_shape shape;
  const int error = shape_of(device, form, wanted, &shape);
  if (error) return error;
  *table = find(device, wanted, &shape);
  if (*table) return DUPLEX_OK;
  struct device_table *made = calloc(1, sizeof *made);
  if (!made) return device_no_memory(device);
  made->kind = wanted->kind;
  made->times.shape = shape;
  made->striped = wanted->striped;
  if (wanted->striped) {
    schedule_stripe(&made->times);
  } else {
    if (wanted->kind != STAGE_EXPERTS) shape.rounded = 0;  // products: pieces are those of exact sums
    schedule_place(&shape, &made->times.placement);
  }
  made->next = device->tables;
  device->tables = made;
  *table = made;
  return DUPLEX_OK;
}

int tables_plan(struct duplex_device *device, const struct duplex_moe_form *form,
                const struct tables_wanted *wanted, struct schedule_shape *shape,
                struct schedule_placement *placement) {
  struct device_table *table;
  const int error = take(device, form, wanted, &table);
  if (error) return error;
  *shape = table->times.shape;
  *placement = table->times.placement;
  return DUPLEX_OK;
}

// Measures of a table what it lacks of these parts.
static int measure(struct duplex_device *device, unsigned parts, struct device_table *table) {
  char text[256] = "";
  const unsigned missing = parts & ~table->measured;
  const struct schedule_shape shape = table->times.shape;
  const struct schedule_placement placement = table->times.placement;
  struct schedule_times times = table->times;
  int error = DUPLEX_OK;
  if (!missing) return DUPLEX_OK;
  if (!table->measured)
    error = device_formula(&shape, &placement, device->xpu, device->clock_khz, &times, text, sizeof text);
  if (!error)
    error = device_measure(table->kind, &device->options.stack, device->xpu, missing, &times, table->turn,
                           text, sizeof text);
  if (error) return device_fail(device, error, "%s", text);
  table->times = times;
  table->measured |= missing;
  return DUPLEX_OK;
}

// A table with these parts at least.
static int take_measured(struct duplex_device *device, const struct duplex_moe_form *form,
                         const struct tables_wanted *wanted, unsigned parts, struct device_table **table) {
  const int error = take(device, form, wanted, table);
  return error ? error : measure(device, parts, *table);
}

int tables_take(struct duplex_device *device, const struct duplex_moe_form *form,
                const struct tables_wanted *wanted, const struct schedule_times **times,
                const struct measure_turn **turn) {
  static const unsigned needed[] = {[DUPLEX_POLICY_BEST] = MEASURE_PIECES | MEASURE_BOUND,
                                    [DUPLEX_POLICY_PAPER] = MEASURE_SPACES | MEASURE_BOUND | MEASURE_STRIPES,
                                    [DUPLEX_POLICY_LOGIC_PIM] = MEASURE_BOUND | MEASURE_STRIPES,
                                    [DUPLEX_POLICY_XPU] = MEASURE_BOUND | MEASURE_STRIPES};
  struct device_table *table;
  const int error = take_measured(device, form, wanted, needed[device->options.policy], &table);
  if (error) return error;
  *times = &table->times;
  *turn = table->turn;
  return DUPLEX_OK;
}

unsigned tables_from_file(struct duplex_device *device, const struct duplex_moe_form *form, bool rounded) {
  unsigned there = 0;
  for (unsigned i = 0; i < 3; i++) {
    const struct tables_wanted wanted = {STAGE_EXPERTS, rounded, i == 1, i == 2};
    struct device_table *table;
    if (!take(device, form, &wanted, &table)) there |= (unsigned)table->from_file << i;
  }
  return there;
}

int tables_take_all(struct duplex_device *device, const struct duplex_moe_form *form,
                    const struct tables_wanted *wanted, const struct schedule_times **times) {
  struct device_table *table;
  const int error = take_measured(device, form, wanted, MEASURE_ALL, &table);
  if (!error) *times = &table->times;
  return error;
}

int tables_put(struct duplex_device *device, const struct duplex_moe_form *form,
               const struct tables_wanted *wanted, const struct schedule_times *times) {
  struct device_table *table;
  const int error = take(device, form, wanted, &table);
  if (error) return error;
  table->times = *times;
  table->measured = MEASURE_ALL;
  table->from_file = true;
  return DUPLEX_OK;
}

void tables_free(struct duplex_device *device) {
  while (device->tables) {
    struct device_table *table = device->tables;
    device->tables = table->next;
    free(table);
  }
}
