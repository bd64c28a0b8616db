// Stands for the xPU on one channel: streams reads at full rate from the bundles that it owns, and refreshes them, on its own
// command and data path (ordinary HBM3 commands to single banks, one row and one column command a clock of 2 tCK).
//
// Pairs of banks of two bank groups are read in turn, column by column, one read every nCCDS; the rows of the next two pairs are
// opened meanwhile, and a pair is refreshed when its rows have been read. Rule strict: an activation needs the grant of
// Logic-PIM's controller (rtl/dram/activation_window.v).
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
  uint64_t act_at, pre_at, rd_at;  // first clocks in which a command is allowed
};

struct duplex_xpu_traffic {
  struct duplex_dram_timing timing;
  unsigned owned;                 // bundles of the xPU
  bool wants_to_stream, streams;  // else it only refreshes
  bool gave;                      // rows may be open in bundles that it gave back
  uint64_t now, refresh_due, reads;
  struct duplex_xpu_bank bank[DUPLEX_BUNDLES][8];
  uint64_t pair;    // number of the pair that is read
  unsigned column;  // 0 to 63 of the pair
  uint64_t rank_at[2], group_act_at[2][4], group_read_at[2][4], read_at;
  unsigned last_rank;
  uint64_t activations[2][4];          // last four of a rank
  unsigned refreshed[DUPLEX_BUNDLES];  // banks refreshed in this round, a mask
  uint64_t refreshes[DUPLEX_BUNDLES];  // of whole bundles, by either side
  uint8_t request, refreshed_bundles;  // to Logic-PIM's controller in this clock
  struct duplex_hbm_xpu_pins pins;     // of this clock
};

void duplex_xpu_start(struct duplex_xpu_traffic *x, const struct duplex_dram_timing *timing, unsigned owned, bool streams);

// From this clock on the xPU owns these bundles. Those that are new to it come with the refreshes that they are owed, and are
// left alone for nRFCPB.
void duplex_xpu_take(struct duplex_xpu_traffic *x, unsigned owned);

// Logic-PIM has refreshed a bundle.
void duplex_xpu_see_refresh(struct duplex_xpu_traffic *x, unsigned bundle);

// Clocks in which nothing but refreshes happens, which are not done command by command.
void duplex_xpu_skip(struct duplex_xpu_traffic *x, uint64_t clocks);

// One clock: before the call `request` and `refreshed_bundles` are what the controller sees, `pins` what the DRAM sees; `grant`
// is the controller's answer.
void duplex_xpu_clock(struct duplex_xpu_traffic *x, unsigned grant);

#ifdef __cplusplus
}
#endif
#endif
