// SPDX-License-Identifier: Apache-2.0
// Writes of the xPU: a queue for each bank, and the choice among the banks. The bank group with most left to
// write goes first, because its banks share one column command every nCCDL; within it the bank with most rows
// left: rows are finished one after the other, and turn around behind those of the other banks.
#include "cmodel/hbm/xpu_writes.h"

#include <stdlib.h>

#include "duplex/arithmetic.h"
#include "duplex/error.h"

static uint64_t *left_of_group(struct duplex_xpu_traffic *x, uint64_t address) {
  return &x->group_left[address >> (DUPLEX_BUNDLE_LSB + 1)][address / XPU_PIECE_BYTES % 4];
}

// Queues the write of one column at its bank; DUPLEX_ERROR_NO_MEMORY leaves the queue as it was.
static int add(struct duplex_xpu_traffic *x, uint64_t address) {
  const unsigned bundle = (unsigned)(address >> DUPLEX_BUNDLE_LSB);
  const unsigned bank = (unsigned)(address / XPU_PIECE_BYTES % XPU_BANKS);
  struct duplex_xpu_queue *q = &x->queue[bundle][bank];
  struct duplex_xpu_write **writes = &x->memory.writes[bundle][bank];
  size_t *room = &x->memory.writes_room[bundle][bank];
  if (q->first == q->count) q->first = q->count = 0;
  if (q->count == *room) {
    const size_t larger = *room ? 2 * *room : 64;
    struct duplex_xpu_write *more = realloc(*writes, larger * sizeof *more);
    if (!more) return DUPLEX_ERROR_NO_MEMORY;
    *writes = more, *room = larger;
  }
  const uint16_t row = address >> DUPLEX_ROW_LSB & (DUPLEX_BANK_ROWS - 1);
  q->rows += q->first == q->count || (*writes)[q->count - 1].row != row;
  (*writes)[q->count++] =
      (struct duplex_xpu_write){row, (uint8_t)(address / DUPLEX_COLUMN_BYTES % DUPLEX_COLUMNS)};
  ++*left_of_group(x, address);
  x->writes_left++;
  return DUPLEX_OK;
}

int duplex_xpu_write(struct duplex_xpu_traffic *x, uint64_t address, size_t size) {
  if (!xpu_is_range(address, size)) return DUPLEX_ERROR_ARGUMENT;
  x->foreseen = false;
  for (size_t done = 0; done < size; done += XPU_PIECE_BYTES) {
    const int error = add(x, address + done);
    if (error) return error;
  }
  return DUPLEX_OK;
}

// The oldest write of a bank that has one.
static const struct duplex_xpu_write *oldest(const struct duplex_xpu_traffic *x, unsigned bundle,
                                             unsigned bank) {
  return &x->memory.writes[bundle][bank][x->queue[bundle][bank].first];
}

bool xpu_writes_want(const struct duplex_xpu_traffic *x, unsigned bundle, unsigned bank) {
  const struct duplex_xpu_queue *q = &x->queue[bundle][bank];
  return q->first < q->count && x->owned >> bundle & 1 && x->bank[bundle][bank].owed < XPU_URGENT;
}

struct duplex_xpu_candidate xpu_writes_row(const struct duplex_xpu_traffic *x) {
  struct duplex_xpu_candidate best = {.command = XPU_NOTHING};
  uint64_t most = 0;
  for (unsigned i = 0; x->writes_left && i < DUPLEX_BUNDLES * XPU_BANKS; i++) {
    const unsigned bundle = i / XPU_BANKS;
    const unsigned bank = i % XPU_BANKS;
    const uint64_t left = x->group_left[bundle / 2][bank % 4];
    if (left <= most || !xpu_writes_want(x, bundle, bank)) continue;
    const struct duplex_xpu_candidate c = xpu_open_row(x, bundle, bank, oldest(x, bundle, bank)->row);
    if (c.command != XPU_NOTHING) best = c, most = left;
  }
  return best;
}

// Whether the bank's oldest write may go now: its row is open and all rules allow it.
static bool may_write(const struct duplex_xpu_traffic *x, unsigned bundle, unsigned bank) {
  const struct duplex_xpu_bank *b = &x->bank[bundle][bank];
  const unsigned rank = bundle / 2;
  return xpu_writes_want(x, bundle, bank) && b->open && b->row == oldest(x, bundle, bank)->row &&
         x->now >= b->wr_at && x->now >= x->group_column_at[rank][bank % 4] &&
         x->now >= x->write_at + (rank != x->last_write_rank ? xpu_clocks(x->timing.nRTR) : 0);
}

// Puts the bank's oldest write on the pins and notes what it makes later commands wait for.
static void write_one(struct duplex_xpu_traffic *x, unsigned bundle, unsigned bank) {
  const struct duplex_dram_timing *t = &x->timing;
  struct duplex_xpu_queue *q = &x->queue[bundle][bank];
  const unsigned rank = bundle / 2;
  x->pins.column_valid = x->pins.column_write = true;
  x->pins.column_bundle = (uint8_t)bundle;
  x->pins.column_bank = (uint8_t)bank;
  const uint16_t row = oldest(x, bundle, bank)->row;
  x->pins.column_address = oldest(x, bundle, bank)->column;
  q->first++;
  q->rows -= q->first == q->count || oldest(x, bundle, bank)->row != row;
  x->bank[bundle][bank].pre_at =
      duplex_larger_u64(x->bank[bundle][bank].pre_at, x->now + xpu_clocks(t->nCWL + t->nBL + t->nWR));
  x->write_at = x->now + xpu_clocks(t->nCCDS);
  x->written_at = x->now + xpu_clocks(t->nCWL + t->nBL);
  x->read_at = duplex_larger_u64(x->read_at, x->now + xpu_clocks(t->nCWL + t->nBL + t->nWTRL));
  x->group_column_at[rank][bank % 4] = x->now + xpu_clocks(t->nCCDL);
  x->last_write_rank = rank;
  x->group_left[rank][bank % 4]--;
  x->writes_left--;
  x->writes++;
}

void xpu_writes_column(struct duplex_xpu_traffic *x) {
  unsigned best = 0;
  uint64_t most = 0;
  for (unsigned i = 0; x->writes_left && i < DUPLEX_BUNDLES * XPU_BANKS; i++) {
    const unsigned bundle = i / XPU_BANKS;
    const unsigned bank = i % XPU_BANKS;
    const unsigned rank = bundle / 2;
    if (!may_write(x, bundle, bank)) continue;
    const uint64_t weight = x->group_left[rank][bank % 4] << 32 | x->queue[bundle][bank].rows;
    if (weight > most) most = weight, best = i;
  }
  if (most) write_one(x, best / XPU_BANKS, best % XPU_BANKS);
}
