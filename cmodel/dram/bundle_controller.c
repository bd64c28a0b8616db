// SPDX-License-Identifier: Apache-2.0
// Column commands, turns of reads and writes, credits, as rtl/dram/bundle_controller.v.
#include "cmodel/dram/bundle_controller.h"

#include <string.h>

#include "cmodel/dram/row_scheduler.h"
#include "cmodel/dram/stripe_map.h"

enum { WRITE_PATIENCE = 4000, WRITE_WAIT = 255, WRITE_TURN = 100, WRITE_LINGER = 7 };

static unsigned clocks(unsigned tck) { return (tck + 1) / 2; }

// The rules of a preset in clocks of two tCK, as the RTL's counters hold them: one less where a counter runs
// to 0.
static struct bundle_timing timing_of(const struct duplex_dram_timing *t) {
  const unsigned write_latency = clocks(t->nCWL);
  const unsigned pre_act = clocks(t->nRTP) + clocks(t->nRP);
  return (struct bundle_timing){.rc_wait = clocks(t->nRC) - 1,
                                .ras_wait = clocks(t->nRAS) - 1,
                                .rp_wait = clocks(t->nRP) - 1,
                                .rcdrd_wait = clocks(t->nRCDRD) - 1,
                                .rcdwr_wait = clocks(t->nRCDWR) - 1,
                                .rtp_wait = clocks(t->nRTP) - 1,
                                .wr_pre_wait = clocks(t->nCWL + t->nBL + t->nWR) - 1,
                                .rfc_wait = clocks(t->nRFCPB) - 1,
                                .rrd_wait = clocks(t->nRRDL) - 1,
                                .rrefd_wait = clocks(t->nRREFD) - 1,
                                .rd_rd_wait = clocks(t->nCCDL) - 1,
                                .rd_rd_switch_wait = clocks(t->nCCDL + t->nRTR) - 1,
                                .rd_wr_wait = clocks(t->nRTW + t->nRTR) - 1,
                                .wr_rd_wait = clocks(t->nCWL + t->nBL + t->nWTRL) - 1,
                                .wr_wr_wait = write_latency + 2,
                                .read_latency = clocks(t->nCL + t->nBL),
                                .write_latency = write_latency,
                                .refresh_interval = t->nREFI / 2,
                                .refresh_urgent = t->nREFMAX / 2,
                                .refresh_forced = t->nREFMAX - 2,
                                .faw = clocks(t->nFAW),
                                .soon_column = clocks(t->nFAW) > pre_act
                                                   ? DUPLEX_COLUMNS - 1 - (clocks(t->nFAW) - pre_act + 1) / 2
                                                   : DUPLEX_COLUMNS - 1};
}

void bundle_controller_reset(struct bundle_controller *c, const struct duplex_dram_timing *timing,
                             unsigned read_credits) {
  memset(c, 0, sizeof *c);
  c->timing = timing_of(timing);
  c->owner = c->owner_before = 15;
  c->credits = read_credits;
  c->fresh = true;
  c->refresh_due = c->timing.refresh_interval - 1;
}

static bool hurries(const struct bundle_controller *c, const struct bundle_controller_in *in) {
  return in->write_urgent || c->patience == 0;
}

// Who has the column commands in the next clock, and the write that waits.
static void turns_clock(struct bundle_controller *c, const struct bundle_controller_in *in, bool read_blocked,
                        bool open, bool rd, bool wr) {
  const bool hurry = hurries(c, in);
  const bool ripe = in->write_now || (hurry && (open || c->urgent == 0));
  const bool to_write = c->write_known && (read_blocked || (ripe && c->served));
  const bool to_read = c->linger == 0 || (!read_blocked && c->turn == 0 && c->served);
  const bool mode = c->write_mode;
  const bool next = mode ? !to_read : to_write;
  c->urgent = mode || !c->write_known || !hurry ? WRITE_WAIT : c->urgent - (c->urgent != 0);
  c->patience = mode || !c->write_known ? WRITE_PATIENCE : c->patience - (c->patience != 0);
  c->turn = !mode ? WRITE_TURN : c->turn - (c->turn != 0);
  c->linger = in->write_valid || !mode ? WRITE_LINGER : c->linger - 1;
  c->served = next == mode && (c->served || rd || wr);
  c->write_mode = next;
  c->write_known = in->write_valid && !wr;
  if (in->write_valid)
    stripe_map(in->write_column / DUPLEX_COLUMNS, in->write_stripe, &c->write_bundle, &c->write_row);
}

// The read of a column: how many of its run are behind it, the one that is read next, counted from the
// beginning of this row set, and whether it is the last one of its stream, or of the row set.
struct read_step {
  unsigned run_left, next;
  bool stream_ends, pop;
};

static struct read_step read_step_of(const struct bundle_controller *c) {
  const struct row_set *slot = &c->queue.slot[0];
  struct read_step step;
  step.run_left = c->fresh ? (unsigned)slot->runs.length + slot->runs.header : c->run_left;
  step.next = c->column + 1 + (step.run_left ? 0 : slot->runs.skip);
  step.stream_ends = slot->end && c->column == slot->last_column;
  step.pop = step.stream_ends || step.next >= DUPLEX_COLUMNS;
  return step;
}

// Behind a read.
static void next_column(struct bundle_controller *c, const struct read_step *step) {
  c->run_left = step->run_left ? step->run_left - 1 : c->queue.slot[0].runs.length;
  c->column = step->stream_ends ? 0 : step->next % DUPLEX_COLUMNS;
  c->started = !step->pop;
  c->fresh = step->stream_ends;
}

// The column command of this clock, if any, on the pins, and what it makes the next ones wait for; credits,
// and the shift registers of data that will come and go.
static void columns_clock(struct bundle_controller *c, const struct bundle_controller_in *in, bool rd,
                          bool wr, const struct read_step *step) {
  const struct bundle_timing *t = &c->timing;
  const uint64_t next = c->now + 1;
  const uint8_t bundle = rd ? c->queue.slot[0].bundle : c->write_bundle;
  c->pins.column_valid = rd || wr;
  if (rd || wr) {
    c->rd_same_at = next + (rd ? t->rd_rd_wait : t->wr_rd_wait);
    c->rd_other_at = next + (rd ? t->rd_rd_switch_wait : t->wr_rd_wait);
    c->wr_at = next + (rd ? t->rd_wr_wait : t->wr_wr_wait);
    c->last_rank = bundle / 2;
    c->pins.column_write = wr;
    c->pins.column_bundle = bundle;
    c->pins.column_mask = 0xff;
    c->pins.column_address = (uint8_t)(rd ? c->column : in->write_column % DUPLEX_COLUMNS);
  }
  c->credits += (unsigned)in->read_credit - (unsigned)rd;
  if (rd) next_column(c, step);
  c->reads = (c->reads << 1 | rd) & ((4u << t->read_latency) - 1);
  c->writes = (c->writes << 1 | wr) & ((4u << t->write_latency) - 1);
}

// A bundle that comes back from the xPU is not opened or refreshed for nRFCPB.
static void take_back(struct bundle_controller *c) {
  for (unsigned b = 0; b < DUPLEX_BUNDLES; b++) {
    const uint64_t from = c->now + 1 + c->timing.rfc_wait;
    if ((c->owner & ~c->owner_before) >> b & 1 && c->bundle[b].act_at < from) c->bundle[b].act_at = from;
  }
  c->owner_before = c->owner;
}

void bundle_controller_clock(struct bundle_controller *c, const struct bundle_controller_in *in,
                             struct bundle_controller_out *out) {
  const struct row_set_queue *q = &c->queue;
  if (c->owner != c->owner_before) take_back(c);
  const bool queue_busy = q->map || q->stream || in->read_valid;
  const struct row_scheduler_in rows = {.settled = q->slot[2].valid || !queue_busy,
                                        .late = c->column >= DUPLEX_COLUMNS / 2,
                                        .soon = c->column >= c->timing.soon_column,
                                        .write_here = c->write_mode && c->write_known,
                                        .write_ahead = c->write_known && hurries(c, in)};
  unsigned rd_open, wr_open;
  row_scheduler_open(c, &rows, &rd_open, &wr_open);
  const uint64_t bus_at = q->slot[0].bundle / 2 == c->last_rank ? c->rd_same_at : c->rd_other_at;
  const bool rd = !c->write_mode && rd_open && c->now >= bus_at && c->credits != 0;
  const bool wr = rows.write_here && wr_open && c->now >= c->wr_at;
  const struct read_step step = read_step_of(c);
  const bool pop = rd && step.pop;
  out->read_ready = !q->map && !q->stream;
  out->write_ready = wr;
  out->read_beat_valid = c->reads >> c->timing.read_latency & 3;
  out->idle = !queue_busy && !q->slot[0].valid && !q->slot[1].valid && !q->slot[2].valid && !c->reads &&
              !in->write_valid && !c->writes;
  const bool read_blocked = !q->slot[0].valid || c->credits == 0;
  out->open = 0;
  for (unsigned b = 0; b < DUPLEX_BUNDLES; b++)
    out->open |= (uint8_t)((c->bundle[b].open || c->bundle[b].half) << b);
  out->xpu_row_grant = (uint8_t)row_scheduler_clock(c, &rows, in, rd ? rd_open : 0, wr ? wr_open : 0, pop);
  const struct row_set_request request = {in->read_valid, in->read_stripe, in->read_base, in->read_columns,
                                          in->read_runs};
  columns_clock(c, in, rd, wr, &step);
  turns_clock(c, in, read_blocked, wr_open != 0, rd, wr);
  row_set_queue_clock(&c->queue, &request, pop);
  c->now++;
}

bool bundle_controller_quiet(const struct bundle_controller *c) {
  bool quiet = c->now != c->refresh_due && !c->pins.row_valid && !c->pins.column_valid && !c->write_known &&
               !c->write_mode && c->owner == c->owner_before && !c->window[0].turn && !c->window[1].turn;
  for (unsigned b = 0; b < DUPLEX_BUNDLES; b++) {
    const struct bundle_state *bundle = &c->bundle[b];
    const bool owned = c->owner >> b & 1;
    quiet = quiet && !bundle->half && (owned ? bundle->owed == 0 : !bundle->open);
  }
  return quiet;
}

bool bundle_controller_closed(const struct bundle_controller *c) {
  bool open = false;
  for (unsigned b = 0; b < DUPLEX_BUNDLES; b++) open |= c->bundle[b].open;
  return !open;
}

void bundle_controller_skip(struct bundle_controller *c, uint64_t clocks, uint64_t intervals) {
  c->refresh_due += intervals * c->timing.refresh_interval;
  c->now += clocks;
}
