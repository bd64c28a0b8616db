// SPDX-License-Identifier: Apache-2.0
// A conventional HBM3 memory controller for the ordinary path of one stack: up to 32 pseudo channels of 32
// banks, one bank at a time (ACT, PRE, RD, WR, REF), as an xPU has it. It keeps time, not bytes.
//
// Policy (docs/memory_controller.md): open page; a queue of reads and one of writes in each pseudo channel;
// first ready, first come, with a limit of age; turns of reads and writes by the fill of the write queue;
// refresh bank by bank, postponed. Accesses to the same 32 bytes go to the DRAM in the order in which they
// were submitted, unless both are reads.
//
// Time is an integer number of tCK from 0. A controller is driven by events: submit requests, advance to the
// time that duplex_memory_next gives, and hear of each command and completion by a call. What comes out does
// not depend on the steps in which time is advanced. Long rests cost no more than short ones if the caller
// takes their refreshes by number. No memory is allocated after open.
#ifndef DUPLEX_MEMORY_CONTROLLER_H
#define DUPLEX_MEMORY_CONTROLLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "duplex/dram_presets.h"
#include "duplex/timing_judge.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DUPLEX_MEMORY_ACCESS_BYTES 32u              // of one request: what a column command moves
#define DUPLEX_MEMORY_QUEUE_MOST 1024u              // requests of a queue
#define DUPLEX_MEMORY_TCK_MOST (UINT64_C(1) << 60)  // the last time

// Parts of an address. Their bits: CHANNEL as many as the controller has channels, BANK_GROUP 2, BANK 1 (bank
// j of a bundle lies in group j mod 4), COLUMN 5, ROW 14, HALF 1 (which bundle of the rank), RANK 1.
enum duplex_memory_field {
  DUPLEX_MEMORY_CHANNEL,
  DUPLEX_MEMORY_BANK_GROUP,
  DUPLEX_MEMORY_BANK,
  DUPLEX_MEMORY_COLUMN,
  DUPLEX_MEMORY_ROW,
  DUPLEX_MEMORY_HALF,
  DUPLEX_MEMORY_RANK
};
#define DUPLEX_MEMORY_FIELDS 7

// Which part of the address is where: all parts, the least significant first, above the 5 bits of the byte.
struct duplex_memory_mapping {
  const char *name;
  enum duplex_memory_field field[DUPLEX_MEMORY_FIELDS];
};

// "tensor": channel, rank, bank group, bank, half, column, row, as the paper places tensors of the xPU;
// "row_bank_column": channel, bank group, column, bank, half, rank, row;
// "bundle": channel, bank group, bank, column, row, half, rank: a bundle of Logic-PIM is one range.
// Another name: NULL. NULL for the name: "tensor".
const struct duplex_memory_mapping *duplex_memory_mapping_of(const char *name);

struct duplex_memory_parameters {
  struct duplex_dram_timing timing;
  struct duplex_memory_mapping mapping;
  unsigned channels;             // pseudo channels: 1, 2, 4, 8, 16 or 32
  unsigned read_queue;           // requests that wait in a channel, 1 to DUPLEX_MEMORY_QUEUE_MOST
  unsigned write_queue;          // the same for writes
  unsigned write_high;           // so many waiting writes begin a turn of writes, 1 to write_queue
  unsigned write_low;            // the turn ends when so few are left and reads wait, below write_high
  unsigned age_limit;            // tCK after which the oldest request of a channel is served alone, 2 or more
  unsigned postponed_refreshes;  // of a bank with requests, 0 to nREFMAX - 2
};

// Preset (NULL for "hbm3_5200") and mapping "tensor", 32 channels, queues of 64 reads and 64 writes, turns of
// writes from 56 to 8, 4,000 tCK, 4 refreshes. DUPLEX_ERROR_ARGUMENT: there is no such preset.
int duplex_memory_defaults(const char *preset, struct duplex_memory_parameters *parameters);

struct duplex_memory_request {
  uint64_t id;       // the caller's own; comes back with the completion
  uint64_t address;  // a multiple of 32, below channels * 512 MB
  bool write;
};

// Where an address lies. `bundle`: 0 to 3; `bank`: of the bundle, 0 to 7.
struct duplex_memory_place {
  unsigned channel, bundle, bank, row, column;
};

// A command was given at command.tck; made for duplex_judge_take and duplex_judge_print.
typedef void duplex_memory_on_command(void *user, unsigned channel,
                                      const struct duplex_judge_command *command);
// The column command of a request was given at `issued`: the order of these calls is the order of the data in
// its channel, and the caller that keeps bytes reads or writes them now. The last data are on the pins before
// `done`, which is issued + nCL + nBL of a read and issued + nCWL + nBL of a write.
typedef void duplex_memory_on_completion(void *user, const struct duplex_memory_request *request,
                                         uint64_t issued, uint64_t done);

// A channel has rested for so many nREFI more, and each of them had the refreshes of the nREFI before, one of
// each bank, in place of a call for each (duplex_judge_repeat).
typedef void duplex_memory_on_refreshes(void *user, unsigned channel, uint64_t intervals);

// Each call may be NULL. They must not call the controller, except duplex_memory_place_of. With `command` and
// without `refreshes` each command of a rest is told, which takes the host as long as the rest is.
struct duplex_memory_calls {
  void *user;
  duplex_memory_on_command *command;
  duplex_memory_on_completion *completion;
  duplex_memory_on_refreshes *refreshes;
};

// Of all channels, from open on. `row_hits`: requests whose row was open when they were submitted.
struct duplex_memory_statistics {
  uint64_t reads, writes, activations, precharges, refreshes;
  uint64_t row_hits;
  uint64_t turns;          // changes from reads to writes
  uint64_t limited;        // requests that were served alone, by the limit of age
  uint64_t latency_total;  // sum of done - submitted of all completions, tCK
  uint64_t latency_most;
};

struct duplex_memory_controller;

// Whether a parameter is out of its range. The first one is named in `text`, which has `room` bytes, with its
// value and what was expected: "channels: 3: expected 1, 2, ..."; it is empty if all are good. No text is
// written without room.
bool duplex_memory_wrong(const struct duplex_memory_parameters *parameters, char *text, size_t room);

// DUPLEX_ERROR_ARGUMENT: duplex_memory_wrong, or there is no place for the controller.
// DUPLEX_ERROR_NO_MEMORY.
int duplex_memory_open(const struct duplex_memory_parameters *parameters,
                       const struct duplex_memory_calls *calls, struct duplex_memory_controller **controller);
void duplex_memory_close(struct duplex_memory_controller *controller);

// Takes a request at this time; its channel is advanced to it, and the request may have a command in this
// very tCK. DUPLEX_ERROR_QUEUE_FULL: there is no room (try again at duplex_memory_channel_next of its
// channel). DUPLEX_ERROR_ARGUMENT: no such address, a time to which the channel has passed already or behind
// DUPLEX_MEMORY_TCK_MOST, NULL.
int duplex_memory_submit(struct duplex_memory_controller *controller,
                         const struct duplex_memory_request *request, uint64_t tck);

// Gives all commands before this time, DUPLEX_MEMORY_TCK_MOST at most. A time that has passed already changes
// nothing.
void duplex_memory_advance(struct duplex_memory_controller *controller, uint64_t tck);
// The same for one channel.
void duplex_memory_advance_channel(struct duplex_memory_controller *controller, unsigned channel,
                                   uint64_t tck);

// The time to which to advance so that the next thing happens, in any channel or in one of them; UINT64_MAX
// if no request waits there (refreshes go on, but nobody waits for them).
uint64_t duplex_memory_next(const struct duplex_memory_controller *controller);
uint64_t duplex_memory_channel_next(const struct duplex_memory_controller *controller, unsigned channel);

// Requests that wait for their column command.
unsigned duplex_memory_waiting(const struct duplex_memory_controller *controller);

// The first tCK of a channel that is not decided yet.
uint64_t duplex_memory_now(const struct duplex_memory_controller *controller, unsigned channel);

// The place of an address, and the address of a place.
struct duplex_memory_place duplex_memory_place_of(const struct duplex_memory_controller *controller,
                                                  uint64_t address);
uint64_t duplex_memory_address_of(const struct duplex_memory_controller *controller,
                                  const struct duplex_memory_place *place);

// Bytes of all channels together.
uint64_t duplex_memory_bytes(const struct duplex_memory_controller *controller);

struct duplex_memory_statistics duplex_memory_statistics_of(
    const struct duplex_memory_controller *controller);

#ifdef __cplusplus
}
#endif
#endif
