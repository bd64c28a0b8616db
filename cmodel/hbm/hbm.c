// SPDX-License-Identifier: Apache-2.0
// The cells of a stack, and commands at their pins: judged, carried out, recorded.
#include "duplex/hbm.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duplex/error.h"
#include "duplex/text_file.h"
#include "duplex/timing_judge.h"

#define BEATS_IN_FLIGHT 64u  // power of two above the longest latency in clocks
#define BANK_BYTES (DUPLEX_COLUMN_BYTES / 8)

struct write_in_flight {
  uint64_t first_clock;
  uint8_t *column;
  uint8_t mask;
};

struct channel {
  uint8_t **row_sets;  // [bundle * DUPLEX_BANK_ROWS + row], NULL: never written
  struct duplex_judge judge;
  uint64_t beat_clock[BEATS_IN_FLIGHT];
  uint8_t beats[BEATS_IN_FLIGHT][DUPLEX_BEAT_BYTES];
  struct write_in_flight writes[BEATS_IN_FLIGHT];
  unsigned write_first, write_count;
  struct duplex_dram_commands commands;
};

struct duplex_hbm {
  unsigned channels;
  unsigned read_latency, write_latency;  // clocks from command to first beat
  FILE *command_file;
  char *command_path;
  uint64_t command_lines;
  char failure[200];
  struct channel channel[];
};

const struct duplex_dram_timing *duplex_dram_preset(const char *name) {
  for (unsigned i = 0; i < DUPLEX_DRAM_PRESETS; i++)
    if (strcmp(duplex_dram_presets[i].name, name ? name : "hbm3_5200") == 0) return &duplex_dram_presets[i];
  return NULL;
}

unsigned duplex_dram_clock_khz(const char *name) {
  const struct duplex_dram_timing *timing = duplex_dram_preset(name);
  if (!timing) return 0;
  const unsigned rate = (40000 + timing->tCK_ps / 2) / timing->tCK_ps;  // of a pin, in 100 Mb/s
  return rate * 100000 / 8;
}

int duplex_dram_timing_of(const struct duplex_backend_options *options, struct duplex_dram_timing *timing) {
  if (!options || !timing) return DUPLEX_ERROR_ARGUMENT;
  const struct duplex_dram_timing *preset = duplex_dram_preset(options->dram_preset);
  if (!preset || options->rank_switch > 2) return DUPLEX_ERROR_ARGUMENT;
  *timing = *preset;
  timing->nRTR = options->rank_switch;
  return DUPLEX_OK;
}

// No command yet, and nothing on its way.
static void reset_channel(struct channel *channel, const struct duplex_dram_timing *timing) {
  duplex_judge_start(&channel->judge, timing, false);
  memset(channel->beat_clock, 0xff, sizeof channel->beat_clock);
  channel->write_first = channel->write_count = 0;
}

// Cells that were never written; row sets are made when they are first written.
static int start_channel(struct channel *channel, const struct duplex_dram_timing *timing) {
  channel->row_sets = calloc((size_t)DUPLEX_BUNDLES * DUPLEX_BANK_ROWS, sizeof *channel->row_sets);
  if (!channel->row_sets) return DUPLEX_ERROR_NO_MEMORY;
  reset_channel(channel, timing);
  return DUPLEX_OK;
}

// The text of all commands begins with a comment that promises its end.
static int open_text(struct duplex_hbm *hbm, const char *path) {
  hbm->command_path = strdup(path);
  if (!hbm->command_path) return DUPLEX_ERROR_NO_MEMORY;
  hbm->command_file = duplex_text_open(path);
  if (!hbm->command_file) return DUPLEX_ERROR_IO;
  duplex_judge_print_start(hbm->command_file);
  return DUPLEX_OK;
}

int duplex_hbm_open(unsigned channels, const struct duplex_dram_timing *timing, const char *command_file,
                    struct duplex_hbm **hbm) {
  if (!timing) timing = duplex_dram_preset(NULL);
  if (!hbm) return DUPLEX_ERROR_ARGUMENT;
  *hbm = NULL;
  if (channels < 1 || channels > DUPLEX_CHANNELS) return DUPLEX_ERROR_ARGUMENT;
  struct duplex_hbm *self = calloc(1, sizeof *self + channels * sizeof self->channel[0]);
  if (!self) return DUPLEX_ERROR_NO_MEMORY;
  self->channels = channels;
  self->read_latency = (timing->nCL + timing->nBL + 1) / 2;
  self->write_latency = (timing->nCWL + 1) / 2;
  int error = DUPLEX_OK;
  for (unsigned i = 0; i < channels && !error; i++) error = start_channel(&self->channel[i], timing);
  if (!error && command_file) {
    error = open_text(self, command_file);
  }
  if (error) {
    const int cause = errno;  // of a file that cannot be opened
    duplex_hbm_close(self);
    errno = cause;
    return error;
  }
  *hbm = self;
  return DUPLEX_OK;
}

// Also for a channel that start_channel has not filled.
static void free_channel(struct channel *channel) {
  for (size_t i = 0; channel->row_sets && i < (size_t)DUPLEX_BUNDLES * DUPLEX_BANK_ROWS; i++)
    free(channel->row_sets[i]);
  free(channel->row_sets);
}

int duplex_hbm_end_text(struct duplex_hbm *hbm) {
  FILE *file = hbm->command_file;
  if (!file) return DUPLEX_OK;
  hbm->command_file = NULL;
  duplex_judge_print_end(file, hbm->command_lines);
  if (duplex_text_close(file) == 0) return DUPLEX_OK;
  snprintf(hbm->failure, sizeof hbm->failure, "%s: writing failed: %s", hbm->command_path, strerror(errno));
  return DUPLEX_ERROR_IO;
}

void duplex_hbm_close(struct duplex_hbm *hbm) {
  if (!hbm) return;
  duplex_hbm_end_text(hbm);
  free(hbm->command_path);
  for (unsigned i = 0; i < hbm->channels; i++) free_channel(&hbm->channel[i]);
  free(hbm);
}

// The row set for writing: made of zeros when it is first written. NULL: out of memory.
static uint8_t *row_set_to_write(struct channel *channel, size_t index) {
  if (!channel->row_sets[index]) channel->row_sets[index] = calloc(1, DUPLEX_ROW_SET_BYTES);
  return channel->row_sets[index];
}

// DUPLEX_ERROR_ARGUMENT unless the channel is there and the bytes lie within it.
static int check_range(const struct duplex_hbm *hbm, unsigned channel, uint64_t address, size_t size) {
  const bool good =
      channel < hbm->channels && size <= DUPLEX_CHANNEL_BYTES && address <= DUPLEX_CHANNEL_BYTES - size;
  return good ? DUPLEX_OK : DUPLEX_ERROR_ARGUMENT;
}

int duplex_hbm_mem_read(struct duplex_hbm *hbm, unsigned channel, uint64_t address, void *bytes,
                        size_t size) {
  if (!hbm || (!bytes && size)) return DUPLEX_ERROR_ARGUMENT;
  const int error = check_range(hbm, channel, address, size);
  if (error) return error;
  for (uint8_t *to = bytes; size;) {
    const size_t offset = address % DUPLEX_ROW_SET_BYTES;
    const size_t left = DUPLEX_ROW_SET_BYTES - offset;
    const size_t part = size < left ? size : left;
    const uint8_t *row_set = hbm->channel[channel].row_sets[address / DUPLEX_ROW_SET_BYTES];
    if (row_set) {
      memcpy(to, row_set + offset, part);
    } else {
      memset(to, 0, part);
    }
    to += part, address += part, size -= part;
  }
  return DUPLEX_OK;
}

int duplex_hbm_mem_write(struct duplex_hbm *hbm, unsigned channel, uint64_t address, const void *bytes,
                         size_t size) {
  if (!hbm || (!bytes && size)) return DUPLEX_ERROR_ARGUMENT;
  const int error = check_range(hbm, channel, address, size);
  if (error) return error;
  for (const uint8_t *from = bytes; size;) {
    const size_t offset = address % DUPLEX_ROW_SET_BYTES;
    const size_t left = DUPLEX_ROW_SET_BYTES - offset;
    const size_t part = size < left ? size : left;
    uint8_t *row_set = row_set_to_write(&hbm->channel[channel], address / DUPLEX_ROW_SET_BYTES);
    if (!row_set) return DUPLEX_ERROR_NO_MEMORY;
    memcpy(row_set + offset, from, part);
    from += part, address += part, size -= part;
  }
  return DUPLEX_OK;
}

int duplex_hbm_check_owner(struct duplex_hbm *hbm, unsigned owner, unsigned channel, uint64_t address,
                           size_t size, void *bytes) {
  const uint64_t bundle_bytes = (uint64_t)DUPLEX_BANK_ROWS * DUPLEX_ROW_SET_BYTES;
  const uint64_t first = address / bundle_bytes;
  const uint64_t last = (address + size - !!size) / bundle_bytes;
  for (uint64_t bundle = first; size && bundle <= last && bundle < DUPLEX_BUNDLES; bundle++) {
    if (!(owner >> bundle & 1)) continue;
    snprintf(hbm->failure, sizeof hbm->failure,
             "DRAM channel %u, address 0x%llx: bundle %u belongs to Logic-PIM", channel,
             (unsigned long long)address, (unsigned)bundle);
    if (bytes) memset(bytes, DUPLEX_FOREIGN_BYTE, size);
    return DUPLEX_ERROR_OWNER;
  }
  return DUPLEX_OK;
}

const uint8_t *duplex_hbm_row_set(const struct duplex_hbm *hbm, unsigned channel, unsigned bundle,
                                  unsigned row) {
  return hbm->channel[channel].row_sets[(size_t)bundle * DUPLEX_BANK_ROWS + row];
}

// Notes the text for duplex_hbm_failure and returns the error.
static int fail(struct duplex_hbm *hbm, unsigned channel, const char *text) {
  snprintf(hbm->failure, sizeof hbm->failure, "DRAM channel %u: %s", channel, text);
  return DUPLEX_ERROR_DRAM_TIMING;
}

// Writes the command to the command file, if there is one, and has it judged.
static int judge(struct duplex_hbm *hbm, unsigned index, const struct duplex_judge_command *command) {
  if (hbm->command_file) {
    duplex_judge_print(hbm->command_file, index, command);
    hbm->command_lines++;
  }
  if (duplex_judge_take(&hbm->channel[index].judge, command)) return DUPLEX_OK;
  return fail(hbm, index, hbm->channel[index].judge.text);
}

// The row command on the pins of channel `index`: judged and counted.
static int row_command(struct duplex_hbm *hbm, unsigned index, uint64_t clock,
                       const struct duplex_hbm_pins *pins) {
  struct channel *channel = &hbm->channel[index];
  if (pins->row_command > DUPLEX_JUDGE_REF) return fail(hbm, index, "unknown row command");
  const enum duplex_judge_kind kind = (enum duplex_judge_kind)pins->row_command;
  const struct duplex_judge_command command = {2 * clock,         kind, pins->row_bundle, pins->row_mask,
                                               pins->row_address, false};
  const int error = judge(hbm, index, &command);
  if (error) return error;
  if (kind == DUPLEX_JUDGE_ACT) {
    channel->commands.act++;
  } else if (kind == DUPLEX_JUDGE_PRE) {
    channel->commands.pre++;
  } else {
    channel->commands.ref++;
  }
  return DUPLEX_OK;
}

// Two beats of a column (NULL: cells never written, which read as 0) that will be on the data pins from
// `first_clock` on; banks outside of the mask give 0.
static void start_read(struct channel *channel, uint64_t first_clock, const uint8_t *column, uint8_t mask) {
  for (unsigned beat = 0; beat < 2; beat++) {
    const uint64_t clock = first_clock + beat;
    uint8_t *data = channel->beats[clock % BEATS_IN_FLIGHT];
    channel->beat_clock[clock % BEATS_IN_FLIGHT] = clock;
    for (unsigned bank = 0; bank < 4; bank++) {
      const bool read = column && (mask >> (4 * beat + bank) & 1);
      uint8_t *to = data + bank * BANK_BYTES;
      if (read) {
        memcpy(to, column + beat * DUPLEX_BEAT_BYTES + bank * BANK_BYTES, BANK_BYTES);
      } else {
        memset(to, 0, BANK_BYTES);
      }
    }
  }
}

// The column command on the pins: judged and counted; a read's data are those of now, a write's come later.
static int column_command(struct duplex_hbm *hbm, unsigned index, uint64_t clock,
                          const struct duplex_hbm_pins *pins) {
  struct channel *channel = &hbm->channel[index];
  const enum duplex_judge_kind kind = pins->column_write ? DUPLEX_JUDGE_WR : DUPLEX_JUDGE_RD;
  const struct duplex_judge_command command = {
      2 * clock, kind, pins->column_bundle, pins->column_mask, pins->column_address, false};
  const int error = judge(hbm, index, &command);
  if (error) return error;
  // The judge has seen that all banks of the mask have the same row open.
  const unsigned row = channel->judge.banks[pins->column_bundle][__builtin_ctz(pins->column_mask)].row;
  const size_t row_set = (size_t)pins->column_bundle * DUPLEX_BANK_ROWS + row;
  const size_t offset = (size_t)pins->column_address * DUPLEX_COLUMN_BYTES;
  if (kind == DUPLEX_JUDGE_RD) {
    const uint8_t *bytes = channel->row_sets[row_set];
    start_read(channel, clock + hbm->read_latency, bytes ? bytes + offset : NULL, pins->column_mask);
    channel->commands.rd++;
    return DUPLEX_OK;
  }
  uint8_t *bytes = row_set_to_write(channel, row_set);
  if (!bytes) return DUPLEX_ERROR_NO_MEMORY;
  channel->writes[(channel->write_first + channel->write_count++) % BEATS_IN_FLIGHT] =
      (struct write_in_flight){clock + hbm->write_latency, bytes + offset, pins->column_mask};
  channel->commands.wr++;
  return DUPLEX_OK;
}

// The bytes on the write-data pins go into the column whose turn it is, if there is one.
static void take_write_data(struct channel *channel, uint64_t clock, const uint8_t *data) {
  if (!channel->write_count) return;
  const struct write_in_flight *write = &channel->writes[channel->write_first];
  if (clock < write->first_clock) return;
  const unsigned beat = (unsigned)(clock - write->first_clock);
  for (unsigned bank = 0; bank < 4; bank++)
    if (write->mask >> (4 * beat + bank) & 1)
      memcpy(write->column + beat * DUPLEX_BEAT_BYTES + bank * BANK_BYTES, data + bank * BANK_BYTES,
             BANK_BYTES);
  if (beat == 0) return;
  channel->write_first = (channel->write_first + 1) % BEATS_IN_FLIGHT;
  channel->write_count--;
}

int duplex_hbm_xpu_clock(struct duplex_hbm *hbm, unsigned channel, uint64_t clock,
                         const struct duplex_hbm_xpu_pins *pins) {
  const struct duplex_judge_command row = {2 * clock,         (enum duplex_judge_kind)pins->row_command,
                                           pins->row_bundle,  1u << pins->row_bank,
                                           pins->row_address, true};
  const enum duplex_judge_kind kind = pins->column_write ? DUPLEX_JUDGE_WR : DUPLEX_JUDGE_RD;
  const struct duplex_judge_command column = {
      2 * clock, kind, pins->column_bundle, 1u << pins->column_bank, pins->column_address, true};
  const int error = pins->row_valid ? judge(hbm, channel, &row) : DUPLEX_OK;
  return !error && pins->column_valid ? judge(hbm, channel, &column) : error;
}

int duplex_hbm_owner(struct duplex_hbm *hbm, uint64_t clock, unsigned owner) {
  const struct duplex_judge_command command = {2 * clock + 1, DUPLEX_JUDGE_OWNER, 0, owner, 0, false};
  int error = DUPLEX_OK;
  for (unsigned i = 0; i < hbm->channels && !error; i++) error = judge(hbm, i, &command);
  return error;
}

void duplex_hbm_strict(struct duplex_hbm *hbm, bool strict) {
  for (unsigned i = 0; i < hbm->channels; i++) hbm->channel[i].judge.strict = strict;
}

void duplex_hbm_reset(struct duplex_hbm *hbm, const struct duplex_dram_timing *timing) {
  for (unsigned i = 0; i < hbm->channels; i++) reset_channel(&hbm->channel[i], timing);
}

int duplex_hbm_clock(struct duplex_hbm *hbm, unsigned channel, uint64_t clock,
                     const struct duplex_hbm_pins *pins, const void *write_data) {
  int error = DUPLEX_OK;
  if (pins->row_valid) error = row_command(hbm, channel, clock, pins);
  if (!error && pins->column_valid) error = column_command(hbm, channel, clock, pins);
  take_write_data(&hbm->channel[channel], clock, write_data);
  return error;
}

void duplex_hbm_read_data(struct duplex_hbm *hbm, unsigned channel, uint64_t clock, void *data) {
  const struct channel *self = &hbm->channel[channel];
  const unsigned slot = clock % BEATS_IN_FLIGHT;
  if (self->beat_clock[slot] == clock) memcpy(data, self->beats[slot], DUPLEX_BEAT_BYTES);
}

int duplex_hbm_finish(struct duplex_hbm *hbm, uint64_t clock) {
  for (unsigned i = 0; i < hbm->channels; i++)
    if (!duplex_judge_finish(&hbm->channel[i].judge, 2 * clock))
      return fail(hbm, i, hbm->channel[i].judge.text);
  return DUPLEX_OK;
}

void duplex_hbm_commands(const struct duplex_hbm *hbm, struct duplex_dram_commands *commands) {
  memset(commands, 0, sizeof *commands);
  for (unsigned i = 0; i < hbm->channels; i++) {
    const struct duplex_dram_commands *own = &hbm->channel[i].commands;
    commands->act += own->act;
    commands->rd += own->rd;
    commands->wr += own->wr;
    commands->pre += own->pre;
    commands->ref += own->ref;
  }
}

const char *duplex_hbm_failure(const struct duplex_hbm *hbm) { return hbm->failure; }
