// SPDX-License-Identifier: Apache-2.0
// The DRAM controller of a channel, clock by clock, without the data: rtl/dram with the same units, stages
// and pins in the same clocks. Timing comes from a preset at run time. Ports: docs/architecture.md, "Ports of
// the bundle controller".
#ifndef DUPLEX_CMODEL_BUNDLE_CONTROLLER_H
#define DUPLEX_CMODEL_BUNDLE_CONTROLLER_H

#include <stdbool.h>
#include <stdint.h>

#include "cmodel/dram/activation_window.h"
#include "cmodel/dram/row_set_queue.h"
#include "duplex/dram_presets.h"
#include "duplex/enumerations.h"
#include "duplex/hbm.h"
#include "duplex/params.h"

#ifdef __cplusplus
extern "C" {
#endif

// A preset in clocks of 2 tCK, each sum rounded up once; "wait" is what lies between two commands, less one.
struct bundle_timing {
  unsigned rc_wait, ras_wait, rp_wait, rcdrd_wait, rcdwr_wait, rtp_wait, wr_pre_wait, rfc_wait, rrd_wait;
  unsigned rrefd_wait;
  unsigned rd_rd_wait, rd_rd_switch_wait, rd_wr_wait, wr_rd_wait, wr_wr_wait;
  unsigned read_latency, write_latency, refresh_interval, refresh_urgent, refresh_forced;
  unsigned faw, soon_column;
};

// A command is allowed from clock `..._at` on.
struct bundle_state {
  bool open, half;  // half: the second half of the banks has to follow
  uint16_t row;
  uint8_t owed;  // refreshes
  uint64_t act_at, pre_at, rd_at, wr_at;
};

struct bundle_controller {
  struct bundle_timing timing;
  uint64_t now;
  unsigned owner, owner_before;
  bool strict;  // activation rule
  struct activation_window window[2];
  struct row_set_queue queue;
  struct bundle_state bundle[DUPLEX_BUNDLES];
  uint64_t refresh_due;            // next interval
  uint64_t rank_at[2], xpu_at[2];  // next ACT or REF of a rank, by either side (rtl/dram/rank_distance.v)
  unsigned ended;                  // mask: the bundle whose row set was read last
  // the column to write
  bool write_known, write_mode, served;
  uint8_t write_bundle;
  uint16_t write_row;
  unsigned patience, urgent, linger, turn, credits;
  // columns
  unsigned column, run_left;  // the next one, and how many of its run are behind it
  bool started, fresh;        // fresh: the next one is the first of its stream
  uint8_t last_rank;
  uint64_t rd_same_at, rd_other_at, wr_at;
  uint32_t reads, writes;  // data on their way, one bit a clock
  struct duplex_hbm_pins pins;
};

struct bundle_controller_in {
  bool read_valid, read_credit, write_valid, write_urgent, write_now;
  uint8_t xpu_row_request;  // mask: ACT by rank in bits 0 and 1, REF in 2 and 3
  uint8_t xpu_ref;          // mask of bundles
  uint8_t read_stripe, write_stripe;
  uint16_t read_base;
  uint32_t read_columns, write_column;
  struct read_runs read_runs;
};

// What stands at the outputs in this clock, before its edge.
struct bundle_controller_out {
  bool read_ready, read_beat_valid, write_ready, idle;
  uint8_t xpu_row_grant, open;
};

void bundle_controller_reset(struct bundle_controller *c, const struct duplex_dram_timing *timing,
                             unsigned read_credits);

// One clock. The command pins of the clock are in c->pins before the call.
void bundle_controller_clock(struct bundle_controller *c, const struct bundle_controller_in *in,
                             struct bundle_controller_out *out);

// If nothing is asked for, nothing happens before the next refresh is due.
bool bundle_controller_quiet(const struct bundle_controller *c);
// No row is open.
bool bundle_controller_closed(const struct bundle_controller *c);
// Quiet clocks pass, among them whole intervals of refresh, whose refreshes are done.
void bundle_controller_skip(struct bundle_controller *c, uint64_t clocks, uint64_t intervals);

#ifdef __cplusplus
}
#endif
#endif
