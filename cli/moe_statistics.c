// SPDX-License-Identifier: Apache-2.0
// Statistics of an MoE layer as a JSON file.
#include "cli/moe_statistics.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/json_values.h"

// Two phases, or four where h is gathered.
static json_t *phases_json(const struct duplex_moe_stats *s) {
  const unsigned phases = s->partials == DUPLEX_PARTIALS_GATHERED ? DUPLEX_PHASES : DUPLEX_PHASES / 2;
  json_t *list = json_array();
  for (unsigned i = 0; i < phases; i++)
    json_array_append_new(
        list, json_pack("{s:I, s:I, s:I}", "logic_pim_cycles", (json_int_t)s->logic_pim[i], "xpu_read_cycles",
                        (json_int_t)s->xpu_reads[i], "xpu_estimate_cycles", (json_int_t)s->xpu_estimate[i]));
  return list;
}

// Clocks of the layer, and what they consist of.
static json_t *time_json(const struct duplex_moe_stats *s) {
  return json_pack("{s:I, s:I, s:I, s:I, s:f, s:o, s:{s:I, s:I, s:I, s:I, s:I, s:I, s:I}}", "cycles",
                   (json_int_t)s->cycles, "bound_cycles", (json_int_t)s->bound, "predicted_cycles",
                   (json_int_t)s->predicted, "sides_cycles", (json_int_t)s->sides, "sides_over_bound",
                   ratio(s->sides, (double)s->bound), "phases", phases_json(s), "charged_cycles", "route",
                   (json_int_t)s->route, "decide", (json_int_t)s->decide, "distribute",
                   (json_int_t)s->distribute, "launch", (json_int_t)s->launch, "hand_over",
                   (json_int_t)s->hand_over, "reduce", (json_int_t)s->reduce, "combine",
                   (json_int_t)s->combine);
}

// null: the layer ran once.
static json_t *places_json(const struct moe_places *places) {
  if (!places->runs) return json_pack("{s:n}", "places");
  return json_pack("{s:{s:i, s:I, s:f, s:I}}", "places", "runs", (int)places->runs, "cycles_least",
                   (json_int_t)places->least, "cycles_mean", (double)places->sum / places->runs,
                   "cycles_most", (json_int_t)places->most);
}

// Who ran what, and what moved.
static json_t *work_json(const struct duplex_moe_stats *s) {
  return json_pack("{s:I, s:{s:I, s:I, s:I}, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:I, s:I, s:o, s:I}", "pairs",
                   (json_int_t)s->pairs, "experts", "logic_pim", (json_int_t)s->logic_pim_experts, "xpu",
                   (json_int_t)s->xpu_experts, "shared", (json_int_t)s->shared_experts, "logic_pim_macs",
                   (json_int_t)s->logic_pim_macs, "xpu_macs", (json_int_t)s->xpu_macs, "logic_pim_bytes",
                   (json_int_t)s->logic_pim_bytes, "xpu_bytes", (json_int_t)s->xpu_bytes, "other_macs",
                   (json_int_t)s->other_macs, "other_bytes", (json_int_t)s->other_bytes, "dram_commands",
                   commands_json(&s->commands), "xpu_read_bytes",
                   (json_int_t)(s->commands.xpu_rd * XPU_BYTES), "xpu_write_bytes",
                   (json_int_t)(s->commands.xpu_wr * XPU_BYTES), "energy_j", layer_energy_json(s),
                   "firmware_instructions", (json_int_t)s->firmware_instructions);
}

int write_moe_stats(const struct option *options, struct outputs *outputs, const struct moe_places *places,
                    const struct duplex_device *device) {
  static const char *const partials[] = {
      [DUPLEX_PARTIALS_ACC] = "acc", [DUPLEX_PARTIALS_F32] = "f32", [DUPLEX_PARTIALS_GATHERED] = "gathered"};
  struct duplex_moe_stats stats;
  duplex_device_last_stats(device, &stats);
  json_t *what =
      json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:i}", "schema_version", 1, "command", "moe",
                "backend", value_or(options, "--backend", "cmodel"), "firmware",
                value_or(options, "--firmware", "native"), "policy", value_or(options, "--policy", "best"),
                "partials", partials[stats.partials], "copies", (json_int_t)stats.copies, "dram_bytes",
                (json_int_t)stats.dram_bytes, "stacks", (int)duplex_device_stacks(device));
  return write_json(option_value(options, "--stats"), outputs,
                    (json_t *[]){what, time_json(&stats), places_json(places), work_json(&stats)}, 4);
}
