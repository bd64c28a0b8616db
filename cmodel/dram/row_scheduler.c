// SPDX-License-Identifier: Apache-2.0
// Row commands of a channel, as rtl/dram/row_scheduler.v and bundle_state.v.
#include "cmodel/dram/row_scheduler.h"

// What one bundle should do next.
struct wish {
  bool wanted, refresh_now;
  uint16_t row;
};

// What a bundle wants: a row for the write that waits or for the oldest of its row sets, and whether it
// refreshes first. Writes nothing.
static struct wish wish_of(const struct bundle_controller *c, const struct row_scheduler_in *in, unsigned b) {
  const struct bundle_state *bundle = &c->bundle[b];
  const struct row_set *slot = c->queue.slot;
  const bool write_here = in->write_here && c->write_bundle == b;
  bool in_slot[3];
  for (unsigned i = 0; i < 3; i++) in_slot[i] = slot[i].valid && slot[i].bundle == b;
  const bool between = (c->ended >> b & 1 && !in->late) || (!in_slot[1] && !in_slot[2]);
  const bool ahead = in->write_ahead && c->write_bundle == b && !in_slot[0] && between;
  struct wish wish = {.wanted = write_here || ahead || in_slot[0] || in_slot[1] || in_slot[2]};
  wish.row = slot[2].row;
  if (in_slot[1]) wish.row = slot[1].row;
  if (in_slot[0]) wish.row = slot[0].row;
  if (write_here || ahead) wish.row = c->write_row;
  if (bundle->owed == 0) return wish;
  const bool right = wish.wanted && bundle->open && bundle->row == wish.row;
  const bool busy = write_here || (in_slot[0] && c->started);
  const bool turn =
      c->ended >> b & 1 ? !write_here && !in_slot[0] && !right && !in->late : !wish.wanted && in->settled;
  wish.refresh_now =
      turn || (bundle->owed >= c->timing.refresh_urgent && !busy) || bundle->owed >= c->timing.refresh_forced;
  return wish;
}

void row_scheduler_open(const struct bundle_controller *c, const struct row_scheduler_in *in,
                        unsigned *rd_open, unsigned *wr_open) {
  const unsigned rd = c->queue.slot[0].bundle;
  const unsigned wr = c->write_bundle;
  const struct bundle_state *read = &c->bundle[rd];
  const struct bundle_state *write = &c->bundle[wr];
  *rd_open = c->queue.slot[0].valid && read->open && c->now >= read->rd_at &&
                     read->row == c->queue.slot[0].row && !wish_of(c, in, rd).refresh_now
                 ? 1u << rd
                 : 0;
  *wr_open =
      write->open && c->now >= write->wr_at && write->row == c->write_row && !wish_of(c, in, wr).refresh_now
          ? 1u << wr
          : 0;
}

enum { NOTHING = DUPLEX_ROW_COMMAND_REF + 1 };

// The row command that the bundle may have in this clock for its wish; NOTHING if it has to wait.
static unsigned command_of(const struct bundle_controller *c, const struct wish *wish, unsigned b) {
  const struct bundle_state *bundle = &c->bundle[b];
  const bool owned = c->owner >> b & 1;
  const bool window = !c->strict || activation_window_four(&c->window[b / 2], c->now);
  const bool rank = c->now >= c->rank_at[b / 2];
  if (bundle->half) return rank && window ? DUPLEX_ROW_COMMAND_ACT : NOTHING;
  if (bundle->open) {
    const bool wrong = !owned || wish->refresh_now || (wish->wanted && bundle->row != wish->row);
    return wrong && c->now >= bundle->pre_at ? DUPLEX_ROW_COMMAND_PRE : NOTHING;
  }
  if (!owned || c->now < bundle->act_at) return NOTHING;
  if (!rank) return NOTHING;
  if (wish->refresh_now) return DUPLEX_ROW_COMMAND_REF;
  return wish->wanted && window ? DUPLEX_ROW_COMMAND_ACT : NOTHING;
}

// Will the bundle need its activation within nFAW?
static bool needs_act(const struct bundle_controller *c, const struct row_scheduler_in *in,
                      const struct wish *wish, unsigned b) {
  const struct bundle_state *bundle = &c->bundle[b];
  const struct row_set *slot = c->queue.slot;
  if (bundle->half) return true;
  if (!(c->owner >> b & 1) || wish->refresh_now) return false;
  if (in->soon && slot[0].valid && slot[0].bundle == b && slot[1].valid && slot[1].bundle == b) return true;
  const bool right = bundle->open && bundle->row == wish->row;
  return wish->wanted && !right && (bundle->open || bundle->act_at <= c->now + c->timing.faw);
}

static void later(uint64_t *at, uint64_t clock) {
  if (clock > *at) *at = clock;
}

// Clocks from an ACT or REF of either side to the next one of the rank, as rtl/dram/rank_distance.v.
static unsigned distance_after(const struct bundle_controller *c, unsigned command) {
  return command == DUPLEX_ROW_COMMAND_REF ? c->timing.rrefd_wait : c->timing.rrd_wait;
}

// Puts the row command of bundle `b` on the pins and notes what it makes later commands wait for; under the
// strict rule a row opens in two halves.
static void give(struct bundle_controller *c, unsigned b, unsigned command, uint16_t row) {
  struct bundle_state *bundle = &c->bundle[b];
  const uint64_t next = c->now + 1;
  const bool opens = command != DUPLEX_ROW_COMMAND_PRE;
  if (opens) c->rank_at[b / 2] = c->xpu_at[b / 2] = next + distance_after(c, command);
  c->pins.row_valid = true;
  c->pins.row_command = (uint8_t)command;
  c->pins.row_bundle = (uint8_t)b;
  c->pins.row_mask = 0xff;
  if (command == DUPLEX_ROW_COMMAND_ACT && c->strict) c->pins.row_mask = bundle->half ? 0xf0 : 0x0f;
  c->pins.row_address = bundle->half ? bundle->row : row;
  if (command == DUPLEX_ROW_COMMAND_ACT && c->strict && !bundle->half) {
    bundle->half = true;
    bundle->row = row;
  } else if (command == DUPLEX_ROW_COMMAND_ACT) {
    bundle->open = true;
    if (!bundle->half) bundle->row = row;
    bundle->half = false;
    bundle->rd_at = next + c->timing.rcdrd_wait;
    bundle->wr_at = next + c->timing.rcdwr_wait;
    later(&bundle->act_at, next + c->timing.rc_wait);
    later(&bundle->pre_at, next + c->timing.ras_wait);
  } else if (command == DUPLEX_ROW_COMMAND_PRE) {
    bundle->open = false;
    later(&bundle->act_at, next + c->timing.rp_wait);
  } else {
    later(&bundle->act_at, next + c->timing.rfc_wait);
    bundle->owed--;
  }
}

// The refreshes of all bundles are counted, whoever owns them.
static void count_refreshes(struct bundle_controller *c, unsigned xpu_ref) {
  const bool due = c->now == c->refresh_due;
  if (due) c->refresh_due += c->timing.refresh_interval;
  for (unsigned b = 0; b < DUPLEX_BUNDLES; b++) {
    const bool done = xpu_ref >> b & 1;
    if (due && !done && c->bundle[b].owed < 15) c->bundle[b].owed++;
    if (!due && done && c->bundle[b].owed) c->bundle[b].owed--;
  }
}

// The xPU's rows: what it may do now in each rank, and what it does leaves its distance to Logic-PIM.
static unsigned xpu_clock(struct bundle_controller *c, unsigned need, unsigned act, unsigned opened,
                          unsigned request) {
  unsigned grant = 0;
  for (unsigned rank = 0; rank < 2; rank++) {
    const unsigned shift = 2 * rank;
    const struct window_in in = {.strict = c->strict,
                                 .need = need >> shift & 3,
                                 .act = act >> shift & 3,
                                 .opened = opened >> shift & 3,
                                 .ready = c->now >= c->xpu_at[rank],
                                 .request = request >> rank & 1};
    const bool activate = activation_window_clock(&c->window[rank], c->now, c->timing.faw, &in);
    grant |= (unsigned)activate << rank | (unsigned)in.ready << (2 + rank);
    for (unsigned ref = 0; ref < 2; ref++)
      if (request & grant & (ref ? 4u : 1u) << rank)
        later(&c->rank_at[rank],
              c->now + 1 + distance_after(c, ref ? DUPLEX_ROW_COMMAND_REF : DUPLEX_ROW_COMMAND_ACT));
  }
  return grant;
}

unsigned row_scheduler_clock(struct bundle_controller *c, const struct row_scheduler_in *in,
                             const struct bundle_controller_in *xpu, unsigned rd, unsigned wr, bool pop) {
  unsigned command = NOTHING;
  unsigned chosen = 0;
  unsigned need = 0;
  unsigned act = 0;
  unsigned opened = 0;
  uint16_t row = 0;
  for (unsigned b = 0; b < DUPLEX_BUNDLES && (command == NOTHING || c->strict); b++) {
    const struct wish wish = wish_of(c, in, b);
    if (c->strict) need |= (unsigned)needs_act(c, in, &wish, b) << b;
    if (command != NOTHING) continue;
    command = command_of(c, &wish, b);
    chosen = b;
    row = wish.row;
  }
  c->pins.row_valid = false;
  if (command == DUPLEX_ROW_COMMAND_ACT) act = 1u << chosen;
  if (command != NOTHING) give(c, chosen, command, row);
  if (act && !c->bundle[chosen].half) opened = act;
  if (rd) later(&c->bundle[__builtin_ctz(rd)].pre_at, c->now + 1 + c->timing.rtp_wait);
  if (wr) later(&c->bundle[__builtin_ctz(wr)].pre_at, c->now + 1 + c->timing.wr_pre_wait);
  count_refreshes(c, xpu->xpu_ref);
  if (pop) c->ended = 1u << c->queue.slot[0].bundle;
  return xpu_clock(c, need, act, opened, xpu->xpu_row_request);
}
