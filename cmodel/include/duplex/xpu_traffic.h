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
  unsigned owned;  // bundles of the xPU
  bool streams;    // else it only refreshes
  uint64_t now, refresh_due, reads;
  struct duplex_xpu_bank bank[DUPLEX_BUNDLES][8];
  uint64_t pair;    // number of the pair that is read
  unsigned column;  // 0 to 63 of the pair
  uint64_t rank_at[2], group_act_at[2][4], group_read_at[2][4], read_at;
  unsigned last_rank;
  uint64_t activations[2][4];          // last four of a rank
  unsigned refreshed[DUPLEX_BUNDLES];  // banks refreshed in this round, a mask
  uint8_t request, refreshed_bundles;  // to Logic-PIM's controller in this clock
  struct duplex_hbm_xpu_pins pins;     // of this clock
};

void duplex_xpu_start(struct duplex_xpu_traffic *x, const struct duplex_dram_timing *timing, unsigned owned, bool streams);

// One clock: before the call `request` and `refreshed_bundles` are what the controller sees, `pins` what the DRAM sees; `grant`
// is the controller's answer.
void duplex_xpu_clock(struct duplex_xpu_traffic *x, unsigned grant);

#ifdef __cplusplus
}
#endif
#endif
