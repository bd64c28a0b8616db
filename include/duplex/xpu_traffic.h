// SPDX-License-Identifier: Apache-2.0
// The xPU's side of one channel: reads and writes what is queued, or streams reads at full rate from the
// bundles that it owns, and refreshes them, on its own command and data path (ordinary HBM3 commands to
// single banks, one row and one column command a clock of 2 tCK).
//
// The stream: pairs of banks of two bank groups are read in turn, column by column, one read every nCCDS; the
// rows of the next two pairs are opened meanwhile, and a pair is refreshed when its rows have been read. An
// activation or refresh needs the grant of Logic-PIM's controller (rtl/dram/rank_distance.v,
// activation_window.v).
//
// Writes are queued by address, and go before all reads: 32 bytes of a bank each, one every nCCDS, or nCCDL
// in one bank group.
//
// Reads are queued by row sets, and go before the stream. Each pair of banks goes its own way through what
// its bundle has queued: opens its row as soon as it can, and is refreshed between two rows. The pair with
// most left is read first, to the end of its row.
#ifndef DUPLEX_XPU_TRAFFIC_H
#define DUPLEX_XPU_TRAFFIC_H

#include "duplex/backend.h"
#include "duplex/dram_presets.h"
#include "duplex/hbm.h"

#ifdef __cplusplus
extern "C" {
#endif

struct duplex_xpu_bank {
  bool open;
  uint8_t owed;  // refreshes
  uint16_t row;
  uint64_t act_at, pre_at, rd_at, wr_at;  // first clocks in which a command is allowed
};

// Row sets that follow each other, and which pieces of 32 bytes of each: [from, to) of 256. Piece i lies in
// column i / 8 of bank i mod 8.
struct duplex_xpu_rows {
  uint16_t first, count;
  uint16_t from, to;
};
// Where a pair of banks is: its next piece, in row `row` of the rows at place `at`; nothing counts but `left`
// if that is 0.
struct duplex_xpu_reader {
  size_t at;
  uint16_t row, piece;
  uint64_t left;  // pieces
};
// What a bundle has to read: so many entries of `rows` below.
struct duplex_xpu_read_queue {
  size_t count;
  struct duplex_xpu_reader pair[4];
};

// 32 bytes of a bank, and those that a bank has still to write: [first, count).
struct duplex_xpu_write {
  uint16_t row;
  uint8_t column;
};
struct duplex_xpu_queue {
  size_t first, count;
  uint32_t rows;  // rows of these, each time that they change
};

// Where the queues lie.
struct duplex_xpu_memory {
  struct duplex_xpu_write *writes[DUPLEX_BUNDLES][8];
  size_t writes_room[DUPLEX_BUNDLES][8];
  struct duplex_xpu_rows *rows[DUPLEX_BUNDLES];
  size_t rows_room[DUPLEX_BUNDLES];
};

// A row command that a bank is to have; of nothing, none.
struct duplex_xpu_candidate {
  unsigned command, bundle, bank, row;
};

struct duplex_xpu_traffic {
  struct duplex_dram_timing timing;
  unsigned owned;                 // bundles of the xPU
  bool wants_to_stream, streams;  // else it only refreshes
  bool gave;                      // rows may be open in bundles that it gave back
  uint64_t now, taken_until, refresh_due, reads, writes;
  struct duplex_xpu_bank bank[DUPLEX_BUNDLES][8];
  uint64_t pair;                                       // number of the pair that is read
  unsigned column;                                     // 0 to 63 of the pair
  uint64_t rank_at[2], group_act_at[2][4], ref_at[2];  // next ACT or REF after an ACT, after a REF
  uint64_t group_column_at[2][4], read_at, write_at;
  unsigned last_rank, last_write_rank;
  uint64_t activations[2][4];          // last four of a rank
  unsigned refreshed[DUPLEX_BUNDLES];  // banks refreshed in this round, a mask
  uint64_t refreshes[DUPLEX_BUNDLES];  // of whole bundles, by either side
  uint8_t request;  // to Logic-PIM's controller in this clock: ACT by rank in bits 0 and 1, REF in 2, 3
  uint8_t refreshed_bundles;        // to it too
  struct duplex_hbm_xpu_pins pins;  // of this clock
  struct duplex_xpu_queue queue[DUPLEX_BUNDLES][8];
  uint64_t writes_left, group_left[2][4];  // queued and not commanded; of a rank's bank group
  struct duplex_xpu_read_queue read[DUPLEX_BUNDLES];
  uint64_t reads_left;  // queued and not commanded
  uint64_t data_at;     // when the data of the last one that was queued have come
  uint64_t written_at;  // when those of the last queued write have gone out
  unsigned reading;     // the pair: 4 * bundle + pair
  bool foreseen;        // the row command of the next clock is known:
  struct duplex_xpu_candidate next;
  struct duplex_xpu_memory memory;  // last: all before it is the state, which twins share
};

void duplex_xpu_start(struct duplex_xpu_traffic *x, const struct duplex_dram_timing *timing, unsigned owned,
                      bool streams);

// Queues the write of [address, address + size) of the channel, multiples of 32; the bundles must be the
// xPU's until `writes_left` is 0. DUPLEX_ERROR_NO_MEMORY: some of it may be queued.
int duplex_xpu_write(struct duplex_xpu_traffic *x, uint64_t address, size_t size);
// The same for reads, until `reads_left` is 0. Ranges that go on where the last one ended, or with the same
// bytes of the next row set, take no more memory.
int duplex_xpu_read(struct duplex_xpu_traffic *x, uint64_t address, size_t size);
// Reads or writes have still to go out, or data to come, or bundles that were taken to be left alone.
bool duplex_xpu_busy(const struct duplex_xpu_traffic *x);
#define DUPLEX_XPU_WAIT_MOST 50000000u  // clocks: more than it takes to write all cells
// Adds what this channel has to do to *state. `clocks` have been done since open.
void duplex_xpu_add_state(const struct duplex_xpu_traffic *x, uint64_t clocks,
                          struct duplex_xpu_state *state);
// Frees what is queued.
void duplex_xpu_stop(struct duplex_xpu_traffic *x);

// Twins: whether two do the same from now on; and `x`, which was the same as `leader` before nothing was
// queued at either, comes to its state.
bool duplex_xpu_same(const struct duplex_xpu_traffic *x, const struct duplex_xpu_traffic *y);
void duplex_xpu_follow(struct duplex_xpu_traffic *x, const struct duplex_xpu_traffic *leader);

// From this clock on the xPU owns these bundles. Those that are new to it come with the refreshes that they
// are owed, and are left alone for nRFCPB.
void duplex_xpu_take(struct duplex_xpu_traffic *x, unsigned owned);

// Logic-PIM has refreshed a bundle.
void duplex_xpu_see_refresh(struct duplex_xpu_traffic *x, unsigned bundle);

// Nothing happens before the next refresh is due, in so many clocks; and no row is open either.
bool duplex_xpu_quiet(const struct duplex_xpu_traffic *x);
uint64_t duplex_xpu_to_refresh(const struct duplex_xpu_traffic *x);
bool duplex_xpu_closed(const struct duplex_xpu_traffic *x);
// Quiet clocks pass, among them whole intervals of refresh, in which either side has refreshed its bundles.
void duplex_xpu_skip(struct duplex_xpu_traffic *x, uint64_t clocks, uint64_t intervals);

// One clock: before the call `request` and `refreshed_bundles` are what the controller sees, `pins` what the
// DRAM sees; `grant` is the controller's answer.
void duplex_xpu_clock(struct duplex_xpu_traffic *x, unsigned grant);

#ifdef __cplusplus
}
#endif
#endif
