// SPDX-License-Identifier: Apache-2.0
// What the parts of the memory controller share: one pseudo channel with its banks, its queues and its times.
#ifndef DUPLEX_CMODEL_MEMORY_CHANNEL_H
#define DUPLEX_CMODEL_MEMORY_CHANNEL_H

#include "duplex/memory_controller.h"
#include "duplex/params.h"

enum {
  MEMORY_BUNDLE_BANKS = 8,
  MEMORY_BANKS = DUPLEX_BUNDLES * MEMORY_BUNDLE_BANKS,
  MEMORY_RANKS = 2,
  MEMORY_GROUPS = 4,
  MEMORY_ROW_BUS_TCK = 2  // a row command needs up to 1.5 tCK of the row bus in JESD238
};
#define MEMORY_NEVER UINT64_MAX

// First tCKs in which a command of each kind is allowed by what the bank itself did.
struct memory_bank {
  bool open;
  uint16_t row;
  uint64_t act_at, pre_at, rd_at, wr_at;  // act_at: REF too
  uint64_t refreshes;
  unsigned waiting;  // requests of either queue
};

// First tCKs by what happened elsewhere in the channel.
struct memory_bus_times {
  uint64_t row_at, pre_at;
  uint64_t rank_act_at[MEMORY_RANKS], group_act_at[MEMORY_RANKS][MEMORY_GROUPS];  // after an ACT
  uint64_t rank_ref_at[MEMORY_RANKS];                                             // after a REF
  uint64_t window[MEMORY_RANKS][4];  // the last four ACTs of a rank, oldest first, each + nFAW
  uint64_t group_column_at[MEMORY_RANKS][MEMORY_GROUPS], group_rd_at[MEMORY_RANKS][MEMORY_GROUPS];
  uint64_t rd_after_rd, rd_after_wr, wr_after_rd, wr_after_wr;
  unsigned rd_rank, wr_rank;  // of the last ones
};

struct memory_entry {
  struct duplex_memory_request request;
  uint64_t submitted, order;
  unsigned blocked;  // older ones of the same 32 bytes that have to go before it
  uint16_t row;
  uint8_t bank, column;  // bank: 8 * bundle + bank of the bundle
};

// In the order of age.
struct memory_queue {
  struct memory_entry *entry;
  unsigned count, room, blocked;  // blocked: entries that wait for an older one
};

struct memory_channel {
  unsigned number;
  uint64_t now, next;  // first tCK that is not decided; first one from there on in which something can happen
  struct memory_bank bank[MEMORY_BANKS];
  uint32_t busy;       // banks with requests of either queue
  uint64_t urgent_at;  // when the first bank will be urgent
  struct memory_bus_times bus;
  struct memory_queue queue[2];  // reads, writes
  bool writes;                   // whose turn it is
  unsigned turn_left;            // requests that this turn may still serve while the others wait
  uint64_t order;
};

struct duplex_memory_controller {
  struct duplex_memory_parameters parameters;
  struct duplex_memory_calls calls;
  struct duplex_memory_statistics statistics;
  struct memory_channel *channel;
  struct memory_entry *entries;  // of all queues
};

static inline unsigned memory_rank_of(unsigned bank) { return bank / (2 * MEMORY_BUNDLE_BANKS); }
static inline unsigned memory_group_of(unsigned bank) { return bank % MEMORY_GROUPS; }

// memory_mapping.c: whether each part of an address stands there once.
bool memory_is_mapping(const struct duplex_memory_mapping *mapping);

// memory_times.c: the first tCK in which the rules allow a command to a bank, whatever the time is now, if
// the bank is open or closed as the command needs it.
uint64_t memory_act_at(const struct memory_channel *c, unsigned bank);
uint64_t memory_ref_at(const struct memory_channel *c, unsigned bank);
uint64_t memory_pre_at(const struct memory_channel *c, unsigned bank);
uint64_t memory_column_at(const struct memory_channel *c, const struct duplex_dram_timing *t, unsigned bank,
                          bool write);
// What a command that is given at `now` leaves for later ones.
void memory_note_act(struct memory_channel *c, const struct duplex_dram_timing *t, uint64_t now,
                     unsigned bank, uint16_t row);
void memory_note_pre(struct memory_channel *c, const struct duplex_dram_timing *t, uint64_t now,
                     unsigned bank);
void memory_note_ref(struct memory_channel *c, const struct duplex_dram_timing *t, uint64_t now,
                     unsigned bank);
void memory_note_column(struct memory_channel *c, const struct duplex_dram_timing *t, uint64_t now,
                        unsigned bank, bool write);

// memory_refresh.c: the tCK from which on a bank owes a refresh, and from which on its requests wait for it.
uint64_t memory_refresh_due(const struct duplex_memory_parameters *p, const struct memory_channel *c,
                            unsigned bank);
uint64_t memory_refresh_urgent(const struct duplex_memory_parameters *p, const struct memory_channel *c,
                               unsigned bank);
// When the first bank of a channel will be urgent.
uint64_t memory_first_urgent(const struct duplex_memory_parameters *p, const struct memory_channel *c);

// memory_queue.c: a request comes in, the queue having room; entry `index` of a queue leaves.
void memory_enter(struct memory_channel *c, const struct duplex_memory_request *request,
                  const struct duplex_memory_place *place, uint64_t tck);
void memory_leave(struct memory_channel *c, bool write, unsigned index);
// The entry that came first of both queues, NULL if there is none.
const struct memory_entry *memory_oldest(const struct memory_channel *c);

// memory_choice.c: the commands of one tCK, at most one on each bus; sets c->next.
void memory_decide(struct duplex_memory_controller *m, struct memory_channel *c, uint64_t now);

// memory_idle.c: all commands before this time of a channel for which no request waits.
void memory_pass_idle(struct duplex_memory_controller *m, struct memory_channel *c, uint64_t tck);

#endif
