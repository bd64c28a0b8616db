// SPDX-License-Identifier: Apache-2.0
// Reads of the xPU: a queue of row sets for each bundle, through which its four pairs of banks go each by
// itself. A pair holds two bank groups, so one pair alone is read at full rate while others turn around or
// are refreshed.
#include "cmodel/hbm/xpu_reads.h"

#include <stdlib.h>

#include "cmodel/hbm/xpu_writes.h"
#include "duplex/arithmetic.h"
#include "duplex/error.h"

enum { PAIRS = XPU_BANKS / 2, PIECES = DUPLEX_ROW_SET_BYTES / XPU_PIECE_BYTES };

bool xpu_may_read(const struct duplex_xpu_traffic *x, unsigned bundle, unsigned bank, uint16_t row) {
  const struct duplex_xpu_bank *b = &x->bank[bundle][bank];
  const unsigned rank = bundle / 2;
  return b->open && b->row == row && x->now >= b->rd_at && x->now >= x->group_column_at[rank][bank % 4] &&
         x->now >= x->read_at + (rank != x->last_rank ? xpu_clocks(x->timing.nRTR) : 0);
}

// Puts it on the pins and notes what it makes later commands wait for.
void xpu_read_column(struct duplex_xpu_traffic *x, unsigned bundle, unsigned bank, unsigned column) {
  const struct duplex_dram_timing *t = &x->timing;
  const unsigned rank = bundle / 2;
  uint64_t *pre_at = &x->bank[bundle][bank].pre_at;
  x->pins.column_valid = true;
  x->pins.column_bundle = (uint8_t)bundle;
  x->pins.column_bank = (uint8_t)bank;
  x->pins.column_address = (uint8_t)column;
  *pre_at = duplex_larger_u64(*pre_at, x->now + xpu_clocks(t->nRTPL));
  x->read_at = x->now + xpu_clocks(t->nCCDS);
  x->group_column_at[rank][bank % 4] = x->now + xpu_clocks(t->nCCDL);
  x->write_at = duplex_larger_u64(x->write_at, x->now + xpu_clocks(t->nRTW + t->nRTR));
  x->last_rank = rank;
  x->reads++;
}

// The first piece of a pair that is not below `from`.
static unsigned piece_from(unsigned pair, unsigned from) {
  const unsigned even = from / XPU_BANKS * XPU_BANKS + 2 * pair;
  if (from <= even) return even;
  return from == even + 1 ? from : even + XPU_BANKS;
}

// How many pieces of a pair are below `to`.
static unsigned pieces_below(unsigned pair, unsigned to) {
  const unsigned rest = to % XPU_BANKS > 2 * pair ? to % XPU_BANKS - 2 * pair : 0;
  return to / XPU_BANKS * 2 + (rest < 2 ? rest : 2);
}

static bool all_read(const struct duplex_xpu_read_queue *q) {
  return !(q->pair[0].left || q->pair[1].left || q->pair[2].left || q->pair[3].left);
}

// Room for one entry more; DUPLEX_ERROR_NO_MEMORY leaves the queue as it was.
static int make_room(struct duplex_xpu_traffic *x, unsigned bundle) {
  size_t *room = &x->memory.rows_room[bundle];
  if (x->read[bundle].count < *room) return DUPLEX_OK;
  const size_t larger = *room ? 2 * *room : 16;
  struct duplex_xpu_rows *more = realloc(x->memory.rows[bundle], larger * sizeof *more);
  if (!more) return DUPLEX_ERROR_NO_MEMORY;
  x->memory.rows[bundle] = more;
  *room = larger;
  return DUPLEX_OK;
}

// Pairs that have done everything go on with these rows, which begin at row `row` of the last entry.
static void hand_out(struct duplex_xpu_traffic *x, unsigned bundle, const struct duplex_xpu_rows *rows,
                     uint16_t row) {
  struct duplex_xpu_read_queue *q = &x->read[bundle];
  for (unsigned pair = 0; pair < PAIRS; pair++) {
    struct duplex_xpu_reader *r = &q->pair[pair];
    const uint64_t pieces =
        (uint64_t)rows->count * (pieces_below(pair, rows->to) - pieces_below(pair, rows->from));
    if (pieces && !r->left) {
      r->at = q->count - 1;
      r->row = row;
      r->piece = (uint16_t)piece_from(pair, rows->from);
    }
    r->left += pieces;
    x->reads_left += pieces;
  }
}

// Queues row sets of a bundle: a new entry, or more of the last one.
static int add(struct duplex_xpu_traffic *x, unsigned bundle, const struct duplex_xpu_rows *rows) {
  struct duplex_xpu_read_queue *q = &x->read[bundle];
  if (all_read(q)) q->count = 0;
  struct duplex_xpu_rows *last = q->count ? &x->memory.rows[bundle][q->count - 1] : NULL;
  if (last && last->from == rows->from && last->to == rows->to && last->first + last->count == rows->first) {
    last->count = (uint16_t)(last->count + rows->count);
    hand_out(x, bundle, rows, (uint16_t)(last->count - rows->count));
    return DUPLEX_OK;
  }
  const int error = make_room(x, bundle);
  if (error) return error;
  x->memory.rows[bundle][q->count++] = *rows;
  hand_out(x, bundle, rows, 0);
  return DUPLEX_OK;
}

// As many bytes from the address on as make one entry: whole row sets of a bundle, or a part of one.
static size_t entry_bytes(uint64_t address, size_t size) {
  const size_t to_row_end = DUPLEX_ROW_SET_BYTES - address % DUPLEX_ROW_SET_BYTES;
  const size_t to_bundle_end = ((size_t)1 << DUPLEX_BUNDLE_LSB) - address % (1u << DUPLEX_BUNDLE_LSB);
  if (to_row_end < DUPLEX_ROW_SET_BYTES || size < DUPLEX_ROW_SET_BYTES)
    return size < to_row_end ? size : to_row_end;
  return size < to_bundle_end ? size / DUPLEX_ROW_SET_BYTES * DUPLEX_ROW_SET_BYTES : to_bundle_end;
}

int duplex_xpu_read(struct duplex_xpu_traffic *x, uint64_t address, size_t size) {
  if (!xpu_is_range(address, size)) return DUPLEX_ERROR_ARGUMENT;
  x->foreseen = false;
  while (size) {
    const size_t bytes = entry_bytes(address, size);
    const size_t of_row = bytes < DUPLEX_ROW_SET_BYTES ? bytes : DUPLEX_ROW_SET_BYTES;
    const unsigned from = address % DUPLEX_ROW_SET_BYTES / XPU_PIECE_BYTES;
    const struct duplex_xpu_rows rows = {
        .first = address >> DUPLEX_ROW_LSB & (DUPLEX_BANK_ROWS - 1),
        .count = (uint16_t)(bytes / of_row),
        .from = (uint16_t)from,
        .to = (uint16_t)(from + of_row / XPU_PIECE_BYTES),
    };
    const int error = add(x, (unsigned)(address >> DUPLEX_BUNDLE_LSB), &rows);
    if (error) return error;
    address += bytes;
    size -= bytes;
  }
  return DUPLEX_OK;
}

// The row where a pair is that has something to read.
static uint16_t row_of(const struct duplex_xpu_traffic *x, unsigned bundle, unsigned pair) {
  const struct duplex_xpu_reader *r = &x->read[bundle].pair[pair];
  return (uint16_t)(x->memory.rows[bundle][r->at].first + r->row);
}

// Whether a bank of such a pair has something to read in that row.
static bool needs_row(const struct duplex_xpu_traffic *x, unsigned bundle, unsigned bank) {
  const struct duplex_xpu_reader *r = &x->read[bundle].pair[bank / 2];
  const unsigned to_other = bank % 2 ? 1 : XPU_BANKS - 1;
  return r->piece + (r->piece % 2 == bank % 2 ? 0 : to_other) < x->memory.rows[bundle][r->at].to;
}

static bool can_read(const struct duplex_xpu_traffic *x, unsigned bundle, unsigned pair) {
  return x->read[bundle].pair[pair].left && x->owned >> bundle & 1;
}

bool xpu_reads_want(const struct duplex_xpu_traffic *x, unsigned bundle, unsigned bank) {
  const struct duplex_xpu_bank *b = &x->bank[bundle][bank];
  return b->open && b->owed < XPU_URGENT && can_read(x, bundle, bank / 2) &&
         b->row == row_of(x, bundle, bank / 2) && needs_row(x, bundle, bank);
}

// What a pair needs for its next row, of banks that owe no refresh and have no writes.
static struct duplex_xpu_candidate open_pair(const struct duplex_xpu_traffic *x, unsigned bundle,
                                             unsigned pair) {
  const uint16_t row = row_of(x, bundle, pair);
  struct duplex_xpu_candidate c = {.command = XPU_NOTHING};
  for (unsigned bank = 2 * pair; bank < 2 * pair + 2 && c.command == XPU_NOTHING; bank++) {
    const struct duplex_xpu_bank *b = &x->bank[bundle][bank];
    if ((b->open && b->row == row) || b->owed || !needs_row(x, bundle, bank)) continue;
    if (!xpu_writes_want(x, bundle, bank)) c = xpu_open_row(x, bundle, bank, row);
  }
  return c;
}

struct duplex_xpu_candidate xpu_reads_row(const struct duplex_xpu_traffic *x) {
  struct duplex_xpu_candidate best = {.command = XPU_NOTHING};
  uint64_t most = 0;
  for (unsigned i = 0; x->reads_left && i < DUPLEX_BUNDLES * PAIRS; i++) {
    const uint64_t left = x->read[i / PAIRS].pair[i % PAIRS].left;
    if (left <= most || !can_read(x, i / PAIRS, i % PAIRS)) continue;
    const struct duplex_xpu_candidate c = open_pair(x, i / PAIRS, i % PAIRS);
    if (c.command != XPU_NOTHING) best = c, most = left;
  }
  return best;
}

// Whether the next piece of a pair may be read now.
static bool may_go_on(const struct duplex_xpu_traffic *x, unsigned bundle, unsigned pair) {
  return can_read(x, bundle, pair) &&
         xpu_may_read(x, bundle, x->read[bundle].pair[pair].piece % XPU_BANKS, row_of(x, bundle, pair));
}

// On to the next piece, in this row or in the next one that has pieces of the pair.
static void go_on(struct duplex_xpu_traffic *x, unsigned bundle, unsigned pair) {
  struct duplex_xpu_reader *r = &x->read[bundle].pair[pair];
  const struct duplex_xpu_rows *rows = &x->memory.rows[bundle][r->at];
  x->reads_left--;
  if (--r->left == 0) {
    *r = (struct duplex_xpu_reader){0};
    return;
  }
  r->piece = (uint16_t)piece_from(pair, r->piece + 1u);
  if (r->piece < rows->to) return;
  if (++r->row == rows->count) {
    r->row = 0;
    do rows = &x->memory.rows[bundle][++r->at];
    while (piece_from(pair, rows->from) >= rows->to);
  }
  r->piece = (uint16_t)piece_from(pair, rows->from);
}

// Whether the row of a pair's next piece is open: it only waits for its turn in its bank group.
static bool is_at_row(const struct duplex_xpu_traffic *x, unsigned bundle, unsigned pair) {
  if (!can_read(x, bundle, pair)) return false;
  const struct duplex_xpu_bank *b = &x->bank[bundle][x->read[bundle].pair[pair].piece % XPU_BANKS];
  return b->open && b->row == row_of(x, bundle, pair);
}

// The pair that is read keeps the bus to the end of its row. Where it reads one of its banks alone, another
// pair has every other turn.
void xpu_reads_column(struct duplex_xpu_traffic *x) {
  uint64_t most = 0;
  unsigned best = x->reading;
  if (!may_go_on(x, best / PAIRS, best % PAIRS)) {
    for (unsigned i = 0; i < DUPLEX_BUNDLES * PAIRS; i++) {
      const uint64_t left = x->read[i / PAIRS].pair[i % PAIRS].left;
      if (left > most && may_go_on(x, i / PAIRS, i % PAIRS)) most = left, best = i;
    }
    if (most == 0) return;
  }
  const unsigned piece = x->read[best / PAIRS].pair[best % PAIRS].piece;
  xpu_read_column(x, best / PAIRS, piece % XPU_BANKS, piece / XPU_BANKS);
  x->data_at = x->now + xpu_clocks(x->timing.nCL + x->timing.nBL);
  if (!is_at_row(x, x->reading / PAIRS, x->reading % PAIRS)) x->reading = best;
  go_on(x, best / PAIRS, best % PAIRS);
}
