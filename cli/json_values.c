// SPDX-License-Identifier: Apache-2.0
// Values of statistics as JSON.
#include "cli/json_values.h"

#include <stdlib.h>
#include <string.h>

#include "duplex/energy.h"

#define BANKS 8  // of a bundle, which open a row together
#define BANK_ROW_BYTES (DUPLEX_ROW_SET_BYTES / BANKS)

double ratio(uint64_t part, double whole) { return whole > 0 ? (double)part / whole : 0; }

const char *value_or(const struct option *options, const char *name, const char *otherwise) {
  const char *value = option_value(options, name);
  return value ? value : otherwise;
}

json_t *commands_json(const struct duplex_dram_commands *c) {
  return json_pack("{s:I, s:I, s:I, s:I, s:I}", "act", (json_int_t)c->act, "rd", (json_int_t)c->rd, "wr",
                   (json_int_t)c->wr, "pre", (json_int_t)c->pre, "ref", (json_int_t)c->ref);
}

// Joule of a side: activations of banks, bits by its path, MACs.
struct energy {
  double activate, access, mac;
};

static struct energy energy_of(double activations, double bytes, double fj_a_bit, double macs) {
  return (struct energy){activations * DUPLEX_ENERGY_ACT_BANK_FJ * 1e-15, bytes * 8 * fj_a_bit * 1e-15,
                         macs * DUPLEX_ENERGY_MAC_FJ * 1e-15};
}

static struct energy energy_of_logic_pim(const struct duplex_dram_commands *commands, uint64_t macs) {
  const double bytes = (double)(commands->rd + commands->wr) * DUPLEX_COLUMN_BYTES;
  return energy_of((double)commands->act * BANKS, bytes, DUPLEX_ENERGY_ACCESS_BIT_FJ, (double)macs);
}

// The xPU opens a bank's row for each KB that it reads or writes.
static struct energy energy_of_xpu(uint64_t bytes, uint64_t macs) {
  return energy_of((double)bytes / BANK_ROW_BYTES, (double)bytes, DUPLEX_ENERGY_XPU_ACCESS_BIT_FJ,
                   (double)macs);
}

static double total(struct energy e) { return e.activate + e.access + e.mac; }

static json_t *parts_json(struct energy e) {
  return json_pack("{s:f, s:f, s:f, s:f}", "total", total(e), "dram_activate", e.activate, "dram_access",
                   e.access, "mac", e.mac);
}

json_t *energy_json(const struct duplex_dram_commands *commands, uint64_t macs) {
  return parts_json(energy_of_logic_pim(commands, macs));
}

json_t *layer_energy_json(const struct duplex_moe_stats *stats) {
  const struct duplex_dram_commands *c = &stats->commands;
  const struct energy logic_pim = energy_of_logic_pim(c, stats->logic_pim_macs);
  const struct energy xpu = energy_of_xpu((c->xpu_rd + c->xpu_wr) * XPU_BYTES, stats->xpu_macs);
  const struct energy other = energy_of_xpu(stats->other_bytes, stats->other_macs);
  return json_pack("{s:f, s:o, s:o, s:o}", "total", total(logic_pim) + total(xpu) + total(other), "logic_pim",
                   parts_json(logic_pim), "xpu", parts_json(xpu), "other", parts_json(other));
}

// One object of these parts, in this order; NULL: too little memory. The parts are given away.
static json_t *joined(json_t *parts[], unsigned count) {
  json_t *all = json_object();
  for (unsigned i = 0; i < count; i++) {
    if (!all || !parts[i] || json_object_update(all, parts[i]) != 0) {
      json_decref(all);
      all = NULL;
    }
    json_decref(parts[i]);
  }
  return all;
}

int write_json(const char *path, struct outputs *outputs, json_t *parts[], unsigned count) {
  json_t *json = joined(parts, count);
  char *text =
      path && json ? json_dumps(json, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9)) : NULL;
  json_decref(json);
  if (!path) return EXIT_GOOD;
  if (!text) return fail(EXIT_BAD_INPUT, "too little memory for the statistics");
  int status = output_write(outputs, path, text, strlen(text));
  if (!status) status = output_write(outputs, path, "\n", 1);
  free(text);
  return status;
}
