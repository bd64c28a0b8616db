// SPDX-License-Identifier: Apache-2.0
// The xPU's side of a channel: the stream, refreshes, the choice of row commands.
#include "duplex/xpu_traffic.h"

#include <string.h>

#include "cmodel/hbm/xpu_reads.h"
#include "cmodel/hbm/xpu_rows.h"
#include "cmodel/hbm/xpu_writes.h"
#include "duplex/arithmetic.h"

enum { PAIRS = 4, AHEAD = 3, READS_OF_PAIR = 2 * DUPLEX_COLUMNS };

struct pair {
  unsigned bundle, bank;  // bank and bank + 1, of two bank groups
  uint16_t row;
};

void duplex_xpu_start(struct duplex_xpu_traffic *x, const struct duplex_dram_timing *timing, unsigned owned,
                      bool streams) {
  memset(x, 0, sizeof *x);
  x->timing = *timing;
  x->owned = owned;
  x->wants_to_stream = streams;
  x->streams = streams && owned;
  x->refresh_due = timing->nREFI / 2 - 1;
}

void duplex_xpu_take(struct duplex_xpu_traffic *x, unsigned owned) {
  const uint64_t due = (x->now + 1) / (x->timing.nREFI / 2);
  for (unsigned bundle = 0; bundle < DUPLEX_BUNDLES; bundle++) {
    if (!((owned & ~x->owned) >> bundle & 1)) continue;  // rows that are open in the others get closed
    const uint8_t owed = (uint8_t)(due > x->refreshes[bundle] ? due - x->refreshes[bundle] : 0);
    x->refreshed[bundle] = 0;
    for (unsigned bank = 0; bank < 8; bank++) {  // a row of its own that it has not closed yet stays open
      struct duplex_xpu_bank *b = &x->bank[bundle][bank];
      b->owed = owed;
      b->act_at = duplex_larger_u64(b->act_at, x->now + xpu_clocks(x->timing.nRFCPB));
    }
  }
  x->gave = true;
  if (owned & ~x->owned) x->taken_until = x->now + xpu_clocks(x->timing.nRFCPB);
  x->owned = owned;
  x->streams = x->wants_to_stream && owned;
  x->column = 0;
  x->foreseen = false;
}

void duplex_xpu_see_refresh(struct duplex_xpu_traffic *x, unsigned bundle) { x->refreshes[bundle]++; }

// No bank has a command to come before the next refresh is due; `all_closed`: and none is open.
static bool banks_rest(const struct duplex_xpu_traffic *x, bool all_closed) {
  bool rest = true;
  for (unsigned i = 0; i < DUPLEX_BUNDLES * 8; i++) {
    const struct duplex_xpu_bank *b = &x->bank[i / 8][i % 8];
    const bool owned = x->owned >> i / 8 & 1;
    rest = rest && !(owned && b->owed) && !(b->open && (all_closed || !owned));
  }
  return rest;
}

bool duplex_xpu_quiet(const struct duplex_xpu_traffic *x) {
  const bool shows = x->pins.row_valid || x->pins.column_valid || x->request || x->refreshed_bundles;
  return !shows && !x->streams && !x->gave && !x->writes_left && !x->reads_left && banks_rest(x, false);
}

bool duplex_xpu_closed(const struct duplex_xpu_traffic *x) { return banks_rest(x, true); }

uint64_t duplex_xpu_to_refresh(const struct duplex_xpu_traffic *x) { return x->refresh_due - 1 - x->now; }

void duplex_xpu_skip(struct duplex_xpu_traffic *x, uint64_t clocks, uint64_t intervals) {
  for (unsigned bundle = 0; bundle < DUPLEX_BUNDLES; bundle++) x->refreshes[bundle] += intervals;
  x->refresh_due += intervals * (x->timing.nREFI / 2);
  x->now += clocks;
  x->foreseen = false;
}

// Pairs go round the owned bundles, then round the banks, then to the next row.
static struct pair pair_at(const struct duplex_xpu_traffic *x, uint64_t number) {
  const unsigned bundles = (unsigned)__builtin_popcount(x->owned);
  unsigned place = (unsigned)(number % bundles);
  unsigned bundle = 0;
  while (!(x->owned >> bundle & 1) || place--) bundle++;
  return (struct pair){bundle, (unsigned)(number / bundles % PAIRS) * 2,
                       (uint16_t)(number / bundles / PAIRS % DUPLEX_BANK_ROWS)};
}

// What is queued goes first: somebody waits for it.
static bool is_streaming(const struct duplex_xpu_traffic *x) {
  return x->streams && !x->writes_left && !x->reads_left;
}

// Whether the stream reads from the bank soon.
static bool is_wanted(const struct duplex_xpu_traffic *x, unsigned bundle, unsigned bank) {
  for (unsigned i = 0; i < AHEAD && is_streaming(x); i++) {
    const struct pair p = pair_at(x, x->pair + i);
    if (p.bundle == bundle && p.bank == bank / 2 * 2) return true;
  }
  return false;
}

// A refresh that a bank owes, or the PRE before it, if nobody wants its row; XPU_NOTHING: none, or not now.
static struct duplex_xpu_candidate refresh_of(const struct duplex_xpu_traffic *x, unsigned bundle,
                                              unsigned bank) {
  const struct duplex_xpu_bank *b = &x->bank[bundle][bank];
  struct duplex_xpu_candidate c = {XPU_NOTHING, bundle, bank, 0};
  if (b->owed == 0 || is_wanted(x, bundle, bank) || xpu_writes_want(x, bundle, bank) ||
      xpu_reads_want(x, bundle, bank))
    return c;
  if (b->open && x->now >= b->pre_at) c.command = DUPLEX_ROW_COMMAND_PRE;
  if (!b->open && xpu_rank_ready(x, bundle, bank)) c.command = DUPLEX_ROW_COMMAND_REF;
  return c;
}

// The refresh of this clock: first that of a bank whose reads wait for it.
static struct duplex_xpu_candidate refresh(const struct duplex_xpu_traffic *x) {
  struct duplex_xpu_candidate first = {.command = XPU_NOTHING};
  for (unsigned bundle = 0; bundle < DUPLEX_BUNDLES; bundle++) {
    for (unsigned bank = 0; x->owned >> bundle & 1 && bank < 8; bank++) {
      const struct duplex_xpu_candidate c = refresh_of(x, bundle, bank);
      if (c.command == XPU_NOTHING) continue;
      if (x->read[bundle].pair[bank / 2].left) return c;
      if (first.command == XPU_NOTHING) first = c;
    }
  }
  return first;
}

// Rows of bundles that were given back.
static struct duplex_xpu_candidate close_given(const struct duplex_xpu_traffic *x) {
  for (unsigned bundle = 0; bundle < DUPLEX_BUNDLES; bundle++)
    for (unsigned bank = 0; !(x->owned >> bundle & 1) && bank < 8; bank++)
      if (x->bank[bundle][bank].open && x->now >= x->bank[bundle][bank].pre_at)
        return (struct duplex_xpu_candidate){DUPLEX_ROW_COMMAND_PRE, bundle, bank, 0};
  return (struct duplex_xpu_candidate){.command = XPU_NOTHING};
}

// The row command of this clock: rows of bundles given away are closed first, then writes, then reads, then
// the stream, then refreshes.
static struct duplex_xpu_candidate choose(const struct duplex_xpu_traffic *x) {
  const struct duplex_xpu_candidate given =
      x->gave ? close_given(x) : (struct duplex_xpu_candidate){.command = XPU_NOTHING};
  if (given.command != XPU_NOTHING) return given;
  const struct duplex_xpu_candidate written = xpu_writes_row(x);
  if (written.command != XPU_NOTHING) return written;
  const struct duplex_xpu_candidate read = xpu_reads_row(x);
  if (read.command != XPU_NOTHING) return read;
  for (unsigned i = 0; i < AHEAD && is_streaming(x); i++) {
    const struct pair p = pair_at(x, x->pair + i);
    for (unsigned bank = p.bank; bank < p.bank + 2; bank++) {
      const struct duplex_xpu_candidate c = xpu_open_row(x, p.bundle, bank, p.row);
      if (c.command != XPU_NOTHING) return c;
    }
  }
  return refresh(x);
}

// Puts the chosen row command on the pins and notes what it makes later commands wait for.
static void give(struct duplex_xpu_traffic *x, const struct duplex_xpu_candidate *c) {
  struct duplex_xpu_bank *b = &x->bank[c->bundle][c->bank];
  const struct duplex_dram_timing *t = &x->timing;
  const unsigned rank = c->bundle / 2;
  x->pins.row_valid = true;
  x->pins.row_command = (uint8_t)c->command;
  x->pins.row_bundle = (uint8_t)c->bundle;
  x->pins.row_bank = (uint8_t)c->bank;
  x->pins.row_address = (uint16_t)c->row;
  if (c->command == DUPLEX_ROW_COMMAND_ACT) {
    b->open = true;
    b->row = (uint16_t)c->row;
    b->rd_at = x->now + xpu_clocks(t->nRCDRD);
    b->wr_at = x->now + xpu_clocks(t->nRCDWR);
    b->pre_at = x->now + xpu_clocks(t->nRAS);
    b->act_at = x->now + xpu_clocks(t->nRC);
    x->rank_at[rank] = x->now + xpu_clocks(t->nRRDS);
    x->group_act_at[rank][c->bank % 4] = x->now + xpu_clocks(t->nRRDL);
    memmove(&x->activations[rank][0], &x->activations[rank][1], 3 * sizeof x->activations[rank][0]);
    x->activations[rank][3] = x->now + xpu_clocks(t->nFAW);
  } else if (c->command == DUPLEX_ROW_COMMAND_PRE) {
    b->open = false;
    b->act_at = duplex_larger_u64(b->act_at, x->now + xpu_clocks(t->nRP));
  } else {
    b->act_at = x->now + xpu_clocks(t->nRFCPB);
    x->ref_at[rank] = x->now + xpu_clocks(t->nRREFD);
    b->owed--;
    x->refreshed[c->bundle] |= 1u << c->bank;
  }
}

// The next read of the stream if its row is open and all rules allow it; goes on to the next pair of banks
// behind the last one.
static void stream_column(struct duplex_xpu_traffic *x) {
  const struct pair p = pair_at(x, x->pair);
  const unsigned bank = p.bank + x->column % 2;
  if (!xpu_may_read(x, p.bundle, bank, p.row)) return;
  xpu_read_column(x, p.bundle, bank, x->column / 2);
  if (++x->column < READS_OF_PAIR) return;
  x->column = 0;
  x->pair++;
}

// Bundles that are refreshed in all banks are told; each nREFI every bank owes one more.
static void count_refreshes(struct duplex_xpu_traffic *x) {
  x->refreshed_bundles = 0;
  for (unsigned bundle = 0; bundle < DUPLEX_BUNDLES; bundle++) {
    if (x->refreshed[bundle] != 0xff) continue;
    x->refreshed[bundle] = 0;
    x->refreshes[bundle]++;
    x->refreshed_bundles |= (uint8_t)(1u << bundle);
  }
  if (x->now != x->refresh_due) return;
  x->refresh_due += x->timing.nREFI / 2;
  for (unsigned bundle = 0; bundle < DUPLEX_BUNDLES; bundle++)
    for (unsigned bank = 0; x->owned >> bundle & 1 && bank < 8; bank++) x->bank[bundle][bank].owed++;
}

// Whether a row is still open in a bundle that is not the xPU's any more.
static bool any_open_given(const struct duplex_xpu_traffic *x) {
  for (unsigned bundle = 0; bundle < DUPLEX_BUNDLES; bundle++)
    for (unsigned bank = 0; !(x->owned >> bundle & 1) && bank < 8; bank++)
      if (x->bank[bundle][bank].open) return true;
  return false;
}

// ACT and REF need a grant: a bit for each of them in each rank.
static uint8_t request_of(const struct duplex_xpu_candidate *c) {
  const unsigned rank = 1u << c->bundle / 2;
  if (c->command == DUPLEX_ROW_COMMAND_ACT) return (uint8_t)rank;
  return (uint8_t)(c->command == DUPLEX_ROW_COMMAND_REF ? rank << 2 : 0);
}

// Asks for the row command of the next clock. It is still that then, unless more is queued or bundles change
// hands.
static void ask(struct duplex_xpu_traffic *x) {
  x->now++;
  x->next = choose(x);
  x->now--;
  x->foreseen = true;
  x->request = request_of(&x->next);
}

// All times are those of the pins, one clock after the decision.
void duplex_xpu_clock(struct duplex_xpu_traffic *x, unsigned grant) {
  const unsigned asked = x->request;
  x->now++;
  if (x->gave && !any_open_given(x)) x->gave = false;
  if (x->owned == 0 && !x->gave) {  // nothing to do but to keep the time of refreshes
    memset(&x->pins, 0, sizeof x->pins);
    x->request = x->refreshed_bundles = 0;
    if (x->now == x->refresh_due) x->refresh_due += x->timing.nREFI / 2;
    return;
  }
  struct duplex_xpu_candidate c = x->foreseen ? x->next : choose(x);
  memset(&x->pins, 0, sizeof x->pins);
  if (request_of(&c) & ~(asked & grant)) c.command = XPU_NOTHING;
  if (c.command != XPU_NOTHING) give(x, &c);
  if (is_streaming(x)) stream_column(x);
  if (x->writes_left)
    xpu_writes_column(x);
  else if (x->reads_left)
    xpu_reads_column(x);
  count_refreshes(x);
  ask(x);
}
