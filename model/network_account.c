// SPDX-License-Identifier: Apache-2.0
// Adds up times, work and events of the parts of a step.
#include "model/network_account.h"

#include "duplex/params.h"

// A tick divides a picosecond and the clock of each preset, so that sums of both are exact: 20,000 of them
// are a clock of 650 MHz.
#define TICKS_OF_PICOSECOND 13u
#define TICKS_KHZ 13000000000u
#define PICOSECONDS_OF_SECOND 1e12
#define XPU_BYTES (DUPLEX_COLUMN_BYTES / 8)  // of a read or write by the xPU: one bank of a column

static uint64_t ticks_of_clock(const struct network *network) { return TICKS_KHZ / network->clock_khz; }

// Of the last step.
static uint64_t ticks_of_step(const struct network *network) {
  const struct network_times *times = &network->statistics.times;
  return times->xpu_ps * TICKS_OF_PICOSECOND +
         (times->attention_clocks + times->moe_clocks) * ticks_of_clock(network);
}

uint64_t account_clock(const struct network *network) {
  return (network->ticks + ticks_of_step(network)) / ticks_of_clock(network);
}

void network_wait(struct network *network, double seconds) {
  network->ticks += (uint64_t)(seconds * PICOSECONDS_OF_SECOND) * TICKS_OF_PICOSECOND;
}

double network_stream_rate(const struct network *network) {
  const double bytes_of_clock = DUPLEX_COLUMN_BYTES / 2.0;
  return network->channels * bytes_of_clock * network->clock_khz * 1e3;
}

void account_begin_step(struct network *network) {
  const uint64_t overflows = network->statistics.overflows;
  network->ticks += ticks_of_step(network);
  network->statistics =
      (struct network_statistics){.times.clock_khz = network->clock_khz, .overflows = overflows};
}

static void tell(const struct network *network, const struct duplex_event *event) {
  const struct network_options *options = &network->options;
  if (options->happened) options->happened(options->context, network->steps, network->layer, event);
}

void account_event(const struct network *network, const char *name, unsigned track, uint64_t begin) {
  const struct duplex_event event = {name, track, begin, account_clock(network), -1};
  if (event.end > begin) tell(network, &event);
}

// Those of the device's last call, which began at this clock.
static void tell_device_events(const struct network *network, uint64_t begin) {
  const struct duplex_event *events;
  const size_t count = duplex_device_events(network->device, &events);
  for (size_t i = 0; i < count; i++) {
    struct duplex_event event = events[i];
    event.begin += begin;
    event.end += begin;
    tell(network, &event);
  }
}

static uint64_t result_bytes(enum duplex_result_format format) {
  static const uint8_t bytes[] = {[DUPLEX_RESULT_FORMAT_F16] = sizeof(duplex_f16),
                                  [DUPLEX_RESULT_FORMAT_F32] = sizeof(duplex_f32),
                                  [DUPLEX_RESULT_FORMAT_ACC] = 16};
  return bytes[format];
}

// Weights, inputs and results of one product go through DRAM once.
static void add_product(struct network_statistics *statistics, uint64_t tokens, uint64_t columns,
                        uint64_t rows, uint64_t bytes_of_result) {
  statistics->xpu_macs += tokens * columns * rows;
  statistics->xpu_bytes += (rows + tokens) * columns * sizeof(duplex_f16) + tokens * rows * bytes_of_result;
}

void account_work(struct network *network, const struct duplex_xpu_work *work, uint64_t picoseconds) {
  const uint64_t begin = account_clock(network);
  struct network_statistics *statistics = &network->statistics;
  statistics->times.xpu_ps += picoseconds;
  if (work->kind == DUPLEX_XPU_GEMM) {
    const struct duplex_xpu_gemm *gemm = &work->gemm;
    add_product(statistics, gemm->tokens, gemm->columns, gemm->rows, result_bytes(gemm->format));
    account_event(network, "product", 0, begin);
  } else if (work->kind == DUPLEX_XPU_EXPERT) {
    const struct duplex_xpu_expert *expert = &work->expert;
    // Gate and up together; their results stay inside, and h goes out: one value for each two.
    add_product(statistics, expert->tokens, expert->columns, 2 * (uint64_t)expert->inner,
                sizeof(duplex_f16) / 2);
    add_product(statistics, expert->tokens, expert->inner, expert->columns, result_bytes(expert->format));
    account_event(network, "FFN", 0, begin);
  }
}

void account_elements(struct network *network, const char *name, uint64_t bytes, uint64_t picoseconds) {
  const uint64_t begin = account_clock(network);
  network->statistics.times.xpu_ps += picoseconds;
  network->statistics.times.elements_ps += picoseconds;
  network->statistics.xpu_bytes += bytes;
  account_event(network, name, 0, begin);
}

static void add_commands(struct network_statistics *statistics, const struct duplex_dram_commands *commands) {
  statistics->commands.act += commands->act;
  statistics->commands.rd += commands->rd;
  statistics->commands.wr += commands->wr;
  statistics->xpu_bytes += (commands->xpu_rd + commands->xpu_wr) * XPU_BYTES;
}

void account_moe(struct network *network, const struct duplex_moe_stats *stats) {
  struct network_statistics *statistics = &network->statistics;
  tell_device_events(network, account_clock(network));
  statistics->times.moe_clocks += stats->cycles;
  statistics->moe_bound_clocks += stats->bound;
  statistics->moe_layers++;
  statistics->logic_pim_experts += stats->logic_pim_experts;
  statistics->xpu_experts += stats->xpu_experts;
  statistics->shared_experts += stats->shared_experts;
  statistics->logic_pim_macs += stats->logic_pim_macs;
  statistics->xpu_macs += stats->xpu_macs + stats->other_macs;
  statistics->xpu_bytes += stats->other_bytes;
  add_commands(statistics, &stats->commands);
}

// Of the device's count for heads as the stacks have them: without zeros behind a head's values, heads of
// zeros, and the position of the sink.
static uint64_t useful_macs(const struct network *network, uint64_t counted, uint64_t pinned) {
  const struct model_config *config = network->config;
  const uint64_t positions = counted / (2 * (uint64_t)network->q_heads * network->head_size) - pinned;
  return positions * config->heads * (config->head_size + config->value_size);
}

int account_experts(struct network *network, const uint16_t *counts, size_t tokens) {
  const struct model_config *config = network->config;
  const uint64_t bytes = tokens * config->hidden * sizeof(duplex_f16);  // what it gives, as on a device
  const struct duplex_xpu_work work = {.kind = DUPLEX_XPU_ELEMENTS, .elements = {.bytes = bytes}};
  const uint64_t begin = account_clock(network);
  struct network_statistics *statistics = &network->statistics;
  uint64_t picoseconds;
  const int error = network->xpu->ops->estimate(network->xpu, &work, &picoseconds);
  if (error) return error;
  for (unsigned expert = 0; expert < config->experts; expert++)
    statistics->xpu_experts += counts[expert] != 0;
  statistics->moe_layers++;
  statistics->times.xpu_ps += picoseconds;
  statistics->xpu_macs += (uint64_t)tokens * config->chosen * config->hidden;
  statistics->xpu_bytes += bytes;
  account_event(network, "combine", 0, begin);
  return DUPLEX_OK;
}

void account_attention(struct network *network, const struct seen_positions *seen) {
  struct network_statistics *statistics = &network->statistics;
  const struct model_config *config = network->config;
  struct duplex_device_attention_stats stats;
  duplex_device_attention_last_stats(network->kv, &stats);
  tell_device_events(network, account_clock(network));
  statistics->times.attention_clocks += stats.cycles;
  statistics->logic_pim_macs += useful_macs(network, stats.logic_pim_macs, seen->pinned);
  statistics->xpu_macs += seen->prefilled * config->heads * (config->head_size + config->value_size);
  statistics->kv_bytes += stats.logic_pim_bytes;
  statistics->unshared_kv_bytes +=
      2 * (seen->decoded + seen->pinned) * network->kv_heads * network->head_size * sizeof(duplex_f16);
  add_commands(statistics, &stats.commands);
}

void account_migration(struct network *network, uint64_t bytes, uint64_t clocks) {
  const uint64_t begin = account_clock(network);
  network->statistics.times.attention_clocks += clocks;
  network->statistics.xpu_bytes += 2 * bytes;
  account_event(network, "migration", 0, begin);
}

double network_clock_seconds(const struct network_times *times, uint64_t clocks) {
  return clocks ? (double)clocks / (times->clock_khz * 1e3) : 0;
}

void network_statistics_add(struct network_statistics *sum, const struct network_statistics *step) {
  sum->times.clock_khz = step->times.clock_khz;
  sum->times.xpu_ps += step->times.xpu_ps;
  sum->times.elements_ps += step->times.elements_ps;
  sum->times.attention_clocks += step->times.attention_clocks;
  sum->times.moe_clocks += step->times.moe_clocks;
  sum->overflows = step->overflows;
  sum->moe_layers += step->moe_layers;
  sum->moe_bound_clocks += step->moe_bound_clocks;
  sum->logic_pim_experts += step->logic_pim_experts;
  sum->xpu_experts += step->xpu_experts;
  sum->shared_experts += step->shared_experts;
  sum->split_outputs += step->split_outputs;
  sum->split_changed_f32 += step->split_changed_f32;
  sum->split_changed_f16 += step->split_changed_f16;
  add_commands(sum, &step->commands);
  sum->logic_pim_macs += step->logic_pim_macs;
  sum->xpu_macs += step->xpu_macs;
  sum->xpu_bytes += step->xpu_bytes;
  sum->kv_bytes += step->kv_bytes;
  sum->unshared_kv_bytes += step->unshared_kv_bytes;
}
