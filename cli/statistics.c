// SPDX-License-Identifier: Apache-2.0
// Statistics of a job as a JSON file.
#include "cli/statistics.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/messages.h"
#include "cli/options.h"
#include "cli/output.h"
#include "duplex/energy.h"

#define XPU_BYTES (DUPLEX_COLUMN_BYTES / 8)  // of a read or write by the xPU: one bank of a column

static json_t *number(uint64_t value) { return json_integer((json_int_t)value); }

static double ratio(uint64_t part, double whole) { return whole > 0 ? (double)part / whole : 0; }

static json_t *commands_json(const struct duplex_dram_commands *c) {
  return json_pack("{s:o, s:o, s:o, s:o, s:o}", "act", number(c->act), "rd", number(c->rd), "wr",
                   number(c->wr), "pre", number(c->pre), "ref", number(c->ref));
}

// By the constants of duplex/energy.h.
static json_t *energy_json(const struct duplex_stack_stats *stats) {
  const double access_bits = (double)(stats->commands.rd + stats->commands.wr) * DUPLEX_COLUMN_BYTES * 8;
  const double activate = (double)stats->commands.act * 8 * DUPLEX_ENERGY_ACT_BANK_FJ * 1e-15;
  const double access = access_bits * DUPLEX_ENERGY_ACCESS_BIT_FJ * 1e-15;
  const double mac = (double)stats->macs * DUPLEX_ENERGY_MAC_FJ * 1e-15;
  return json_pack("{s:f, s:f, s:f, s:f}", "total", activate + access + mac, "dram_activate", activate,
                   "dram_access", access, "mac", mac);
}

static json_t *stalls_json(const struct duplex_stack_stats *stats) {
  return json_pack("{s:o, s:o, s:o}", "weights", number(stats->starved), "activations",
                   number(stats->no_tile), "room", number(stats->no_room));
}

static json_t *channels_json(const struct duplex_stack_stats *stats) {
  json_t *list = json_array();
  for (unsigned i = 0; i < stats->channels; i++) {
    const struct duplex_channel_stats *c = &stats->channel[i];
    json_array_append_new(list, json_pack("{s:o, s:o, s:o}", "rows", number(c->rows), "read_bytes",
                                          number(c->read_bytes), "macs", number(c->macs)));
  }
  return list;
}

static const char *value_or(const struct option *options, const char *name, const char *otherwise) {
  const char *value = option_value(options, name);
  return value ? value : otherwise;
}

// Shares of the channels' clocks: of the job, and of the stream of weights.
static json_t *utilisation_json(const struct duplex_stack_stats *stats) {
  const double channel_clocks = (double)stats->channels * (double)stats->cycles;
  const double stream_clocks = (double)stats->channels * (double)stats->stream_cycles;
  return json_pack("{s:f, s:f, s:f, s:f}", "bandwidth_utilisation",
                   ratio(stats->useful_bytes, DUPLEX_BEAT_BYTES * channel_clocks),
                   "stream_bandwidth_utilisation",
                   ratio(stats->useful_bytes, DUPLEX_BEAT_BYTES * stream_clocks), "mac_utilisation",
                   ratio(stats->macs, DUPLEX_WIDTH * DUPLEX_LANES * channel_clocks),
                   "xpu_bandwidth_utilisation", ratio(stats->commands.xpu_rd, channel_clocks));
}

// What the job was, its clocks and bytes.
static json_t *work_json(const struct option *options, const char *command,
                         const struct duplex_stack_stats *stats) {
  return json_pack(
      "{s:i, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "schema_version", 1, "command",
      command, "backend", value_or(options, "--backend", "cmodel"), "firmware",
      value_or(options, "--firmware", "native"), "cycles", number(stats->cycles), "append_cycles",
      number(stats->append_cycles), "stream_cycles", number(stats->stream_cycles), "stall_clocks",
      stalls_json(stats), "useful_bytes", number(stats->useful_bytes), "dram_read_bytes",
      number(stats->read_bytes), "dram_write_bytes", number(stats->write_bytes), "xpu_write_bytes",
      number(stats->commands.xpu_wr * XPU_BYTES), "dram_commands", commands_json(&stats->commands));
}

static json_t *stack_json(const struct duplex_stack_stats *stats) {
  return json_pack("{s:o, s:o, s:o, s:o, s:f}", "energy_j", energy_json(stats), "channels",
                   channels_json(stats), "descriptors", number(stats->descriptors), "firmware_instructions",
                   number(stats->firmware_instructions), "firmware_overhead",
                   stats->native_cycles ? ratio(stats->cycles, (double)stats->native_cycles) - 1 : 0.0);
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

int write_stats(const struct option *options, struct outputs *outputs, const char *command,
                const struct duplex_stack_stats *stats) {
  const char *path = option_value(options, "--stats");
  if (!path) return EXIT_GOOD;
  json_t *json =
      joined((json_t *[]){work_json(options, command, stats), utilisation_json(stats), stack_json(stats)}, 3);
  char *text = json ? json_dumps(json, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9)) : NULL;
  json_decref(json);
  if (!text) return fail(EXIT_BAD_INPUT, "too little memory for the statistics");
  int status = output_write(outputs, path, text, strlen(text));
  if (!status) status = output_write(outputs, path, "\n", 1);
  free(text);
  return status;
}
