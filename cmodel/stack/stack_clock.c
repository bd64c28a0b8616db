// SPDX-License-Identifier: Apache-2.0
// The whole stack, clock by clock, as rtl/stack/stack.v: which clocks a job takes. What it computes is
// computed when it starts.
#include "cmodel/stack/stack_clock.h"

#include <string.h>

#include "cmodel/common/channel_share.h"
#include "duplex/arithmetic.h"
#include "duplex/error.h"

#define SETTLE_CLOCKS 32u       // longer than any pipeline, and than what the controller counts to
#define SLICES DUPLEX_CHANNELS  // of the shared buffers (rtl/control/shared_buffer.v)

// The kind of the words that a job brings over the result bus.
static enum duplex_bus_word word_of(const uint32_t *d) {
  if (DUPLEX_DESCRIPTOR_GET(d, OPCODE) != DUPLEX_OPCODE_LOAD)
    return DUPLEX_DESCRIPTOR_GET(d, GATED) ? DUPLEX_BUS_WORD_GATED : DUPLEX_BUS_WORD_ROWS;
  return DUPLEX_DESCRIPTOR_GET(d, DESTINATION) == DUPLEX_DESTINATION_TABLE ? DUPLEX_BUS_WORD_TABLE
                                                                           : DUPLEX_BUS_WORD_LOAD;
}

// Results of a word of two rows.
static unsigned units_of_word(const uint32_t *d) { return DUPLEX_DESCRIPTOR_GET(d, GATED) ? 1 : 2; }

// The fields of a job that the units use.
static struct job_timing job_of(const struct stack_model *stack, const uint32_t *d) {
  const bool load = DUPLEX_DESCRIPTOR_GET(d, OPCODE) == DUPLEX_OPCODE_LOAD;
  const bool interleaved = DUPLEX_DESCRIPTOR_GET(d, INTERLEAVED);
  return (struct job_timing){.load = load,
                             .bus = load || DUPLEX_DESCRIPTOR_GET(d, DESTINATION) != DUPLEX_DESTINATION_DRAM,
                             .exponents = DUPLEX_DESCRIPTOR_GET(d, EXPONENTS),
                             .two_groups = DUPLEX_DESCRIPTOR_GET(d, GROUPS) == 2,
                             .two_streams = DUPLEX_DESCRIPTOR_GET(d, TWO_STREAMS),
                             .interleaved = interleaved,
                             .kind = word_of(d),
                             .format = DUPLEX_DESCRIPTOR_GET(d, FORMAT),
                             .k_tiles = DUPLEX_DESCRIPTOR_GET(d, K_TILES),
                             .block_rows = DUPLEX_DESCRIPTOR_GET(d, BLOCK_ROWS),
                             .skip_rows = DUPLEX_DESCRIPTOR_GET(d, SKIP_ROWS),
                             .blocks = DUPLEX_DESCRIPTOR_GET(d, BLOCKS),
                             .src_base = DUPLEX_DESCRIPTOR_GET(d, SRC_BASE),
                             .src_stripe = DUPLEX_DESCRIPTOR_GET(d, SRC_STRIPE),
                             .src_stride = DUPLEX_DESCRIPTOR_GET(d, SRC_STRIDE),
                             .dst_base = DUPLEX_DESCRIPTOR_GET(d, DST_BASE),
                             .dst_stripe = DUPLEX_DESCRIPTOR_GET(d, DST_STRIPE),
                             .dst_stride = DUPLEX_DESCRIPTOR_GET(d, DST_STRIDE),
                             .x_address = DUPLEX_DESCRIPTOR_GET(d, X_ADDRESS),
                             .x_stride = DUPLEX_DESCRIPTOR_GET(d, X_STRIDE),
                             .dst_address = DUPLEX_DESCRIPTOR_GET(d, DST_ADDRESS),
                             .dst_group = DUPLEX_DESCRIPTOR_GET(d, DST_GROUP),
                             .word_step = units_of_word(d) * (interleaved ? stack->channels : 1),
                             .tile_step = (stack->channels - 1) * 4 * DUPLEX_TILE_WORDS + 4};
}

// From now on the next job waits for these results where it needs them.
static void start_pending(struct stack_model *stack, const uint32_t *d) {
  uint32_t none = 0, address;
  if (DUPLEX_DESCRIPTOR_GET(d, DESTINATION) != DUPLEX_DESTINATION_SHARED) return;
  for (unsigned channel = 0; channel < stack->channels; channel++)
    none |= (uint32_t)(channel_share_of(d, channel, stack->channels, &address) == 0) << channel;
  const unsigned rows_of_unit = 2 / units_of_word(d);
  const uint32_t units = stack->job.load ? DUPLEX_DESCRIPTOR_GET(d, TILES) * 4 * DUPLEX_TILE_WORDS
                                         : DUPLEX_DESCRIPTOR_GET(d, ROWS) / rows_of_unit;
  const uint32_t step =
      stack->job.interleaved ? units_of_word(d) : DUPLEX_DESCRIPTOR_GET(d, CHANNEL_ROWS) / rows_of_unit;
  result_pending_start(&stack->pending[stack->controller.parity], &stack->job, units, step, none);
}

// Adds the commands on the pins of so many channels that are alike, in one clock.
static void count_commands(struct duplex_dram_commands *commands, const struct duplex_hbm_pins *pins,
                           unsigned channels) {
  if (pins->row_valid) {
    commands->act += pins->row_command == DUPLEX_ROW_COMMAND_ACT ? channels : 0;
    commands->pre += pins->row_command == DUPLEX_ROW_COMMAND_PRE ? channels : 0;
    commands->ref += pins->row_command == DUPLEX_ROW_COMMAND_REF ? channels : 0;
  }
  if (!pins->column_valid) return;
  commands->rd += pins->column_write ? 0 : channels;
  commands->wr += pins->column_write ? channels : 0;
}

// What the channels show to the broadcast and the bus before the edge.
struct channel_lines {
  uint32_t word_ready, bus_valid, bus_load, bus_interleaved;
};

// Bit i of each word is channel i's line; changes nothing.
static struct channel_lines look(const struct stack_model *stack) {
  struct channel_lines lines = {0};
  for (unsigned i = 0; i < stack->channels; i++) {
    const struct channel_timing *channel = &stack->channel[stack->twins.leader[i]];
    lines.word_ready |= (uint32_t)channel_word_ready(channel) << i;
    lines.bus_valid |= (uint32_t)channel_bus_valid(channel) << i;
    lines.bus_load |= (uint32_t)channel_bus_load(channel) << i;
    lines.bus_interleaved |= (uint32_t)channel_bus_interleaved(channel) << i;
  }
  return lines;
}

// The broadcast reads if the word is there and its slice of the shared buffer is free.
static bool may_read(const struct stack_model *stack, const struct control_write *write) {
  const struct broadcast *b = &stack->broadcast;
  if (!broadcast_wants(b)) return false;
  const uint32_t word = broadcast_address(b, &stack->job);
  if (result_pending_waits(&stack->pending[!stack->controller.parity], word, b->first & 0x7fff)) return false;
  return !(write->valid && write->word % SLICES == word % SLICES);
}

// What the xPU does on a channel in this clock, and what it sees of Logic-PIM.
static void clock_xpu(struct duplex_xpu_traffic *xpu, const struct duplex_hbm_pins *pins, unsigned grant) {
  if (pins->row_valid && pins->row_command == DUPLEX_ROW_COMMAND_REF)
    duplex_xpu_see_refresh(xpu, pins->row_bundle);
  duplex_xpu_clock(xpu, grant);
}

// What each channel's attention shows to its neighbours: nothing while none is at work.
static void look_at_links(const struct stack_model *stack, struct attention_links *links) {
  memset(links, 0, stack->channels * sizeof *links);
  if (!stack->controller.attention) return;
  for (unsigned i = 0; i < stack->channels; i++)
    links[i] = attention_show(&stack->channel[stack->twins.leader[i]].attention);
}

// What the stack tells its channels in a clock.
struct channels_in {
  bool job_valid, attention;  // a job starts: a LOAD or GEMM, an attention job
  int grant;                  // the channel that has the result bus, -1 for none
};

// What the channels show in a clock, taken together.
struct channels_out {
  bool front, older, busy, segment_room;
  unsigned open;  // bundles with open rows
};

// The inputs of channel `i` but for its links: its share of a job that starts, which `entry` holds if it is
// one of attention, and the lines of broadcast, result bus and xPU.
static struct channel_in inputs_of(const struct stack_model *stack, unsigned i, const struct channels_in *in,
                                   struct attention_entry *entry) {
  const uint32_t *job = stack->controller.job;
  const struct duplex_xpu_traffic *xpu = &stack->xpu[stack->twins.leader[i]];
  struct channel_in channel = {
      .job_valid = in->job_valid,
      .word_valid = stack->broadcast.words != 0 && !(stack->broadcast.taken >> i & 1),
      .bus_ready = in->grant == (int)i,
      .xpu_row_request = xpu->request,
      .xpu_ref = xpu->refreshed_bundles};
  if (in->attention) {
    const struct attention_share share = attention_share_of(job, i, stack->channels);
    *entry = attention_entry_of(job, &share);
    if (share.slots) channel.segment = entry;
  }
  if (in->job_valid) channel.count = channel_share_of(job, i, stack->channels, &channel.first_address);
  if (!stack->job.bus) channel.first_address = 0;  // nothing goes there
  return channel;
}

// What a channel does in a clock: all of it, or its DRAM alone where no job is under way.
typedef void channel_clock(struct channel_timing *c, const struct job_timing *job,
                           const struct channel_in *in, struct channel_out *out);

// One clock of channel `i` and its twins, and of the xPU on it; their DRAM commands are counted.
static void clock_channel(struct stack_model *stack, unsigned i, channel_clock *clock,
                          const struct channel_in *in, struct channel_out *out) {
  struct bundle_controller *dram = &stack->channel[i].controller;
  const struct duplex_hbm_pins pins = dram->pins;
  count_commands(&stack->commands, &pins, stack->twins.members[i]);
  dram->owner = stack->registers.bundle_owner;
  dram->strict = stack->registers.strict;
  clock(&stack->channel[i], &stack->job, in, out);
  clock_xpu(&stack->xpu[i], &pins, out->xpu_row_grant);
}

// The inputs of all channels, their links among them; `entries` is where segments lie.
static void look_at_inputs(const struct stack_model *stack, const struct channels_in *channels_in,
                           struct attention_entry *entries, struct channel_in *in) {
  struct attention_links links[DUPLEX_CHANNELS];
  look_at_links(stack, links);
  for (unsigned i = 0; i < stack->channels; i++) {
    in[i] = inputs_of(stack, i, channels_in, &entries[i]);
    in[i].below = links[(i ? i : stack->channels) - 1];
    in[i].above = links[i + 1 == stack->channels ? 0 : i + 1];
  }
}

// One clock of all channels; the word of the one that has the result bus goes to `granted`.
static struct channels_out clock_channels(struct stack_model *stack, const struct channels_in *channels_in,
                                          struct bus_word *granted) {
  struct channel_in in[DUPLEX_CHANNELS];
  struct attention_entry entries[DUPLEX_CHANNELS];
  struct channels_out all = {.segment_room = true};
  look_at_inputs(stack, channels_in, entries, in);
  twins_part(&stack->twins, stack->channels, stack->channel, stack->xpu, in);
  for (unsigned i = 0; i < stack->channels; i++) {
    struct channel_out out;
    if (!stack->twins.members[i]) continue;  // its leader is clocked
    all.segment_room &= attention_room(&stack->channel[i].attention);
    clock_channel(stack, i, channel_timing_clock, &in[i], &out);
    all.open |= out.open;
    all.front |= out.front_busy;
    all.older |= out.older_busy;
    all.busy |= out.busy;
    if (!in[i].bus_ready) continue;
    *granted = out.word;
    granted->channel = (uint8_t)i;
  }
  twins_join(&stack->twins, stack->channels, stack->channel, stack->xpu);
  return all;
}

// What the operation controller and the registers see of the work in the next clock; `parity` is that of the
// job which was the youngest before this edge.
static void show_work(struct stack_model *stack, const struct channels_out *channels, bool parity) {
  const bool reading = broadcast_busy(&stack->broadcast);
  const bool *inside = stack->bus.inside_busy;
  stack->open = channels->open;
  stack->front_busy = channels->front || reading;
  stack->older_busy = channels->older || inside[!parity];
  stack->work_busy = channels->busy || reading || inside[0] || inside[1];
  stack->segment_room = channels->segment_room;
}

// The bundles that BUNDLE_OWNER leaves to the xPU go to it, on every channel.
static void stack_hand_over(struct stack_model *stack) {
  stack->owner = stack->registers.bundle_owner;
  for (unsigned i = 0; i < stack->channels; i++)
    if (stack->twins.members[i])
      duplex_xpu_take(&stack->xpu[i], ~stack->owner & ((1u << DUPLEX_BUNDLES) - 1));
}

// The interrupt line of this clock, and the count of clocks from which on a change is seen.
static void note_interrupt(struct stack_model *stack) {
  if (stack->interrupt == stack->registers.interrupt) return;
  stack->interrupt = stack->registers.interrupt;
  *(stack->interrupt ? &stack->rose_at : &stack->fell_at) = stack->clocks + 1;
}

bool stack_working(const struct stack_model *stack) {
  const struct operation_controller *c = &stack->controller;
  return !registers_settled(&stack->registers) || operation_controller_busy(c) || c->error || c->fetched ||
         c->start != 0 || stack->work_busy;
}

// Whether all that the last work left in pipelines and counters has come to rest, the interrupt line too.
static bool is_settled(const struct stack_model *stack) { return stack->settled == SETTLE_CLOCKS; }

// A clock in which nothing of the stack is at work but DRAM and the xPU's side of it.
static void rest_clock(struct stack_model *stack) {
  stack->open = 0;
  for (unsigned i = 0; i < stack->channels; i++) {
    if (!stack->twins.members[i]) continue;
    const struct channel_in in = {.xpu_row_request = stack->xpu[i].request,
                                  .xpu_ref = stack->xpu[i].refreshed_bundles};
    struct channel_out out;
    clock_channel(stack, i, channel_rest_clock, &in, &out);
    stack->open |= out.open;
  }
  twins_join(&stack->twins, stack->channels, stack->channel, stack->xpu);
  stack->clocks++;
}

// A clock of everything.
static int working_clock(struct stack_model *stack) {
  const bool start = stack->controller.start & 1;
  const bool parity = stack->controller.parity;
  const uint32_t *job = stack->controller.job;
  const bool attention = start && DUPLEX_DESCRIPTOR_GET(job, OPCODE) == DUPLEX_OPCODE_ATTENTION;
  const bool job_valid = start && !attention;
  int error = DUPLEX_OK;
  if (job_valid) stack->job = job_of(stack, job);
  if (start) error = worker_push(&stack->worker, job);
  const struct control_write write = result_bus_write(&stack->bus);
  const struct channel_lines lines = look(stack);
  const bool read = may_read(stack, &write);
  const bool complete[2] = {stack->controller.complete[0], stack->controller.complete[1]};
  const int grant = result_bus_grant(&stack->bus, lines.bus_valid, lines.bus_load, lines.bus_interleaved);
  const struct controller_in controller_in = {.channels = stack->channels,
                                              .registers = &stack->registers,
                                              .job_is_load = stack->job.load,
                                              .front_busy = stack->front_busy,  // of the clock before
                                              .older_busy = stack->older_busy,
                                              .work_busy = stack->work_busy,
                                              .segment_room = stack->segment_room};
  struct registers_in registers;
  struct bus_word granted;
  operation_controller_clock(&stack->controller, &controller_in, &registers);
  const struct channels_in channels_in = {job_valid, attention, grant};
  const struct channels_out channels = clock_channels(stack, &channels_in, &granted);
  show_work(stack, &channels, parity);
  broadcast_clock(&stack->broadcast, &stack->job, read, lines.word_ready, stack->channels);
  if (job_valid && !stack->job.load) broadcast_start(&stack->broadcast, &stack->job);
  result_bus_clock(&stack->bus, job_valid && stack->job.load, grant >= 0 ? &granted : NULL, stack->channels);
  for (unsigned p = 0; p < 2; p++)
    result_pending_clock(&stack->pending[p], complete[p], write.load_word,
                         write.in_turn && write.done_parity == p, write.done && write.done_parity == p,
                         write.done_channel);
  if (job_valid) start_pending(stack, stack->controller.job);
  registers_clock(&stack->registers, &registers);
  stack->clocks++;
  return error;
}

int stack_clock(struct stack_model *stack) {
  note_interrupt(stack);
  if (stack->owner != stack->registers.bundle_owner) stack_hand_over(stack);
  if (stack_working(stack)) {
    stack->settled = 0;
  } else if (is_settled(stack)) {
    rest_clock(stack);
    return DUPLEX_OK;
  } else {
    stack->settled++;
  }
  return working_clock(stack);
}

bool stack_xpu_busy(const struct stack_model *stack) {
  bool busy = stack->owner != stack->registers.bundle_owner;
  for (unsigned i = 0; i < stack->channels; i++)
    if (stack->twins.members[i]) busy |= duplex_xpu_busy(&stack->xpu[i]);
  return busy;
}

// No job and no access of the xPU is under way; DRAM rows may still have to be closed or refreshed.
static bool stack_idle(const struct stack_model *stack) {
  return is_settled(stack) && !stack_working(stack) && !stack_xpu_busy(stack);
}

// An idle stack is quiet up to the next refresh, which is done clock by clock. Whole intervals are passed
// over only from the last clock before a refresh on, and with all rows closed: then every bundle is refreshed
// once in each, long before its end, and they leave nothing behind but their number.
uint64_t stack_skip(struct stack_model *stack, uint64_t most) {
  bool quiet = stack_idle(stack);
  bool closed = true;
  for (unsigned i = 0; i < stack->channels && quiet; i++) {
    if (!stack->twins.members[i]) continue;
    const struct bundle_controller *dram = &stack->channel[i].controller;
    quiet = bundle_controller_quiet(dram) && duplex_xpu_quiet(&stack->xpu[i]);
    closed = closed && bundle_controller_closed(dram) && duplex_xpu_closed(&stack->xpu[i]);
  }
  if (!quiet) return 0;
  const uint64_t to_refresh = duplex_xpu_to_refresh(&stack->xpu[0]);
  const uint64_t interval = stack->channel[0].controller.timing.refresh_interval;
  const uint64_t intervals = to_refresh == 0 && closed ? most / interval : 0;
  const uint64_t clocks = intervals ? intervals * interval : duplex_smaller(most, to_refresh);
  for (unsigned i = 0; i < stack->channels; i++) {
    if (!stack->twins.members[i]) continue;
    bundle_controller_skip(&stack->channel[i].controller, clocks, intervals);
    duplex_xpu_skip(&stack->xpu[i], clocks, intervals);
  }
  stack->commands.ref += intervals * stack->channels * (unsigned)__builtin_popcount(stack->owner);
  stack->clocks += clocks;
  return clocks;
}
