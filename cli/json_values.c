// SPDX-License-Identifier: Apache-2.0
// Values of statistics as JSON.
#include "cli/json_values.h"

#include <stdlib.h>
#include <string.h>

#include "duplex/energy.h"

double ratio(uint64_t part, double whole) { return whole > 0 ? (double)part / whole : 0; }

const char *value_or(const struct option *options, const char *name, const char *otherwise) {
  const char *value = option_value(options, name);
  return value ? value : otherwise;
}

json_t *commands_json(const struct duplex_dram_commands *c) {
  return json_pack("{s:I, s:I, s:I, s:I, s:I}", "act", (json_int_t)c->act, "rd", (json_int_t)c->rd, "wr",
                   (json_int_t)c->wr, "pre", (json_int_t)c->pre, "ref", (json_int_t)c->ref);
}

json_t *energy_json(const struct duplex_dram_commands *commands, uint64_t macs) {
  const double access_bits = (double)(commands->rd + commands->wr) * DUPLEX_COLUMN_BYTES * 8;
  const double activate = (double)commands->act * 8 * DUPLEX_ENERGY_ACT_BANK_FJ * 1e-15;
  const double access = access_bits * DUPLEX_ENERGY_ACCESS_BIT_FJ * 1e-15;
  const double mac = (double)macs * DUPLEX_ENERGY_MAC_FJ * 1e-15;
  return json_pack("{s:f, s:f, s:f, s:f}", "total", activate + access + mac, "dram_activate", activate,
                   "dram_access", access, "mac", mac);
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
