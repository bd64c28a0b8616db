// SPDX-License-Identifier: Apache-2.0
// Statistics of a job as a JSON file.
#include "cli/statistics.h"

#include <jansson.h>

#include "cli/json_values.h"

static json_t *number(uint64_t value) { return json_integer((json_int_t)value); }

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
  return json_pack("{s:o, s:o, s:o, s:o, s:f}", "energy_j", energy_json(&stats->commands, stats->macs),
                   "channels", channels_json(stats), "descriptors", number(stats->descriptors),
                   "firmware_instructions", number(stats->firmware_instructions), "firmware_overhead",
                   stats->native_cycles ? ratio(stats->cycles, (double)stats->native_cycles) - 1 : 0.0);
}

int write_stats(const struct option *options, struct outputs *outputs, const char *command,
                const struct duplex_stack_stats *stats) {
  return write_json(
      option_value(options, "--stats"), outputs,
      (json_t *[]){work_json(options, command, stats), utilisation_json(stats), stack_json(stats)}, 3);
}
