// SPDX-License-Identifier: Apache-2.0
// Times of the memory controller: when the rules of the DRAM allow a command, and what a command leaves.
#include <string.h>

#include "cmodel/hbm/memory_channel.h"
#include "duplex/arithmetic.h"

// Raises a first time.
static void not_before(uint64_t *at, uint64_t tck) { *at = duplex_larger_u64(*at, tck); }

// --- when ---

uint64_t memory_ref_at(const struct memory_channel *c, unsigned bank) {
  const unsigned rank = memory_rank_of(bank);
  uint64_t at = duplex_larger_u64(c->bank[bank].act_at, c->bus.row_at);
  at = duplex_larger_u64(at, c->bus.rank_act_at[rank]);
  at = duplex_larger_u64(at, c->bus.group_act_at[rank][memory_group_of(bank)]);
  return duplex_larger_u64(at, c->bus.rank_ref_at[rank]);
}

uint64_t memory_act_at(const struct memory_channel *c, unsigned bank) {
  return duplex_larger_u64(memory_ref_at(c, bank), c->bus.window[memory_rank_of(bank)][0]);
}

uint64_t memory_pre_at(const struct memory_channel *c, unsigned bank) {
  return duplex_larger_u64(duplex_larger_u64(c->bank[bank].pre_at, c->bus.pre_at), c->bus.row_at);
}

uint64_t memory_column_at(const struct memory_channel *c, const struct duplex_dram_timing *t, unsigned bank,
                          bool write) {
  const unsigned rank = memory_rank_of(bank);
  const unsigned group = memory_group_of(bank);
  const unsigned rd_switch = rank != c->bus.rd_rank ? t->nRTR : 0;
  const unsigned wr_switch = rank != c->bus.wr_rank ? t->nRTR : 0;
  uint64_t at = c->bus.group_column_at[rank][group];
  if (write) {
    at = duplex_larger_u64(at, c->bank[bank].wr_at);
    at = duplex_larger_u64(at, c->bus.wr_after_rd + rd_switch);
    return duplex_larger_u64(at, c->bus.wr_after_wr + wr_switch);
  }
  at = duplex_larger_u64(at, c->bank[bank].rd_at);
  at = duplex_larger_u64(at, c->bus.group_rd_at[rank][group]);
  at = duplex_larger_u64(at, c->bus.rd_after_wr);
  return duplex_larger_u64(at, c->bus.rd_after_rd + rd_switch);
}

// --- what a command leaves ---

void memory_note_act(struct memory_channel *c, const struct duplex_dram_timing *t, uint64_t now,
                     unsigned bank, uint16_t row) {
  struct memory_bank *b = &c->bank[bank];
  const unsigned rank = memory_rank_of(bank);
  uint64_t *window = c->bus.window[rank];
  b->open = true;
  b->row = row;
  b->rd_at = now + t->nRCDRD;
  b->wr_at = now + t->nRCDWR;
  not_before(&b->pre_at, now + t->nRAS);
  not_before(&b->act_at, now + t->nRC);
  c->bus.row_at = now + MEMORY_ROW_BUS_TCK;
  c->bus.rank_act_at[rank] = now + t->nRRDS;
  c->bus.group_act_at[rank][memory_group_of(bank)] = now + t->nRRDL;
  memmove(&window[0], &window[1], 3 * sizeof window[0]);
  window[3] = now + t->nFAW;
}

void memory_note_pre(struct memory_channel *c, const struct duplex_dram_timing *t, uint64_t now,
                     unsigned bank) {
  struct memory_bank *b = &c->bank[bank];
  b->open = false;
  not_before(&b->act_at, now + t->nRP);
  c->bus.row_at = now + MEMORY_ROW_BUS_TCK;
  c->bus.pre_at = now + t->nPPD;
}

void memory_note_ref(struct memory_channel *c, const struct duplex_dram_timing *t, uint64_t now,
                     unsigned bank) {
  struct memory_bank *b = &c->bank[bank];
  b->refreshes++;
  b->act_at = now + t->nRFCPB;
  c->bus.row_at = now + MEMORY_ROW_BUS_TCK;
  c->bus.rank_ref_at[memory_rank_of(bank)] = now + t->nRREFD;
}

void memory_note_column(struct memory_channel *c, const struct duplex_dram_timing *t, uint64_t now,
                        unsigned bank, bool write) {
  struct memory_bank *b = &c->bank[bank];
  const unsigned rank = memory_rank_of(bank);
  const unsigned group = memory_group_of(bank);
  c->bus.group_column_at[rank][group] = now + t->nCCDL;
  if (write) {
    const uint64_t written = now + t->nCWL + t->nBL;
    not_before(&b->pre_at, written + t->nWR);
    c->bus.group_rd_at[rank][group] = written + t->nWTRL;
    c->bus.rd_after_wr = written + t->nWTRS;
    c->bus.wr_after_wr = now + t->nCCDS;
    c->bus.wr_rank = rank;
    return;
  }
  not_before(&b->pre_at, now + t->nRTPL);
  c->bus.wr_after_rd = now + t->nRTW;
  c->bus.rd_after_rd = now + t->nCCDS;
  c->bus.rd_rank = rank;
}
