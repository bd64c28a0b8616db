#include "duplex/timing_judge.h"

#include <inttypes.h>
#include <string.h>

#include "cmodel/hbm/judge_names.h"

#define LONG_AGO (INT64_MIN / 4)
#define BANKS 8u

void duplex_judge_start(struct duplex_judge *judge, const struct duplex_dram_timing *timing, bool strict) {
  memset(judge, 0, sizeof *judge);
  judge->timing = *timing;
  judge->strict = strict;
  for (unsigned bundle = 0; bundle < DUPLEX_BUNDLES; bundle++)
    for (unsigned bank = 0; bank < BANKS; bank++)
      judge->banks[bundle][bank] = (struct duplex_judge_bank){false, 0, LONG_AGO, LONG_AGO, LONG_AGO, LONG_AGO, LONG_AGO, 0};
  judge->now = judge->row_command = judge->column_command = LONG_AGO;
  judge->column_rd = judge->column_wr = judge->data_end = LONG_AGO;
  judge->refresh_limit = INT64_MAX;
  for (int rank = 0; rank < 2; rank++) {
    judge->rank_act[rank] = LONG_AGO;
    for (int i = 0; i < 4; i++) judge->window[rank][i] = LONG_AGO;
  }
}

static bool broken(struct duplex_judge *judge, const struct duplex_judge_command *command, const char *rule) {
  snprintf(judge->text, sizeof judge->text, "tCK %" PRIu64 " %s bundle %u: %s", command->tck,
           duplex_judge_kind_names[command->kind], command->bundle, rule);
  return false;
}

// True if the command comes at least `least` tCK after `before`.
static bool after(struct duplex_judge *judge, const struct duplex_judge_command *command, int64_t before, unsigned least,
                  const char *rule) {
  const int64_t distance = (int64_t)command->tck - before;
  if (distance >= (int64_t)least) return true;
  snprintf(judge->text, sizeof judge->text, "tCK %" PRIu64 " %s bundle %u: %s is %u, missed by %" PRId64 " tCK", command->tck,
           duplex_judge_kind_names[command->kind], command->bundle, rule, least, (int64_t)least - distance);
  return false;
}

static bool is_column(enum duplex_judge_kind kind) { return kind == DUPLEX_JUDGE_RD || kind == DUPLEX_JUDGE_WR; }

// --- rules of one bank ---

static bool bank_act(struct duplex_judge *j, const struct duplex_judge_command *c, const struct duplex_judge_bank *b) {
  const struct duplex_dram_timing *t = &j->timing;
  if (b->open) return broken(j, c, "the bank is open");
  return after(j, c, b->act, t->nRC, "ACT to ACT, nRC") && after(j, c, b->pre, t->nRP, "PRE to ACT, nRP") &&
         after(j, c, b->ref, t->nRFCPB, "REF to ACT, nRFCPB");
}

static bool bank_pre(struct duplex_judge *j, const struct duplex_judge_command *c, const struct duplex_judge_bank *b) {
  const struct duplex_dram_timing *t = &j->timing;
  return after(j, c, b->act, t->nRAS, "ACT to PRE, nRAS") && after(j, c, b->rd, t->nRTP, "RD to PRE, nRTP") &&
         after(j, c, b->wr, t->nCWL + t->nBL + t->nWR, "WR to PRE, nCWL + nBL + nWR") &&
         after(j, c, b->ref, t->nRFCPB, "REF to PRE, nRFCPB");
}

static bool bank_ref(struct duplex_judge *j, const struct duplex_judge_command *c, const struct duplex_judge_bank *b) {
  const struct duplex_dram_timing *t = &j->timing;
  if (b->open) return broken(j, c, "the bank is open");
  return after(j, c, b->pre, t->nRP, "PRE to REF, nRP") && after(j, c, b->ref, t->nRFCPB, "REF to REF, nRFCPB");
}

static bool bank_column(struct duplex_judge *j, const struct duplex_judge_command *c, const struct duplex_judge_bank *b) {
  const struct duplex_dram_timing *t = &j->timing;
  const unsigned first = (unsigned)__builtin_ctz(c->mask);
  if (!b->open) return broken(j, c, "the bank is closed");
  if (b->row != j->banks[c->bundle][first].row) return broken(j, c, "the banks have different rows open");
  return c->kind == DUPLEX_JUDGE_RD ? after(j, c, b->act, t->nRCDRD, "ACT to RD, nRCDRD")
                                    : after(j, c, b->act, t->nRCDWR, "ACT to WR, nRCDWR");
}

static bool banks_allow(struct duplex_judge *judge, const struct duplex_judge_command *command) {
  typedef bool rule(struct duplex_judge *, const struct duplex_judge_command *, const struct duplex_judge_bank *);
  static rule *const rules[] = {bank_act, bank_pre, bank_ref, bank_column, bank_column};
  for (unsigned bank = 0; bank < BANKS; bank++)
    if (command->mask >> bank & 1 && !rules[command->kind](judge, command, &judge->banks[command->bundle][bank])) return false;
  return true;
}

// --- rules of rank and channel ---

static bool rank_allows_act(struct duplex_judge *judge, const struct duplex_judge_command *command) {
  const unsigned rank = command->bundle / 2, banks = (unsigned)__builtin_popcount(command->mask);
  if (!after(judge, command, judge->rank_act[rank], judge->timing.nRRDL, "ACT to ACT of the rank, nRRDL")) return false;
  if (!judge->strict) return true;
  if (banks > 4) return broken(judge, command, "more than 4 banks at once, nFAW");
  // With these, no five activations may lie in one window: the fifth last of them must have left it.
  return after(judge, command, judge->window[rank][banks - 1], judge->timing.nFAW, "five bank activations of the rank, nFAW");
}

static unsigned to_other_rank(const struct duplex_judge *judge, unsigned rank_before, unsigned bundle) {
  return rank_before != bundle / 2 ? judge->timing.nRTR : 0;
}

static bool channel_allows_column(struct duplex_judge *j, const struct duplex_judge_command *c) {
  const struct duplex_dram_timing *t = &j->timing;
  const unsigned rd_switch = to_other_rank(j, j->column_rd_rank, c->bundle),
                 wr_switch = to_other_rank(j, j->column_wr_rank, c->bundle);
  if (c->kind == DUPLEX_JUDGE_RD)
    return after(j, c, j->column_rd, t->nCCDL + rd_switch, "RD to RD, nCCDL + nRTR") &&
           after(j, c, j->column_wr, t->nCWL + t->nBL + t->nWTRL, "WR to RD, nCWL + nBL + nWTRL");
  return after(j, c, j->column_wr, t->nCCDL + wr_switch, "WR to WR, nCCDL + nRTR") &&
         after(j, c, j->column_rd, t->nRTW + rd_switch, "RD to WR, nRTW + nRTR");
}

static int64_t data_start(const struct duplex_judge *judge, const struct duplex_judge_command *command) {
  return (int64_t)command->tck + (command->kind == DUPLEX_JUDGE_RD ? judge->timing.nCL : judge->timing.nCWL);
}

static bool data_bus_free(struct duplex_judge *judge, const struct duplex_judge_command *command) {
  const int64_t overlap = judge->data_end - data_start(judge, command);
  if (overlap <= 0) return true;
  snprintf(judge->text, sizeof judge->text, "tCK %" PRIu64 " %s bundle %u: data on the bus together, missed by %" PRId64 " tCK",
           command->tck, duplex_judge_kind_names[command->kind], command->bundle, overlap);
  return false;
}

static bool buses_allow(struct duplex_judge *judge, const struct duplex_judge_command *command) {
  const bool column = is_column(command->kind);
  if ((int64_t)command->tck < judge->now) return broken(judge, command, "earlier than the command before it");
  const int64_t last = column ? judge->column_command : judge->row_command;
  return after(judge, command, last, 1, column ? "one column command a tCK" : "one row command a tCK");
}

static bool well_formed(struct duplex_judge *judge, const struct duplex_judge_command *command) {
  if (command->bundle >= DUPLEX_BUNDLES) return broken(judge, command, "no such bundle");
  if (command->mask == 0 || command->mask > 0xff) return broken(judge, command, "the mask is not 1 to ff");
  if (command->kind == DUPLEX_JUDGE_ACT && command->address >= DUPLEX_BANK_ROWS) return broken(judge, command, "no such row");
  if (is_column(command->kind) && command->address >= DUPLEX_COLUMNS) return broken(judge, command, "no such column");
  return true;
}

// --- refresh ---

// Last tCK at which the bank has not waited too long: floor(tCK / nREFI) refreshes are due since tCK 0.
static int64_t refresh_limit_of(const struct duplex_dram_timing *timing, const struct duplex_judge_bank *bank) {
  const int64_t interval = timing->nREFI, postponed = timing->nREFMAX;
  const int64_t owed = ((int64_t)bank->refreshes + postponed + 1) * interval - 1;
  const int64_t apart = bank->refreshes ? bank->ref + (1 + postponed) * interval : INT64_MAX;
  return owed < apart ? owed : apart;
}

static void find_refresh_limit(struct duplex_judge *judge) {
  judge->refresh_limit = INT64_MAX;
  for (unsigned bundle = 0; bundle < DUPLEX_BUNDLES; bundle++)
    for (unsigned bank = 0; judge->used[bundle] && bank < BANKS; bank++) {
      const int64_t limit = refresh_limit_of(&judge->timing, &judge->banks[bundle][bank]);
      if (limit < judge->refresh_limit) judge->refresh_limit = limit;
    }
}

static bool refresh_in_time(struct duplex_judge *judge, int64_t tck) {
  if (tck <= judge->refresh_limit) return true;
  for (unsigned bundle = 0; bundle < DUPLEX_BUNDLES; bundle++)
    for (unsigned bank = 0; judge->used[bundle] && bank < BANKS; bank++) {
      const int64_t limit = refresh_limit_of(&judge->timing, &judge->banks[bundle][bank]);
      if (tck <= limit) continue;
      snprintf(judge->text, sizeof judge->text,
               "tCK %" PRId64 ": bundle %u bank %u waits for REF, nREFMAX is %u, missed by %" PRId64 " tCK", tck, bundle, bank,
               judge->timing.nREFMAX, tck - limit);
      return false;
    }
  return true;
}

// --- what a legal command leaves behind ---

static void note_bank(struct duplex_judge_bank *bank, const struct duplex_judge_command *command) {
  const int64_t now = (int64_t)command->tck;
  switch (command->kind) {
    case DUPLEX_JUDGE_ACT:
      bank->open = true;
      bank->row = command->address;
      bank->act = now;
      break;
    case DUPLEX_JUDGE_PRE:
      if (bank->open) bank->pre = now;
      bank->open = false;
      break;
    case DUPLEX_JUDGE_REF:
      bank->ref = now;
      bank->refreshes++;
      break;
    case DUPLEX_JUDGE_RD:
      bank->rd = now;
      break;
    case DUPLEX_JUDGE_WR:
      bank->wr = now;
      break;
  }
}

static void note_act(struct duplex_judge *judge, const struct duplex_judge_command *command) {
  const unsigned rank = command->bundle / 2, banks = (unsigned)__builtin_popcount(command->mask);
  judge->rank_act[rank] = (int64_t)command->tck;
  for (unsigned i = 0; i < banks; i++) {
    memmove(&judge->window[rank][0], &judge->window[rank][1], 3 * sizeof judge->window[rank][0]);
    judge->window[rank][3] = (int64_t)command->tck;
  }
}

static void note_column(struct duplex_judge *judge, const struct duplex_judge_command *command) {
  int64_t *time = command->kind == DUPLEX_JUDGE_RD ? &judge->column_rd : &judge->column_wr;
  unsigned *rank = command->kind == DUPLEX_JUDGE_RD ? &judge->column_rd_rank : &judge->column_wr_rank;
  *time = (int64_t)command->tck;
  *rank = command->bundle / 2;
  judge->data_end = data_start(judge, command) + judge->timing.nCCDL;
}

static void note(struct duplex_judge *judge, const struct duplex_judge_command *command) {
  const int64_t now = (int64_t)command->tck;
  const bool first = !judge->used[command->bundle];
  judge->now = now;
  judge->used[command->bundle] = true;
  for (unsigned bank = 0; bank < BANKS; bank++)
    if (command->mask >> bank & 1) note_bank(&judge->banks[command->bundle][bank], command);
  if (first || command->kind == DUPLEX_JUDGE_REF) find_refresh_limit(judge);
  if (command->kind == DUPLEX_JUDGE_ACT) note_act(judge, command);
  if (is_column(command->kind)) {
    note_column(judge, command);
    judge->column_command = now;
  } else {
    judge->row_command = now;
  }
}

bool duplex_judge_take(struct duplex_judge *judge, const struct duplex_judge_command *command) {
  if (!well_formed(judge, command) || !buses_allow(judge, command) || !banks_allow(judge, command)) return false;
  if (command->kind == DUPLEX_JUDGE_ACT && !rank_allows_act(judge, command)) return false;
  if (is_column(command->kind) && !(channel_allows_column(judge, command) && data_bus_free(judge, command))) return false;
  if (!refresh_in_time(judge, (int64_t)command->tck)) return false;
  note(judge, command);
  return true;
}

bool duplex_judge_finish(struct duplex_judge *judge, uint64_t tck) { return refresh_in_time(judge, (int64_t)tck); }
