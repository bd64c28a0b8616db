// SPDX-License-Identifier: Apache-2.0
// Stands for the xPU on one channel: streams reads at full rate from the bundles that it owns, and refreshes
// them, on its own command and data path (ordinary HBM3 commands to single banks, one row and one column
// command a clock of 2 tCK).
//
// Pairs of banks of two bank groups are read in turn, column by column, one read every nCCDS; the rows of the
// next two pairs are opened meanwhile, and a pair is refreshed when its rows have been read. Rule strict: an
// activation needs the grant of Logic-PIM's controller (rtl/dram/activation_window.v).
//
// Writes are queued by address, and go before the stream: 32 bytes of a bank each, one every nCCDS, or nCCDL
// in one bank group.
#ifndef DUPLEX_XPU_TRAFFIC_H
#define DUPLEX_XPU_TRAFFIC_H

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

// 32 bytes of a bank, and those that a bank has still to write: [first, count).
struct duplex_xpu_write {
  uint16_t row;
  uint8_t column;
};
struct duplex_xpu_queue {
  struct duplex_xpu_write *writes;
  size_t first, count, room;
  uint32_t rows;  // rows of these, each time that they change
};

struct duplex_xpu_traffic {
  struct duplex_dram_timing timing;
  unsigned owned;                 // bundles of the xPU
  bool wants_to_stream, streams;  // else it only refreshes
  bool gave;                      // rows may be open in bundles that it gave back
  uint64_t now, taken_until, refresh_due, reads, writes;
  struct duplex_xpu_bank bank[DUPLEX_BUNDLES][8];
  uint64_t pair;    // number of the pair that is read
  unsigned column;  // 0 to 63 of the pair
  uint64_t rank_at[2], group_act_at[2][4], group_column_at[2][4], read_at, write_at;
  unsigned last_rank, last_write_rank;
  uint64_t activations[2][4];          // last four of a rank
  unsigned refreshed[DUPLEX_BUNDLES];  // banks refreshed in this round, a mask
  uint64_t refreshes[DUPLEX_BUNDLES];  // of whole bundles, by either side
  uint8_t request, refreshed_bundles;  // to Logic-PIM's controller in this clock
  struct duplex_hbm_xpu_pins pins;     // of this clock
  struct duplex_xpu_queue queue[DUPLEX_BUNDLES][8];
  uint64_t writes_left, group_left[2][4];  // queued and not commanded; of a rank's bank group
};

void duplex_xpu_start(struct duplex_xpu_traffic *x, const struct duplex_dram_timing *timing, unsigned owned,
                      bool streams);

// Queues the write of [address, address + size) of the channel, multiples of 32; the bundles must be the
// xPU's until `writes_left` is 0. DUPLEX_ERROR_NO_MEMORY: some of it may be queued.
int duplex_xpu_write(struct duplex_xpu_traffic *x, uint64_t address, size_t size);
// Writes have still to go out, or bundles that were taken have still to be left alone.
bool duplex_xpu_busy(const struct duplex_xpu_traffic *x);
#define DUPLEX_XPU_WAIT_MOST 50000000u  // clocks: more than it takes to write all cells
// Frees what is queued.
void duplex_xpu_stop(struct duplex_xpu_traffic *x);

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
